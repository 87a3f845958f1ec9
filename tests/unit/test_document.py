"""YAML files: data with the line of each value, and nothing that surprises."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ebsif.document import MAXIMUM_SIZE, parse, read, scalar, validate
from ebsif.errors import EbsifError, InputError
from ebsif.recipe import Recipe
from ebsif.site import Site

FILE = Path("recipe.yml")
GOOD = "name: PyTorch\nversion: 2.10\nbase: x.sif\n"


def problems(text: str) -> list[tuple[int | None, str]]:
    """Return what is wrong with a recipe, with lines."""
    with pytest.raises(InputError) as caught:
        validate(Recipe, parse(text, FILE))
    return caught.value.problems


def test_a_version_is_text_as_it_was_written() -> None:
    assert parse("version: 2.10\ndate: 20250827\nmask: 0xfe\n", FILE).data == {
        "version": "2.10",
        "date": "20250827",
        "mask": "0xfe",
    }


def test_each_value_has_its_line() -> None:
    document = parse("name: a\npackages:\n  - b\n  - c\n", FILE)
    assert [document.line(place) for place in ((), ("name",), ("packages", 1), ("packages", 9))] == [1, 1, 4, 2]


def test_an_error_names_file_and_line() -> None:
    with pytest.raises(InputError, match=r"^recipe.yml:4: site: "):
        validate(Recipe, parse(GOOD + "site: [lumi]\n", FILE))


def test_an_unknown_key_comes_with_the_nearest_known_one() -> None:
    assert problems(GOOD + "comands: [ray]\n") == [(4, "unknown key 'comands': did you mean 'commands'?")]


def test_an_unknown_key_inside_a_value_is_found_too() -> None:
    text = GOOD + "expected:\n  kind: venv\n  pyton: /opt/venv/bin/python\n"
    assert problems(text) == [(6, "unknown key 'expected.pyton': did you mean 'python'?")]


def test_all_mistakes_are_reported_at_once() -> None:
    text = "name: Py Torch\nversion: 2/1\nbase: x.sif\nlayer: squash\n"
    assert [line for line, _ in problems(text)] == [1, 2, 4]


def test_a_missing_key_is_named() -> None:
    assert problems("name: PyTorch\nbase: x.sif\n") == [(1, "the key 'version' is missing")]


def test_a_key_that_is_there_twice_is_an_error_at_the_second() -> None:
    assert problems("name: a\nversion: 1\nname: b\n") == [(3, "the key 'name' is there twice")]


def test_aliases_are_refused_so_that_no_file_can_grow_without_end() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert problems(bomb) == [(1, "anchors and aliases (& and *) are not allowed: write the value out")]


@pytest.mark.parametrize("text", ["", "- a\n", "text\n"])
def test_a_file_without_keys_is_refused(text: str) -> None:
    assert problems(text) == [(1, "the file must hold keys with values (`key: value`)")]


@pytest.mark.parametrize(
    "text", ["a: [1\n", "a: !!python/object:os.system x\n", "? [a]\n: b\n", "\x00", "a:\n\t- b\n", "[" * 3000]
)
def test_what_is_no_plain_yaml_is_refused(text: str) -> None:
    assert problems(text)


def test_an_oversized_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yml"
    path.write_text("#" * (MAXIMUM_SIZE + 1))
    with pytest.raises(InputError, match=r"big.yml: the file is larger than 1000000 bytes: is it the right one\?"):
        read(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.yml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"image.yml: the file is not UTF-8 text"):
        read(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EbsifError, match=r"cannot read .*none.yml: No such file or directory"):
        read(tmp_path / "none.yml")


def test_sites_are_checked_in_the_same_way() -> None:
    with pytest.raises(InputError, match=r"site.yml:3: unknown key 'bind': did you mean 'binds'\?"):
        validate(Site, parse("name: a\ndescription: b\nbind: []\n", Path("site.yml")))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2.10", "2.10"),
        ("20250827", "20250827"),
        ("numpy>=2,<3", "'numpy>=2,<3'"),
        ("yes", "'yes'"),
        ("null", "'null'"),
        ("", '""'),
        ("a # b", "'a # b'"),
        ("two\nlines", '"two\\nlines"'),
        ("{{ x }}", "'{{ x }}'"),
    ],
)
def test_a_text_is_quoted_only_where_it_must_be(text: str, written: str) -> None:
    assert scalar(text) == written


@given(st.text())
@example("%(name)s '\"\\ [section]\n[x]: #é\u2028\x85\ufeff\x00 ")
@example("a" * 300 + " b" * 300)
def test_every_text_reads_back_as_it_was(text: str) -> None:
    written = scalar(text)
    assert "\n" not in written
    assert parse(f"key: {written}\nlist:\n  - {written}\n", FILE).data == {"key": text, "list": [text]}
