"""What activating changes, and what of it a module cannot do."""

import pytest

from ebsif.base.environment import activation, for_everybody
from ebsif.base.image import Base, start_up
from ebsif.base.manifest import Activation
from ebsif.errors import EbsifError
from ebsif.recipe import Recipe
from tests.support.manifests import make_manifest

BEFORE = {"PATH": "/bin", "GONE": "1", "SAME": "1"}


def changed(**after: str) -> Activation:
    return activation("activate", BEFORE, {**BEFORE, **after})


def test_what_is_set_and_put_before_path_can_be_done() -> None:
    found = changed(NEW="a b", PATH="/x:/y:/bin")
    assert found == Activation(command="activate", env={"NEW": "a b"}, path=["/x", "/y"])


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("A-B", "x", "no variable of such a name can be passed into a container"),
        ("BASH_FUNC_f%%", "() { :; }", "no variable of such a name can be passed into a container"),
        ("NEW", "a\nb", "its value is 'a\\nb', and only UTF-8 in one line can be passed into a container"),
        ("NEW", "\udcff", "its value is '\\udcff', and only UTF-8 in one line can be passed into a container"),
    ],
)
def test_what_cannot_be_passed_into_a_container_is_told(name: str, value: str, reason: str) -> None:
    found = changed(**{name: value})
    assert (found.env, found.unusable) == ({}, {name: reason})


@pytest.mark.parametrize("path", ["/x::/bin", ":/bin", "x:/bin", "/x:/bin:/y", "/x\n:/bin", "/other"])
def test_a_path_that_is_more_than_absolute_folders_before_it_is_told(path: str) -> None:
    found = changed(PATH=path)
    assert found.path == []
    assert "a module can only put absolute folders before it" in found.unusable["PATH"]


def test_a_variable_that_is_unset_is_told() -> None:
    after = {name: value for name, value in BEFORE.items() if name != "GONE"}
    assert set(activation("activate", BEFORE, after).unusable) == {"GONE"}


def test_what_differs_for_another_user_is_left_out_and_told() -> None:
    found = Activation(command="a", env={"OWN": "/tmp/ada", "SAME": "1", "ADA": "1"}, path=["/home/ada/bin"])
    other = Activation(command="a", env={"OWN": "/tmp/bob", "SAME": "1"}, path=["/home/bob/bin"])
    both = for_everybody(found, other)
    assert (both.env, both.path) == ({"SAME": "1"}, [])
    assert both.unusable == {
        "ADA": "it depends on who activates it: '1', and not set for another user",
        "OWN": "it depends on who activates it: '/tmp/ada', and '/tmp/bob' for another user",
        "PATH": "it depends on who activates it: ['/home/ada/bin'], and ['/home/bob/bin'] for another user",
    }


UNUSABLE = Activation(command="source activate", unusable={"OWN": "it depends on who activates it"})
CONDA = {"layer": "conda", "environment": "environment.yml"}


def started(**values: object) -> None:
    recipe = Recipe.model_validate({"name": "Demo", "version": "1.0", "base": "x.sif", **values})
    start_up(recipe, Base("x.sif", manifest=make_manifest().model_copy(update={"activation": UNUSABLE})))


@pytest.mark.parametrize("values", [{}, {"layer": "none"}, {**CONDA, "stack": True}])
def test_a_module_that_cannot_activate_the_base_is_not_made(values: dict[str, object]) -> None:
    with pytest.raises(EbsifError, match=r"`source activate` does in x\.sif: \$OWN: it depends on who activates it\."):
        started(**values)


def test_a_recipe_may_say_what_the_variable_should_be() -> None:
    started(container_env={"OWN": "/tmp/ours"})


def test_an_environment_of_conda_alone_needs_no_activation_of_the_base() -> None:
    started(**CONDA)
