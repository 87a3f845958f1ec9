"""What counts as a difference between activating by hand and loading the module."""

import os
import subprocess

import pytest
from easybuild.easyblocks.generic._sifactivation import (
    EXPECTED_DIFFERENCES,
    activate_script,
    activation_changes,
    differences,
    parse_activated,
    parse_environment,
    with_layer_pythonpath,
)

from tests.support import activation


def test_output_of_env_is_parsed_whatever_values_hold() -> None:
    assert parse_environment("A=1\0B=two\nlines\0C=a=b\0D=\0") == {"A": "1", "B": "two\nlines", "C": "a=b", "D": ""}


def test_equal_environments_do_not_differ() -> None:
    assert differences({"A": "1", "PATH": "/bin"}, {"A": "1", "PATH": "/bin"}) == []


def test_a_missing_variable_is_named() -> None:
    assert differences({"A": "1"}, {}) == ["$A is '1' after activating by hand, but not set with the module loaded"]


def test_another_value_is_shown() -> None:
    assert differences({"A": "1"}, {"A": "2"}) == ["$A is '1' after activating by hand, but '2' with the module loaded"]


def test_what_may_differ_is_what_the_tests_allow() -> None:
    assert set(EXPECTED_DIFFERENCES) == set(activation.MAY_DIFFER)


@pytest.mark.parametrize(
    ("by_hand", "loaded", "found"),
    [
        ({"A": "1"}, {"A": "1"}, {}),
        ({"A": "1", "B": "2"}, {"B": "3"}, {"A": ("1", None), "B": ("2", "3")}),
        ({"SHLVL": "2", "PS1": "$"}, {"SHLVL": "1", "WITH_VENV": ":"}, {}),
        ({"PATH": "/a::/b"}, {"PATH": "/runscripts:/a:/b"}, {}),
        ({"PATH": "/a:/b"}, {"PATH": "/a:/b"}, {"PATH": ("/runscripts:/a:/b", "/a:/b")}),
    ],
)
def test_the_comparison_of_the_tests(
    by_hand: dict[str, str], loaded: dict[str, str], found: dict[str, tuple[str | None, str | None]]
) -> None:
    assert activation.unexpected(by_hand, loaded) == found


def test_the_tests_read_the_output_of_env_by_themselves() -> None:
    assert activation.variables("A=1\0B=two\nlines\0C=a=b\0D=\0") == {"A": "1", "B": "two\nlines", "C": "a=b", "D": ""}


def test_shell_internals_may_differ() -> None:
    assert differences({"SHLVL": "2", "PS1": "$", "PWD": "/"}, {"SHLVL": "1"}) == []


def test_what_the_easyconfig_adds_may_differ() -> None:
    assert differences({}, {"MINE": "1"}, added=["MINE"]) == []


def test_path_may_only_have_the_runscripts_in_addition() -> None:
    assert differences({"PATH": "/a:/b"}, {"PATH": "/runscripts:/a:/b"}) == []
    assert len(differences({"PATH": "/a:/b"}, {"PATH": "/runscripts:/b:/a"})) == 1


def test_activating_sets_variables_and_puts_folders_before_path() -> None:
    before = {"KEPT": "1", "CHANGED": "1", "PATH": "/usr/bin:/bin", "PS1": "$"}
    after = {"KEPT": "1", "CHANGED": "2", "EMPTY": "", "PATH": "/x:/y:/usr/bin:/bin", "PS1": "(x) $", "SHLVL": "2"}
    assert activation_changes(before, after) == ({"CHANGED": "2", "EMPTY": ""}, ["/x", "/y"], [])


def test_activating_may_change_nothing() -> None:
    assert activation_changes({"PATH": "/bin"}, {"PATH": "/bin"}) == ({}, [], [])


@pytest.mark.parametrize(
    ("after", "name", "problem"),
    [
        ({"PATH": "/bin"}, "OLD", "it unsets $OLD"),
        ({"OLD": "two\nlines"}, "OLD", "it sets $OLD to 'two\\nlines', which cannot be passed into a container"),
        ({"OLD": "\udcff"}, "OLD", "it sets $OLD to '\\udcff', which"),
        ({"OLD": "\x1b[m"}, "OLD", "it sets $OLD to '\\x1b[m', which"),
        ({"OLD": "1", "A-B": "x"}, "A-B", "it sets $A-B to 'x', which"),
        ({"OLD": "1", "a\nb": "x"}, "'a\\nb'", "it sets $'a\\nb' to 'x', which"),
        ({"OLD": "1", "\udcff": "x"}, "'\\udcff'", "it sets $'\\udcff' to 'x', which"),
        ({"OLD": "1", "BASH_FUNC_f%%": "() { :; }"}, "BASH_FUNC_f%%", "it sets $BASH_FUNC_f%% to"),
        ({"OLD": "1", "PATH": "/xx/bin"}, "PATH", "it changes $PATH from '/bin' to '/xx/bin'"),
        ({"OLD": "1", "PATH": "x:/bin"}, "PATH", "it changes $PATH from '/bin' to 'x:/bin'"),
        ({"OLD": "1", "PATH": "/x\n:/bin"}, "PATH", "it changes $PATH from '/bin' to '/x\\n:/bin'"),
        ({"OLD": "1", "PATH": "/\udcff:/bin"}, "PATH", "it changes $PATH from '/bin' to '/\\udcff:/bin'"),
    ],
)
def test_what_no_module_can_do_is_named(after: dict[str, str], name: str, problem: str) -> None:
    env, folders, problems = activation_changes({"OLD": "1", "PATH": "/bin"}, {"PATH": "/bin", **after})
    assert (env, folders) == ({}, [])
    ((of, told),) = problems
    assert of == name
    assert told.startswith(problem)
    assert told.isprintable()


def test_what_depends_on_who_activates_is_named() -> None:
    after = {"OWN": "/tmp/ada", "PATH": "/home/ada/bin:/bin", "SAME": "1"}
    assert activation_changes({"PATH": "/bin"}, after, personal=["OWN", "PATH", "OTHERS"]) == ({"SAME": "1"}, [], [
        ("OTHERS", "it sets $OTHERS to what depends on who activates (here: not set)"),
        ("OWN", "it sets $OWN to what depends on who activates (here: '/tmp/ada')"),
        ("PATH", "it sets $PATH to what depends on who activates (here: '/home/ada/bin:/bin')"),
    ])  # fmt: skip


def test_a_variable_whose_value_is_decided_elsewhere_is_left_out() -> None:
    assert activation_changes({"OLD": "1"}, {"NEW": "a\nb"}, decided=["OLD", "NEW"]) == ({}, [], [])


def test_an_empty_folder_before_path_is_left_out() -> None:
    assert activation_changes({"PATH": "/bin"}, {"PATH": "/x::/bin"}) == ({}, ["/x"], [])
    assert differences({"PATH": "/x::/bin"}, {"PATH": "/runscripts:/x:/bin"}) == []


@pytest.mark.parametrize(
    ("before", "after", "env", "folders"),
    [
        ("/bin", "/x:/y:/bin", {}, ["/x", "/y"]),
        ("/bin", "/bin:/z", {"APPEND_PATH": "/z"}, []),
        ("/usr/bin:/bin", "/x:/usr/bin:/bin:/y:/z", {"APPEND_PATH": "/y:/z"}, ["/x"]),
    ],
)
def test_folders_before_and_behind_path(before: str, after: str, env: dict[str, str], folders: list[str]) -> None:
    assert activation_changes({"PATH": before}, {"PATH": after}) == (env, folders, [])


@pytest.mark.parametrize("after", ["/bin:/usr/bin", "/usr/bin", "/x:/bin", "relative:/usr/bin:/bin"])
def test_other_changes_of_path_are_refused(after: str) -> None:
    ((name, _),) = activation_changes({"PATH": "/usr/bin:/bin"}, {"PATH": after})[2]
    assert name == "PATH"


def test_the_libraries_of_the_runtime_are_left_to_the_runtime() -> None:
    before, after = "/.singularity.d/libs", "/layer/lib:/opt/lib:/.singularity.d/libs"
    env, _, _ = activation_changes({"LD_LIBRARY_PATH": before}, {"LD_LIBRARY_PATH": after})
    assert env == {"LD_LIBRARY_PATH": "/layer/lib:/opt/lib"}
    assert differences({"LD_LIBRARY_PATH": "/layer/lib"}, {"LD_LIBRARY_PATH": f"/layer/lib:{before}"}) == []


def test_a_layer_keeps_its_own_pythonpath_and_undoes_that_of_the_image() -> None:
    own = "/user-software/conda/envs/x/python"
    assert with_layer_pythonpath({"A": "1", "PYTHONPATH": "/x"}, {"PYTHONPATH": "/x"}) == {"A": "1", "PYTHONPATH": ""}
    assert with_layer_pythonpath({"A": "1"}, {"PYTHONPATH": "/of/the/image"}) == {"A": "1", "PYTHONPATH": ""}
    assert with_layer_pythonpath({}, {"PYTHONPATH": f"{own}:/of/the/image:"}) == {"PYTHONPATH": own}
    assert with_layer_pythonpath({"A": "1"}, {}) == {"A": "1"}


def activated(*commands: str, **variables: str) -> tuple[dict[str, str], set[str]]:
    script, env = activate_script(commands), {**os.environ, **variables}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=env)
    before, after, personal = parse_activated(f"the image says this\n{done.stdout}")
    assert {name: before[name] for name in variables} == variables
    return after, personal


def test_environment_after_activating_is_read_back() -> None:
    env, personal = activated("export ONE='two\nlines'", "export TWO=$ONE # and more")
    assert (env["TWO"], personal) == ("two\nlines", set())


def test_bytes_that_are_no_text_are_kept_apart() -> None:
    env, _ = activated("export ONE=$'a\\377b' TWO=\u00e4")
    assert (env["ONE"], env["TWO"]) == ("a\udcffb", "\u00e4")


@pytest.mark.parametrize("value", ["$HOME/cache", "/tmp/$USER", "/tmp/$(id -un)", "/tmp/$(whoami)", "$(id -u)"])
def test_variables_that_depend_on_who_activates_are_named(value: str) -> None:
    env, personal = activated(f"export MINE={value} OTHERS=1")
    assert personal == {"MINE"}
    assert env["OTHERS"] == "1"


def test_who_activates_is_no_variable_of_the_activation_unless_it_sets_it() -> None:
    assert activated("export LOGNAME=$(id -un)x", LOGNAME="ada")[1] == {"LOGNAME"}


def test_what_activating_prints_is_not_taken_for_variables() -> None:
    env, _ = activated("echo PRINTED=1", "export ONE=1")
    assert env["ONE"] == "1"
    assert "PRINTED" not in env


@pytest.mark.parametrize("command", ["false", "exit 3"])
def test_an_activation_that_fails_is_no_environment(command: str) -> None:
    assert subprocess.run(["bash", "-c", activate_script([command, "true"])], capture_output=True).returncode != 0


def test_nothing_to_activate_gives_the_environment_as_it_is() -> None:
    assert activated()[1] == set()
