"""What easyconfigs and modules are called."""

import string
from pathlib import Path

import pytest
from easybuild.framework.easyconfig.easyconfig import letter_dir_for
from easybuild.tools.module_naming_scheme.utilities import det_full_ec_version
from hypothesis import given
from hypothesis import strategies as st

from ebsif.base.image import Base, ImageName
from ebsif.errors import EbsifError
from ebsif.names import easyconfig_folder, easyconfig_name, module_name, software_version, version_suffix
from ebsif.recipe import Expected, Recipe
from tests.support.manifests import make_manifest

LUMI = Base("x.sif", name=ImageName("LUMI", "PyTorch", "2.7.1", rocm="6.2.4", python="3.12"))
UNKNOWN = Base("x.sif")


def make_recipe(**values: object) -> Recipe:
    return Recipe.model_validate({"name": "PyTorch", "version": "2.7.1", "base": "x.sif", **values})


def test_a_module_is_called_as_on_lumi() -> None:
    recipe = make_recipe(date="20250827")
    assert easyconfig_name(recipe, LUMI) == "PyTorch-2.7.1-rocm-6.2.4-python-3.12-singularity-20250827.eb"
    assert module_name(recipe, LUMI) == "PyTorch/2.7.1-rocm-6.2.4-python-3.12-singularity-20250827"


def test_what_else_is_inside_comes_before_singularity_and_the_variant_after_it() -> None:
    recipe = make_recipe(**{"with": ["vllm-0.10.1"], "variant": "mine", "date": "20250827"})
    assert version_suffix(recipe, LUMI) == "-rocm-6.2.4-python-3.12-vllm-0.10.1-singularity-mine-20250827"


def test_a_base_with_python_and_without_rocm_is_for_processors() -> None:
    base = Base("x.sif", manifest=make_manifest(python="3.11.2"))
    assert version_suffix(make_recipe(), base) == "-cpu-python-3.11-singularity"


def test_a_base_without_python_has_its_rocm_only() -> None:
    base = Base("x.sif", manifest=make_manifest(python=None, rocm="6.2.4"))
    assert version_suffix(make_recipe(name="Tool"), base) == "-rocm-6.2.4-singularity"


def test_a_base_of_which_nothing_is_known_says_nothing() -> None:
    assert version_suffix(make_recipe(), UNKNOWN) == "-singularity"


def test_the_module_of_rocm_does_not_name_it_twice() -> None:
    base = Base("x.sif", name=ImageName("LUMI", "rocm", "6.2.2", rocm="6.2.2"))
    recipe = make_recipe(name="rocm", version="6.2.2", date="20241007")
    assert module_name(recipe, base) == "rocm/6.2.2-singularity-20241007"


def test_looking_into_a_base_does_not_change_the_name() -> None:
    inspected = Base("x.sif", manifest=make_manifest(python="3.12.3", rocm="6.2.41134"), name=LUMI.name)
    assert version_suffix(make_recipe(), inspected) == version_suffix(make_recipe(), LUMI)


def test_the_python_that_a_recipe_expects_counts_until_the_base_is_at_hand() -> None:
    recipe = make_recipe(expected={"kind": "venv", "python": "/opt/venv/bin/python3.12"})
    assert version_suffix(recipe, UNKNOWN) == "-cpu-python-3.12-singularity"
    inspected = Base("x.sif", manifest=make_manifest(python="3.13.1"))
    assert version_suffix(recipe, inspected) == "-cpu-python-3.13-singularity"


def test_an_expected_python_without_version_says_nothing() -> None:
    expected = Expected(kind="venv", python="/opt/venv/bin/python")
    assert version_suffix(make_recipe(expected=expected.model_dump()), UNKNOWN) == "-singularity"


def test_a_recipe_may_have_a_version_suffix_of_its_own() -> None:
    assert version_suffix(make_recipe(versionsuffix="-cray"), LUMI) == "-cray"
    assert module_name(make_recipe(versionsuffix=""), LUMI) == "PyTorch/2.7.1"


def test_a_version_of_the_base_that_fits_no_name_is_an_error() -> None:
    base = Base("x.sif", manifest=make_manifest(rocm="6.2 (beta)"))
    with pytest.raises(EbsifError, match=r"x.sif has a version '6.2 \(beta\)'.* write a `versionsuffix`"):
        version_suffix(make_recipe(), base)


@pytest.mark.parametrize(
    ("name", "packages", "version"),
    [
        ("PyTorch", {"torch": "2.7.1+rocm6.2.4"}, "2.7.1"),
        ("TensorFlow", {"tensorflow_rocm": "2.16.1"}, "2.16.1"),
        ("mpi4py", {"mpi4py": "3.1.6"}, "3.1.6"),
        ("jax", {"jax": "0.4.35.dev20250321"}, "0.4.35.dev20250321"),
        ("scikit-learn", {"scikit_learn": "1.7.0"}, "1.7.0"),
        ("Other", {"torch": "2.7.1"}, None),
    ],
)
def test_the_version_of_a_software_is_that_of_its_package_in_the_base(
    name: str, packages: dict[str, str], version: str | None
) -> None:
    assert software_version(name, Base("x.sif", manifest=make_manifest(packages=packages))) == version


def test_the_version_of_rocm_is_that_of_the_base() -> None:
    assert software_version("rocm", Base("x.sif", manifest=make_manifest(rocm="6.2.4"))) == "6.2.4"


def test_else_the_name_of_the_image_tells_the_version_of_its_own_software() -> None:
    assert software_version("pytorch", LUMI) == "2.7.1"
    assert software_version("jax", LUMI) is None


SAFE = string.ascii_letters + string.digits + "_.+"
words = st.text(SAFE, min_size=1, max_size=8)
names = st.builds(str.__add__, st.sampled_from(string.ascii_letters + string.digits), st.text(SAFE + "-", max_size=8))
versions = st.builds(str.__add__, st.sampled_from(string.digits), st.text(SAFE, max_size=8))
recipes = st.fixed_dictionaries(
    {"name": names, "version": versions, "base": st.just("x.sif")},
    optional={
        "with": st.lists(words, max_size=3),
        "variant": words,
        "date": st.just("20250827"),
        "versionsuffix": st.one_of(st.just(""), words.map("-{}".format)),
    },
).map(Recipe.model_validate)
bases = st.builds(
    lambda rocm, python: Base("x.sif", name=ImageName("any", rocm=rocm, python=python)),
    rocm=st.one_of(st.none(), versions),
    python=st.one_of(st.none(), versions),
)


@given(recipes, bases)
def test_names_are_single_words_that_a_file_system_takes(recipe: Recipe, base: Base) -> None:
    name = easyconfig_name(recipe, base)
    assert not set(name) & set(" /\\\n'\"$`:*?")
    assert Path(name).name == name


@given(recipes, bases)
def test_easybuild_makes_the_same_names_of_the_parts(recipe: Recipe, base: Base) -> None:
    parts = {
        "name": recipe.name,
        "version": recipe.version,
        "versionsuffix": version_suffix(recipe, base),
        "versionprefix": "",
        "toolchain": {"name": "system", "version": "system"},
    }
    full = det_full_ec_version(parts)
    assert easyconfig_name(recipe, base) == f"{recipe.name}-{full}.eb"
    assert module_name(recipe, base) == f"{recipe.name}/{full}"


@given(names)
def test_a_software_has_the_folder_that_easybuild_searches(name: str) -> None:
    assert easyconfig_folder(name) == Path(letter_dir_for(name), name)
