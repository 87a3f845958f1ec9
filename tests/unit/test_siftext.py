"""Values that easyconfigs may hold arrive unchanged in Lua, in Tcl, and through the runtime's own shell script."""

import subprocess

import pytest
from easybuild.easyblocks.generic._sifruntime import injected_value
from easybuild.easyblocks.generic._siftext import FILES_DIR, fill_template, lua_value, shell_words, tcl_value
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import at_most

# All that a process can be given as an argument, but for surrogates, which no easyconfig in UTF-8 holds.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
HOSTILE = st.text(st.sampled_from("\\\"'$`[]{}()%#;~*? \n\ra"), max_size=12)


def run(command: list[str], script: str) -> str:
    # Bytes, because text would have its line ends changed.
    return subprocess.run(command, input=script.encode(), capture_output=True, check=True).stdout.decode()


@at_most(60)
@given(TEXTS | HOSTILE)
def test_lua_reads_back_every_string(value: str) -> None:
    assert run(["lua5.3", "-"], f"io.write({lua_value(value)})") == value


@at_most(60)
@given(TEXTS | HOSTILE)
def test_tcl_reads_back_every_string_even_in_a_body(value: str) -> None:
    script = f"fconfigure stdout -encoding utf-8 -translation lf\nif {{1}} {{ puts -nonewline {tcl_value(value)} }}\n"
    assert run(["tclsh8.6", "-encoding", "utf-8", "/dev/stdin"], script) == value


@at_most(30)
@given(st.lists(st.lists(HOSTILE, min_size=2, max_size=2), max_size=3))
def test_nested_lists_keep_their_shape(value: list[list[str]]) -> None:
    flat = "".join(f"{index}:{text}|" for index, row in enumerate(value) for text in row)
    lua = f"for i, row in ipairs({lua_value(value)}) do for _, t in ipairs(row) do io.write(i - 1, ':', t, '|') end end"
    assert run(["lua5.3", "-"], lua) == flat
    tcl = f"""fconfigure stdout -translation lf
set i 0
foreach row {tcl_value(value)} {{ foreach t $row {{ puts -nonewline "$i:$t|" }}; incr i }}
"""
    assert run(["tclsh8.6", "/dev/stdin"], tcl) == flat


@at_most(60)
@given(TEXTS | HOSTILE)
def test_injected_value_survives_the_runtimes_script(value: str) -> None:
    # What Singularity and Apptainer do with it: escape the double quotes, and put it between double quotes.
    script = 'VALUE="%s"; printf %%s "$VALUE"' % injected_value(value).replace('"', '\\"')  # noqa: UP031
    assert run(["bash"], script) == value


@at_most(60)
@given(st.lists(TEXTS | HOSTILE, max_size=3))
def test_shell_reads_back_every_word(words: list[str]) -> None:
    assert run(["bash"], f'f() {{ printf "%s\\0" "$@"; }}; f {shell_words(*words)}') == "".join(
        f"{word}\0" for word in words or [""]
    )


def test_template_gets_exactly_the_values_that_it_asks_for() -> None:
    assert fill_template("a __ONE__ and __TWO_B__", {"ONE": "1", "TWO_B": "__ONE__"}) == "a 1 and __ONE__"


@pytest.mark.parametrize("values", [{}, {"ONE": "1", "MORE": "2"}])
def test_template_with_other_values_is_a_mistake(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="ONE"):
        fill_template("__ONE__", values)


def test_files_lie_beside_the_easyblocks() -> None:
    assert FILES_DIR.endswith("easybuild/easyblocks/generic/sif")
