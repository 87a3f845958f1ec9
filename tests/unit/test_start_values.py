"""Values that are worked out when a command starts: plain variables with defaults, and folders for one user alone."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SETTINGS = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "runscripts" / "settings.sh"


def bash(script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a script that has read the functions of the settings."""
    text = f"fail() {{ echo \"$*\" >&2; exit 9; }}\nsource {shlex.quote(str(SETTINGS))}\n{script}"
    env = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, env=env)


def expand(text: str, **variables: str) -> str | None:
    done = bash(f"expand {shlex.quote(text)} && printf %s \"$expanded\"", **variables)
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$NAME", "value"),
        ("${NAME}/${NAME}", "value/value"),
        ("a${UNSET:-text}b", "atextb"),
        ("${UNSET:-}", ""),
        ("${EMPTY:-text}", "text"),
        ("${NAME:-text}", "value"),
        ("$NAME.d", "value.d"),
        ("${NAME:+/a/$NAME/b}c", "/a/value/bc"),
        ("${UNSET:+/a/$UNSET/b}c", "c"),
        ("${EMPTY:+text}", ""),
        ("${NAME:+$NAME}e", "valuee"),
        ("${NAME:+$UNSET}", None),
        ("$UNSET", None),
        ("${UNSET}", None),
        ("$EMPTY", None),
        ("$(id)", None),
        ("${NAME%x}", None),
        ("cost: $", None),
        ("`id` \\ \"", "`id` \\ \""),
    ],
)
def test_only_plain_variables_are_replaced(text: str, value: str | None) -> None:
    assert expand(text, NAME="value", EMPTY="") == value


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
@settings(max_examples=40)
def test_what_a_variable_holds_is_never_evaluated(value: str) -> None:
    assert expand("${NAME:-none}", NAME=value) == (value or "none")
    assert expand("${NAME:+($NAME)}", NAME=value) == (f"({value})" if value else "")


def test_a_value_that_names_a_variable_without_value_is_told() -> None:
    done = bash("start_values=('CACHE $SCRATCH/cache') start_folders=(); set_start_values")
    assert done.returncode == 9
    assert "CACHE is to be '$SCRATCH/cache', which names a variable that is not set here" in done.stderr


def test_where_nothing_comes_out_nothing_is_set() -> None:
    script = "start_values=('CACHE ${PROJECT:+/scratch/$PROJECT/cache}') start_folders=(CACHE); set_start_values"
    assert bash(f"{script}; echo ${{CACHE-unset}}").stdout == "unset\n"


def test_what_is_set_stays() -> None:
    script = "start_values=('CACHE $SCRATCH/cache') start_folders=(); set_start_values; echo $CACHE"
    assert bash(script, CACHE="mine").stdout == "mine\n"


def test_a_folder_is_made_for_a_value_that_was_worked_out_and_not_for_one_that_was_set(tmp_path: Path) -> None:
    script = f"start_values=('CACHE {tmp_path}/ours') start_folders=(CACHE); set_start_values"
    assert bash(script).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    # The user's own choice may be a folder of their project, which a colleague has made.
    assert bash(script, CACHE=f"{tmp_path}/theirs").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def make(folder: Path) -> "subprocess.CompletedProcess[str]":
    return bash("make_private_folders CACHE", CACHE=str(folder))


def test_a_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two words"
    assert make(folder).returncode == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make(folder).returncode == 0


@pytest.fixture
def everybodys(tmp_path: Path) -> Path:
    """A folder for everybody, which is not ours: nothing keeps us from following somebody's links there."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o1777)
    os.chown(folder, 65534, 65534)
    return folder


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_folder_of_somebody_else_below_one_that_is_open_to_all_is_refused(everybodys: Path, below: str) -> None:
    planted_folder = everybodys / "cache"
    planted_folder.mkdir()
    os.chown(planted_folder, 65534, 65534)
    folder = planted_folder / below
    done = make(folder)
    assert done.returncode == 9
    assert f"{planted_folder} belongs to somebody else" in done.stderr
    assert "setting CACHE" in done.stderr


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert "is a link" in make(tmp_path / "link").stderr


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_nothing_is_made_behind_somebodys_link(tmp_path: Path, everybodys: Path, mode: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere").chmod(mode)
    (everybodys / "cache").symlink_to(tmp_path / "elsewhere")
    os.chown(everybodys / "cache", 65534, 65534, follow_symlinks=False)
    done = make(everybodys / "cache" / "triton")
    assert done.returncode == 9
    assert f"{everybodys}/cache belongs to somebody else, or is a link" in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_nothing_is_made_in_somebodys_folder_that_is_open_to_all(everybodys: Path) -> None:
    """Who owns it can rename what others have there."""
    (everybodys / "cache").mkdir()
    (everybodys / "cache").chmod(0o1777)
    os.chown(everybodys / "cache", 65534, 65534)
    assert f"{everybodys}/cache belongs to somebody else" in make(everybodys / "cache" / "triton").stderr
    assert list((everybodys / "cache").iterdir()) == []


def test_the_systems_own_folder_that_is_open_to_all_may_lie_in_another(everybodys: Path) -> None:
    (everybodys / "tmp").mkdir()
    (everybodys / "tmp").chmod(0o1777)
    os.chown(everybodys / "tmp", 0, 0)
    assert make(everybodys / "tmp" / "cache").returncode == 0
