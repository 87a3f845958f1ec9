"""What follows the base of a recipe when it goes to another one."""

from pathlib import Path

from ebsif.base.image import Base, ImageName
from ebsif.bump import _Before, _moved
from ebsif.recipe import Recipe
from ebsif.site import Site
from tests.support.manifests import make_manifest

RECIPE = """\
name: TensorFlow
version: 2.16.1
with: [horovod-0.28.1, mine-1]
base: x.sif
commands:
  - python3
  - python3.10  # for old scripts
"""


def base(python: str, *with_: str) -> Base:
    return Base("x.sif", None, make_manifest(python=python), ImageName("family", with_=with_))


def test_commands_and_marks_are_called_after_the_new_base() -> None:
    recipe = Recipe.model_validate({"name": "TensorFlow", "version": "2.16.1", "base": "x.sif"})
    site = Site(name="here", description="this machine")
    before = _Before(Path("x.yml"), recipe, site, base("3.10.2", "horovod-0.28.1"), Path("x.eb"))
    assert _moved(RECIPE, before, base("3.12.1", "horovod-0.29.0")) == (
        RECIPE.replace("python3.10 ", "python3.12 ").replace("horovod-0.28.1", "horovod-0.29.0")
    )
    assert _moved(RECIPE, before, base("3.10.4")) == RECIPE
