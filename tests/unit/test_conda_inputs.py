"""The digest by which a conda layer's lock is known: what changes it, and what does not."""

from pathlib import Path
from typing import Any

import pytest

from ebsif.base.image import Base
from ebsif.base.manifest import Manifest
from ebsif.lock import digest, request
from ebsif.recipe import read_recipe
from tests.support.environments import HEAD
from tests.support.manifests import make_manifest

RECIPE = "layer: conda\nenvironment:\n  channels: [a, b]\n  dependencies: [ffmpeg >=7, python]\n"


def digest_of(folder: Path, text: str, manifest: Manifest | None = None) -> str:
    path = folder / "recipe.yml"
    path.write_text(HEAD + text)
    recipe, document = read_recipe(path)
    manifest = manifest or make_manifest()
    layer = request(recipe, document, Base("x.sif", None, manifest))
    assert layer
    return digest(layer, manifest)


@pytest.mark.parametrize(
    "text",
    [
        RECIPE.replace("ffmpeg >=7, python", "python, 'ffmpeg>=7'"),
        RECIPE.replace("[a, b]", "\n  - a\n  # The other.\n  - b"),
        RECIPE.replace("[a, b]", "[a, nodefaults, b]"),
        RECIPE + "conda_name: other\ndescription: other\n",
    ],
)
def test_how_it_is_written_does_not_count(tmp_path: Path, text: str) -> None:
    assert digest_of(tmp_path, text) == digest_of(tmp_path, RECIPE)


@pytest.mark.parametrize(
    "text",
    [
        RECIPE.replace(">=7", ">=8"),
        RECIPE.replace("[a, b]", "[b, a]"),
        RECIPE + "stack: true\n",
        RECIPE + "virtual_packages: {__cuda: 12}\n",
        RECIPE + "packages: [hello]\n",
        RECIPE.replace("python]", "python, pip: [hello]]"),
    ],
)
def test_what_is_asked_for_counts(tmp_path: Path, text: str) -> None:
    assert digest_of(tmp_path, text) != digest_of(tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("update", "counts"), [({"glibc": "2.39"}, True), ({"kernel": "3.10"}, True), ({"rocm": "7"}, False)]
)
def test_of_the_base_what_the_solver_sees_counts(tmp_path: Path, update: dict[str, Any], counts: bool) -> None:
    other = make_manifest().model_copy(update=update)
    assert (digest_of(tmp_path, RECIPE, other) != digest_of(tmp_path, RECIPE)) is counts


def test_the_packages_of_the_base_count_only_when_they_are_seen(tmp_path: Path) -> None:
    other = make_manifest(packages={"torch": "2.13.0"})
    assert digest_of(tmp_path, RECIPE, other) == digest_of(tmp_path, RECIPE)
    stacked = RECIPE + "stack: true\n"
    assert digest_of(tmp_path, stacked, other) != digest_of(tmp_path, stacked)


def test_of_a_file_its_content_counts(tmp_path: Path) -> None:
    recipe, file = "layer: conda\nenvironment: e.yml\n", tmp_path / "e.yml"
    file.write_text("channels: [a]\ndependencies: [b]\n")
    first = digest_of(tmp_path, recipe)
    file.write_text("# Comments do not.\nchannels: [a]\ndependencies: [b]\n")
    assert digest_of(tmp_path, recipe) == first
    file.write_text("channels: [a]\ndependencies: [b, c]\n")
    assert digest_of(tmp_path, recipe) != first
    file.write_text(f"@EXPLICIT\nhttps://x/noarch/b-1-0.conda#{'a' * 64}\n")
    explicit = digest_of(tmp_path, recipe)
    file.write_text(f"@EXPLICIT\nhttps://x/noarch/b-1-0.conda#{'b' * 64}\n")
    assert digest_of(tmp_path, recipe) != explicit
