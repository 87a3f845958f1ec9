"""What is said before anything is resolved: what cannot be upgraded, and that eb cannot find an image."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ebsif.base.image import Base
from ebsif.console import Console
from ebsif.document import Document
from ebsif.easyconfig.read import parse_easyconfig
from ebsif.errors import EbsifError
from ebsif.generate import Plan, eb_finds_image, generate
from ebsif.lock import LayerRequest
from ebsif.lock.model import Lock, LockedFile
from ebsif.recipe import Recipe
from ebsif.site import Site
from tests.support.manifests import make_manifest
from tests.support.requests import conda_layer, pip_request

LOCK = Lock("a" * 64, (LockedFile("Pygments", "2.0", "pygments-2.0-py3-none-any.whl", "1" * 64),))
CONDA_LOCK = Lock("a" * 64, (LockedFile("ruamel_yaml", "1", "ruamel_yaml-1-0.conda", "1" * 64), *LOCK.files))


def plan(folder: Path, image: Path, **values: Any) -> Plan:
    recipe = Recipe.model_validate({"name": "Demo", "version": "1.0", "base": image.name, **values})
    site = Site(name="here", description="this machine", frozen_images=[str(folder / "frozen")])
    base = Base(image.name, image, make_manifest())
    return Plan(
        path=folder / "r.yml",
        recipe=recipe,
        document=Document(folder, {}, {}),
        site=site,
        base=base,
        request=LayerRequest(pip_request("rich")),
        target=folder / "x.eb",
        present="",
        locked=LOCK,
    )


@pytest.mark.parametrize(("name", "hint"), [("pigments", "did you mean Pygments?"), ("other", "exts_list")])
def test_a_package_that_is_not_in_the_layer_cannot_be_upgraded(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(EbsifError, match=f"{name} is not in the layer of .*{hint.replace('?', '.')}"):
        generate(plan(tmp_path, tmp_path / "x.sif"), Console(), upgrade=["rich", "pygments", name])


@pytest.mark.parametrize(("name", "meant"), [("nump", "numpy"), ("ruamel-yaml", "ruamel_yaml")])
def test_a_package_that_is_not_in_a_layer_of_conda_cannot_be_upgraded(tmp_path: Path, name: str, meant: str) -> None:
    layer = conda_layer("numpy >=2", pip=["rich"])
    known = replace(plan(tmp_path, tmp_path / "x.sif"), request=layer, locked=CONDA_LOCK)
    with pytest.raises(EbsifError) as caught:
        generate(known, Console(), upgrade=["NumPy", "Rich", "pygments", "ruamel_yaml", name])
    assert str(caught.value).startswith(f"{name} is not in the layer of {known.target}, so that it cannot be upgraded")
    assert str(caught.value).endswith(f": did you mean {meant}?")


def test_what_the_layer_must_hold_stays_while_its_files_stay(tmp_path: Path) -> None:
    made = replace(plan(tmp_path, tmp_path / "x.sif"), content_digest="c" * 64)
    pinned = replace(made, present=made.text(LOCK) + f"content_digest = '{'c' * 64}'\n")
    assert parse_easyconfig(pinned.text(LOCK), pinned.target).content_digest == "c" * 64
    described = replace(pinned, recipe=pinned.recipe.model_copy(update={"description": "Another text."}))
    assert "Another text." in described.text(LOCK)
    assert parse_easyconfig(described.text(LOCK), pinned.target).content_digest == "c" * 64


def test_what_the_layer_must_hold_is_open_when_its_files_change(tmp_path: Path) -> None:
    made = replace(plan(tmp_path, tmp_path / "x.sif"), content_digest="c" * 64)
    pinned = replace(made, present=made.text(LOCK) + f"content_digest = '{'c' * 64}'\n")
    newer = replace(LOCK, files=(LockedFile("Pygments", "2.1", "pygments-2.1-py3-none-any.whl", "2" * 64),))
    assert "content_digest" not in pinned.text(newer)
    renamed = replace(pinned, recipe=pinned.recipe.model_copy(update={"venv_name": "other"}))
    assert "content_digest" not in renamed.text(LOCK)


def test_what_the_layer_must_hold_is_open_when_it_is_checked_in_another_way(tmp_path: Path) -> None:
    made = replace(plan(tmp_path, tmp_path / "x.sif"), content_digest="c" * 64)
    strict: dict[str, dict[str, str]] = {"import_exceptions": {}}
    lenient = {"import_exceptions": {LOCK.files[0].name: "needs a GPU"}}
    before = replace(made, recipe=made.recipe.model_copy(update=lenient))
    pinned = replace(made, present=before.text(LOCK) + f"content_digest = '{'c' * 64}'\n")
    after = replace(pinned, recipe=made.recipe.model_copy(update=strict))
    assert "content_digest" not in after.text(LOCK)


def test_what_was_never_locked_cannot_be_upgraded(tmp_path: Path) -> None:
    unlocked = replace(plan(tmp_path, tmp_path / "x.sif"), locked=None)
    with pytest.raises(EbsifError, match="has no lock yet, in which a package could be upgraded: leave out --upgrade"):
        generate(unlocked, Console(), upgrade=["rich"])


@pytest.mark.parametrize(
    ("place", "found"),
    [("frozen", True), (".", True), ("sources", True), ("sources/d/Demo", True), ("elsewhere", False)],
)
def test_an_image_is_found_where_easybuild_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, found: bool
) -> None:
    monkeypatch.setenv("EASYBUILD_SOURCEPATH", str(tmp_path / "sources"))
    image = tmp_path / place / "x.sif"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.touch()
    assert eb_finds_image(plan(tmp_path, image)) == found


def test_an_image_that_is_named_by_its_full_path_is_found(tmp_path: Path) -> None:
    assert eb_finds_image(plan(tmp_path, tmp_path / "elsewhere" / "x.sif", base="/elsewhere/x.sif"))
