"""Recipes: what they may hold, and those that come along."""

from pathlib import Path

import pytest

from ebsif.base.image import Base, read_name, start_up
from ebsif.document import parse, scalar, validate
from ebsif.errors import InputError
from ebsif.names import easyconfig_folder, easyconfig_name
from ebsif.recipe import Recipe, read_recipe
from ebsif.site import read_site

EASYCONFIGS = Path(__file__).parents[2] / "easyconfigs"
SHIPPED = sorted(EASYCONFIGS.glob("*/*/*.yml"))
FOR_LUMI = [path for path in SHIPPED if read_recipe(path)[0].site == "lumi"]
FILE = Path("recipe.yml")
GOOD = "name: PyTorch\nversion: 2.7.1\nbase: x.sif\n"

shipped = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
for_lumi = pytest.mark.parametrize("path", FOR_LUMI, ids=lambda path: path.stem)


def base_by_name(recipe: Recipe) -> Base:
    """Return the base of a recipe, of which only the name is known."""
    file = Path(recipe.base).name
    return Base(file, name=read_name(file, read_site(recipe.site, EASYCONFIGS).families))


def read(text: str) -> Recipe:
    return validate(Recipe, parse(text, FILE))


def test_three_keys_are_enough() -> None:
    recipe = read(GOOD)
    assert (recipe.layer, recipe.site, recipe.has_packages) == ("venv", "local", False)


@pytest.mark.parametrize(
    "line",
    [
        "name: 'Py Torch'",
        "name: ../PyTorch",
        "name: '%(name)s'",
        "version: 2/1",
        "version: 2.1-",
        "date: 20251301",
        "variant: a b",
        "versionsuffix: no-dash-first",
        "base: 'my image.sif'",
        "base: folder/",
        "packages: [--index-url=https://example.org]",
        "packages: numpy",
        "packages: ['']",
        "commands: [../sh]",
        "commands: [--version]",
        "binds: ['relative/path']",
        "host_env: {'A B': c}",
        'host_env: {A: "two\\nlines"}',
        "index: ftp://example.org",
        "expected: {kind: docker}",
        "expected: {kind: venv, python: bin/python}",
        "user_site: 'yes'",
        "layer: overlay",
    ],
)
def test_a_value_that_could_not_be_used_is_refused_at_its_line(line: str) -> None:
    key = line.split(":")[0]
    text = "\n".join([*(known for known in GOOD.splitlines() if not known.startswith(f"{key}:")), line])
    with pytest.raises(InputError) as caught:
        read(text)
    assert [number for number, _ in caught.value.problems] == [len(text.splitlines())]
    assert key in str(caught.value)


def test_values_that_mean_something_elsewhere_stay_as_they_are() -> None:
    hostile = "%(name)s $HOME `id` {{ x }} '\" \\ [section]"
    recipe = read(GOOD + f"description: |\n  {hostile}\nhost_env:\n  A: {scalar(hostile)}\n")
    assert recipe.description == hostile + "\n"
    assert recipe.host_env == {"A": hostile}


def test_packages_without_a_layer_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(GOOD + "layer: none\npackages: [lightning]\n")
    with pytest.raises(InputError, match=r"recipe.yml:4: packages need a layer: write `layer: venv`"):
        read_recipe(path)


def test_each_image_of_lumi_has_a_recipe() -> None:
    assert len(FOR_LUMI) == 21
    software = [read_recipe(path)[0].name for path in FOR_LUMI]
    counts = {name: software.count(name) for name in set(software)}
    assert counts == {"PyTorch": 13, "jax": 4, "TensorFlow": 1, "mpi4py": 1, "rocm": 2}


def test_no_two_recipes_for_lumi_have_the_same_image() -> None:
    images = [read_recipe(path)[0].base for path in FOR_LUMI]
    assert len(set(images)) == len(images)


@shipped
def test_the_image_of_a_shipped_recipe_has_a_name_that_its_site_understands(path: Path) -> None:
    recipe, _ = read_recipe(path)
    assert base_by_name(recipe).name is not None


@for_lumi
def test_a_recipe_for_lumi_is_called_as_its_easyconfig(path: Path) -> None:
    recipe, _ = read_recipe(path)
    name = easyconfig_name(recipe, base_by_name(recipe))
    assert path.relative_to(EASYCONFIGS) == easyconfig_folder(recipe.name) / Path(name).with_suffix(".yml")


@for_lumi
def test_a_recipe_for_lumi_agrees_with_the_name_of_its_image(path: Path) -> None:
    recipe, _ = read_recipe(path)
    said = base_by_name(recipe).name
    assert said is not None
    assert (recipe.name, recipe.version, tuple(recipe.with_)) == (said.software, said.version, said.with_)
    assert said.date in (None, recipe.date)


@for_lumi
def test_a_recipe_for_lumi_says_enough_for_a_module_without_the_image(path: Path) -> None:
    recipe, _ = read_recipe(path)
    known = start_up(recipe, base_by_name(recipe))
    assert (known.python is None) == (recipe.layer == "none") == (known.kind == "bare")
    assert (known.activation is not None) == (known.kind == "conda")
    assert recipe.verify_base
