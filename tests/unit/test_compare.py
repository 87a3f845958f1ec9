"""What two things differ in, and how that is told."""

import pytest

from ebsif.compare import Contents, changes, of_manifest
from ebsif.markdown import code, markdown
from tests.support.manifests import make_manifest


def test_nothing_is_different_from_itself() -> None:
    contents = of_manifest(make_manifest(packages={"torch": "2.6.0"}))
    assert not changes(contents, contents)


def test_packages_added_removed_and_changed() -> None:
    before = Contents("a", {}, base={"torch": "2.6.0", "apex": "1.0", "numpy": "2.1"})
    after = Contents("b", {}, base={"torch": "2.7.1", "vllm": "0.10.1", "numpy": "2.1"})
    assert changes(before, after).base == {
        "apex": ("1.0", None),
        "torch": ("2.6.0", "2.7.1"),
        "vllm": (None, "0.10.1"),
    }


def test_a_package_that_spells_its_name_otherwise_is_the_same() -> None:
    before = Contents("a", {}, layer={"PyYAML": "6.0", "zope.interface": "1"})
    after = Contents("b", {}, layer={"pyyaml": "6.0", "zope-interface": "2"})
    assert changes(before, after).layer == {"zope-interface": ("1", "2")}


def test_unknown_packages_are_no_difference() -> None:
    assert not changes(Contents("a", {}, base={"torch": "2.6.0"}), Contents("b", {}))


def test_python_and_rocm_of_bases_are_compared() -> None:
    before = of_manifest(make_manifest(python="3.11.2", rocm="6.2.4"))
    after = of_manifest(make_manifest(python="3.12.3", rocm="7.0.1"))
    assert changes(before, after).settings == {"Python": ("3.11.2", "3.12.3"), "ROCm": ("6.2.4", "7.0.1")}


def test_markdown_has_a_table_for_each_part() -> None:
    found = changes(Contents("a", {"Python": "3.11"}, {"torch": "2.6"}), Contents("b", {"Python": "3.12"}, {}))
    assert markdown("a", "b", found) == (
        "# b\n\nCompared with `a`:\n"
        "\n## Settings\n\n| | before | after |\n| --- | --- | --- |\n| Python | `3.11` | `3.12` |\n"
        "\n## Packages of the base\n\n| | before | after |\n| --- | --- | --- |\n| torch | `2.6` | – |\n"
    )


@pytest.mark.parametrize(
    ("value", "cell"),
    [("a|b", "`a\\|b`"), ("`x`", "`` `x` ``"), ("a\nb", "`a b`"), ("", "(empty)"), (None, "–"), ("``", "``` `` ```")],
)
def test_a_value_stays_in_its_cell(value: str | None, cell: str) -> None:
    assert code(value) == cell
