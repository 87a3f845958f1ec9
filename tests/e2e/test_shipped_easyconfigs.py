"""The easyconfigs that come with ebsif are what their recipes give, and EasyBuild has nothing to say against them."""

from pathlib import Path

import pytest

from ebsif.console import Console
from ebsif.generate import make_plan
from tests.support.site import Site
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

EASYCONFIGS = Path(__file__).parents[2] / "easyconfigs"
RECIPES = sorted(EASYCONFIGS.rglob("*.yml"))


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def images(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images of this machine."""
    folder = tmp_path_factory.mktemp("images")
    for image in machine.bases.values():
        (folder / image.name).symlink_to(image)
    return folder


def test_every_easyconfig_has_a_recipe_and_the_other_way_round() -> None:
    of_containers = {path.with_suffix("") for path in EASYCONFIGS.rglob("*.eb") if path.parent.name != "ebsif"}
    assert {path.with_suffix("") for path in RECIPES} == of_containers


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_regenerating_gives_the_same_bytes(
    recipe: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EBSIF_IMAGES", str(images))
    monkeypatch.delenv("LUMI_CONTAINER_REPOSITORY_ROOT", raising=False)
    plan = make_plan(recipe, Console(quiet=True))
    assert plan.target == recipe.with_suffix(".eb")
    assert plan.lock_is_current
    assert plan.text(plan.locked) == plan.present


def test_they_pass_easybuilds_checks_for_contributions(site: Site) -> None:
    done = site.eb("--check-contrib", *sorted(EASYCONFIGS.rglob("*.eb")))
    assert done.returncode == 0, done.stdout
    assert "All contribution checks PASSed!" in done.stdout


def test_they_survive_a_dry_run(site: Site) -> None:
    easyconfigs = [recipe.with_suffix(".eb") for recipe in RECIPES]
    done = site.eb("-x", *easyconfigs)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("packaging... [DRY RUN]") == len(easyconfigs)
    # Where an easyconfig has no checksum, EasyBuild looks for a file with checksums.
    ignored = [line for line in done.stdout.splitlines() if "ignoring error" in line]
    assert [line for line in ignored if "Failed to read checksums.json" not in line] == []
