"""A module is made only if it can do what activating the base does, or need not."""

import pytest

from ebsif.base.image import Base, start_up
from ebsif.base.manifest import Activation
from ebsif.errors import EbsifError
from ebsif.recipe import Recipe
from tests.support.manifests import make_manifest

UNUSABLE = Activation(command="source activate", unusable={"OWN": "it unsets $OWN"})
CONDA = {"layer": "conda", "environment": "environment.yml"}


def started(**values: object) -> None:
    recipe = Recipe.model_validate({"name": "Demo", "version": "1.0", "base": "x.sif", **values})
    start_up(recipe, Base("x.sif", manifest=make_manifest().model_copy(update={"activation": UNUSABLE})))


@pytest.mark.parametrize("values", [{}, {"layer": "none"}, {**CONDA, "stack": True}])
def test_a_module_that_cannot_activate_the_base_is_not_made(values: dict[str, object]) -> None:
    with pytest.raises(EbsifError, match=r"`source activate` does in x\.sif: it unsets \$OWN\."):
        started(**values)


def test_a_recipe_may_say_what_the_variable_should_be() -> None:
    started(container_env={"OWN": "/tmp/ours"})


def test_an_environment_of_conda_alone_needs_no_activation_of_the_base() -> None:
    started(**CONDA)
