"""Values in an easyconfig: EasyBuild reads back what was meant, whatever it is."""

import ast
from pathlib import Path
from typing import Any

import pytest
from easybuild.framework.easyconfig.easyconfig import resolve_template
from easybuild.framework.easyconfig.format.one import FormatOneZero, retrieve_blocks_in_spec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ebsif.easyconfig.quoting import WIDTH, literal

HOSTILE = [
    "it's \"quoted\" '''thrice''' and \"\"\"so\"\"\"",
    "ends with a quote \"",
    "back\\slash at the end\\",
    "%(name)s %%(version)s %%%(arch)s 100% %s %(no such)s %d",
    "{{ jinja }} {% if x %} {# no #}",
    "[section]",
    "before\n[section]\n  [indented]\n# EASYCONFIGFORMAT 3.0\nafter",
    "shared_lib_ext",
    "first\nshared_lib_ext\n",
    "tab\there\nand trailing blank \n\n",
    "\x00\x1b\u2028\ud800 ünï\U0001f600",
    "word " * 60,
    "x" * 500,
    "\\" * 300 + "\n" + "\\" * 300,
    "a\n" + "[b] " * 80,
]

texts = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from([*"\"'\\[]#% \n\t{}", '"""', "%(name)s", "[x]", "shared_lib_ext", "word ", "x" * 40])
    ).map("".join),
)
values = st.recursive(
    st.one_of(texts, st.none(), st.booleans(), st.integers()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner), st.lists(inner).map(tuple)),
    max_leaves=8,
)


def read_by_easybuild(text: str, folder: Path) -> dict[str, Any]:
    """Return the parameters of an easyconfig, by EasyBuild's own code."""
    path = folder / "test.eb"
    path.write_text(text, encoding="utf-8")
    assert retrieve_blocks_in_spec(str(path), None) == [str(path)]
    parser = FormatOneZero()
    parser.parse(text)
    replaced = {"name": "REPLACED", "version": "REPLACED", "arch": "REPLACED"}
    return {key: resolve_template(value, replaced) for key, value in parser.get_config_dict().items()}


@pytest.mark.parametrize("value", HOSTILE)
def test_easybuild_reads_back_a_hostile_text(value: str, tmp_path: Path) -> None:
    text = f"name = 'x'\nversion = '1'\ndescription = {literal(value)}\n"
    assert read_by_easybuild(text, tmp_path)["description"] == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=values)
def test_easybuild_reads_back_any_value(value: Any, tmp_path: Path) -> None:
    text = f"name = 'x'\nversion = '1'\ndescription = {literal(value)}\n"
    assert read_by_easybuild(text, tmp_path)["description"] == value


@given(value=st.one_of(texts, st.lists(texts), st.dictionaries(st.text(max_size=10), st.lists(texts))))
@example(value={"k" * 30: ["x" * 300]})
def test_no_line_is_longer_than_easybuild_allows(value: Any) -> None:
    lines = f"exts_default_options = {literal(value)}".split("\n")
    assert all(len(line) <= WIDTH for line in lines)


@given(value=texts)
def test_no_line_ends_with_a_blank(value: str) -> None:
    assert not any(line.endswith((" ", "\t")) for line in str(literal(value)).split("\n"))


def test_a_short_list_stands_in_one_line() -> None:
    assert literal(["python3", "torchrun"]) == "['python3', 'torchrun']"


def test_a_long_dictionary_has_a_line_for_each_item() -> None:
    value = {"A": "x" * 60, "B": "y" * 60}
    assert literal(value) == f"{{\n    'A': '{'x' * 60}',\n    'B': '{'y' * 60}',\n}}"


def test_what_an_easyconfig_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        literal([Path("/x")])


@given(value=values)
def test_the_text_is_plain_data(value: Any) -> None:
    ast.literal_eval(str(literal(value)))
