"""What counts as a difference between activating by hand and loading the module."""

import pytest
from easybuild.easyblocks.generic._sifenvironment import activation_changes, differences, parse_environment


def test_output_of_env_is_parsed_whatever_values_hold() -> None:
    assert parse_environment("A=1\0B=two\nlines\0C=a=b\0D=\0") == {"A": "1", "B": "two\nlines", "C": "a=b", "D": ""}


def test_equal_environments_do_not_differ() -> None:
    assert differences({"A": "1", "PATH": "/bin"}, {"A": "1", "PATH": "/bin"}) == []


def test_a_missing_variable_is_named() -> None:
    assert differences({"A": "1"}, {}) == ["$A is '1' after activating by hand, but not set with the module loaded"]


def test_another_value_is_shown() -> None:
    assert differences({"A": "1"}, {"A": "2"}) == ["$A is '1' after activating by hand, but '2' with the module loaded"]


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
    ("after", "sentence"),
    [
        ({"PATH": "/bin"}, "it unsets $OLD"),
        ({"PATH": "/bin", "OLD": "two\nlines"}, "it sets $OLD to 'two\\nlines'"),
        ({"PATH": "/bin", "OLD": "1", "BASH_FUNC_f%%": "() { :; }"}, "it sets $BASH_FUNC_f%% to"),
        ({"PATH": "/bin:/x", "OLD": "1"}, "it changes $PATH from /bin to /bin:/x"),
        ({"PATH": "/xx/bin", "OLD": "1"}, "it changes $PATH from /bin to /xx/bin"),
    ],
)
def test_what_no_module_can_do_is_named(after: dict[str, str], sentence: str) -> None:
    _, _, sentences = activation_changes({"OLD": "1", "PATH": "/bin"}, after)
    assert len(sentences) == 1
    assert sentences[0].startswith(sentence)


def test_a_variable_whose_value_is_decided_elsewhere_is_left_out() -> None:
    assert activation_changes({"OLD": "1"}, {"NEW": "a\nb"}, decided=["OLD", "NEW"]) == ({}, [], [])
