"""`ebsif bump`: from one version of an environment to the next, with a report of what changes."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ebsif.easyconfig.read import read_easyconfig
from ebsif.recipe import read_recipe
from tests.support.generator import Desk, contents, make_desk
from tests.support.index import Index, serve
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e

OLD, NEW = "PyTorch-2.12.0-cpu-python-3.11-singularity-mine", "PyTorch-2.13.0-cpu-python-3.11-singularity-mine"
OLD_BASE, NEW_BASE = "demo-small-cpu-python-3.11-venv.sif", "demo-pytorch-cpu-python-3.11-pytorch-v2.13.0.sif"

RECIPE = f"""\
# The environment of our group.
name: PyTorch
version: 2.12.0  # that of the base
variant: mine

base: {OLD_BASE}  # small

# filelock: for our caches
packages: [filelock, tabulate]
constraints: [constraints.txt]
"""


@pytest.fixture(scope="session")
def version() -> str:
    """No easyblock is needed here, so one version of EasyBuild is enough."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, pip_wheel: Wheel) -> Iterator[Index]:
    """An index with what the recipe names, and pip, in the place of the public one."""
    folder = tmp_path_factory.mktemp("index")
    shutil.copy(pip_wheel.path, folder)
    for name, version in [("filelock", "3.20.0"), ("tabulate", "0.9.0"), ("tabulate", "0.10.0"), ("numpy", "1.26.4")]:
        make_wheel(folder, name, version)
    with serve(folder) as index:
        yield index


@pytest.fixture(scope="module")
def module_desk(make_site: Callable[..., Site], pip_wheel: Wheel, index: Index) -> Desk:
    return filled(make_desk(make_site, pip_wheel, PIP_INDEX_URL=index.url))


@pytest.fixture
def desk(make_site: Callable[..., Site], pip_wheel: Wheel, index: Index) -> Desk:
    return filled(make_desk(make_site, pip_wheel, PIP_INDEX_URL=index.url))


def filled(desk: Desk) -> Desk:
    """Put both bases and the recipe where they belong."""
    for kind in ("venv", "venv-torch"):
        desk.link(desk.site.machine.bases[kind])
    (desk.recipes / f"{OLD}.yml").write_text(RECIPE)
    (desk.recipes / "constraints.txt").touch()
    return desk


def without_packages(desk: Desk) -> None:
    recipe = desk.recipes / f"{OLD}.yml"
    recipe.write_text(recipe.read_text().replace("[filelock, tabulate]", "[]"))


@pytest.fixture(scope="module")
def bumped(module_desk: Desk) -> tuple[Desk, dict[str, Any]]:
    """What `bump --json` says of going to another base."""
    module_desk.run("generate", f"{OLD}.yml")
    before = contents(module_desk.recipes)
    made = json.loads(
        module_desk.run("bump", f"{OLD}.yml", "--base", NEW_BASE, "--markdown", "changes.md", "--json")
    )
    after = contents(module_desk.recipes)
    assert before.items() <= after.items(), "the old files have changed"
    assert after.keys() - before.keys() == {f"{NEW}.yml", f"{NEW}.eb", "changes.md"}
    return module_desk, made


def test_the_next_version_is_called_after_the_new_base(bumped: tuple[Desk, dict[str, Any]]) -> None:
    _, made = bumped
    module = NEW.replace("-", "/", 1)
    assert {key: made[key] for key in ("recipe", "easyconfig", "module")} == {
        "recipe": f"{NEW}.yml",
        "easyconfig": f"{NEW}.eb",
        "module": module,
    }


def test_the_new_recipe_keeps_what_its_author_wrote(bumped: tuple[Desk, dict[str, Any]]) -> None:
    desk, _ = bumped
    text = RECIPE.replace("2.12.0", "2.13.0").replace(OLD_BASE, NEW_BASE)
    assert (desk.recipes / f"{NEW}.yml").read_text() == text


def test_the_new_easyconfig_is_up_to_date(bumped: tuple[Desk, dict[str, Any]]) -> None:
    desk, _ = bumped
    desk.run("generate", "--check", f"{NEW}.yml")


def test_what_the_new_base_has_is_no_longer_in_the_layer(bumped: tuple[Desk, dict[str, Any]]) -> None:
    desk, made = bumped
    before, after = (read_easyconfig(desk.recipes / f"{name}.eb").packages for name in (OLD, NEW))
    assert before == {"filelock": "3.20.0", "pip": "26.3", "tabulate": "0.10.0"}
    assert after == {"pip": "26.3", "tabulate": "0.10.0"}
    assert made["changes"]["layer"] == {"filelock": ["3.20.0", None]}


def test_packages_of_the_bases_are_compared(bumped: tuple[Desk, dict[str, Any]]) -> None:
    _, made = bumped
    changed = made["changes"]["base"]
    assert changed["torch"] == [None, "2.13.0+cpu"]
    assert changed["numpy"] == [None, "2.4.6"]
    assert "six" not in changed, "both have the same"
    assert made["changes"]["settings"].keys() == {"SHA256"}


def test_the_report_for_a_pull_request(bumped: tuple[Desk, dict[str, Any]]) -> None:
    desk, _ = bumped
    text = (desk.recipes / "changes.md").read_text()
    assert text.startswith(f"# {NEW}\n\nCompared with `{OLD}`:\n")
    assert "\n## Packages of the base\n" in text
    assert "\n| torch | – | `2.13.0+cpu` |\n" in text
    assert text.endswith(
        "\n## Packages of the layer\n\n| | before | after |\n| --- | --- | --- |\n| filelock | `3.20.0` | – |\n"
    )


def test_the_same_base_with_newer_packages(desk: Desk) -> None:
    constraints = desk.recipes / "constraints.txt"
    constraints.write_text("tabulate==0.9.0\n")
    desk.run("generate", f"{OLD}.yml")
    constraints.write_text("tabulate==0.10.0\n")
    done = desk.ebsif("bump", f"{OLD}.yml", "--date", "20261124")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["layer", "before", "after"],
        ["tabulate", "0.9.0", "0.10.0"],
        [f"{OLD}-20261124.yml:", "written"],
        [f"{OLD}-20261124.eb:", "written"],
    ]
    recipe = (desk.recipes / f"{OLD}-20261124.yml").read_text()
    assert recipe == RECIPE.replace("# that of the base\n", "# that of the base\ndate: 20261124\n")


def test_a_version_with_the_same_name_is_refused(desk: Desk) -> None:
    without_packages(desk)
    message = f"the next version would be {OLD}.yml, which is there already: tell it apart with --date"
    assert message in desk.refuse("bump", f"{OLD}.yml")


def test_a_recipe_that_a_killed_bump_has_left_is_no_obstacle_unless_somebody_has_changed_it(desk: Desk) -> None:
    without_packages(desk)
    words = ("bump", f"{OLD}.yml", "--date", "20261124")
    desk.run(*words)
    left, made = (desk.recipes / f"{OLD}-20261124{suffix}" for suffix in (".yml", ".eb"))
    text = made.read_text()
    made.unlink()
    desk.run(*words)
    assert made.read_text() == text
    made.unlink()
    left.write_text(left.read_text() + "# mine\n")
    assert f"the next version would be {left.name}, which is there already" in desk.refuse(*words)
    assert left.read_text().endswith("# mine\n")


def test_an_easyconfig_is_not_replaced_when_its_recipe_is_called_otherwise(desk: Desk) -> None:
    without_packages(desk)
    (desk.recipes / f"{OLD}.yml").rename(desk.recipes / "ours.yml")
    message = f"the next version would be {OLD}.eb, which is there already"
    assert message in desk.refuse("bump", "ours.yml")
    desk.run("generate", "ours.yml")
    assert message in desk.refuse("bump", "ours.yml")


def test_packages_that_do_not_fit_the_new_base_leave_nothing_behind(desk: Desk) -> None:
    recipe = desk.recipes / f"{OLD}.yml"
    recipe.write_text(recipe.read_text().replace("filelock", "'numpy<2'"))
    message = desk.refuse("bump", f"{OLD}.yml", "--base", NEW_BASE)
    assert "numpy<2" in message
    assert "the base has numpy 2.4.6" in message


def test_an_unknown_base_is_refused(desk: Desk) -> None:
    message = desk.refuse("bump", f"{OLD}.yml", "--base", "none.sif")
    assert message == "ebsif: there is no image none.sif: `ebsif list --bases --site local` lists those of the site\n"


def test_a_wrong_date_is_refused(desk: Desk) -> None:
    assert "'24.11.2026' is not a date written as YYYYMMDD" in desk.refuse("bump", f"{OLD}.yml", "--date", "24.11.2026")


@pytest.mark.parametrize("expected", ["", "expected:\n  kind: venv\n  python: /opt/venv/bin/python3.11\n"])
def test_a_base_that_is_gone_can_be_left(desk: Desk, expected: str) -> None:
    without_packages(desk)
    recipe = desk.recipes / f"{OLD}.yml"
    recipe.write_text(recipe.read_text() + expected)
    (desk.images / OLD_BASE).unlink()
    desk.run("bump", f"{OLD}.yml", "--base", NEW_BASE)
    bumped, _ = read_recipe(desk.recipes / f"{NEW}.yml")
    assert (bumped.base, bumped.expected) == (NEW_BASE, None)


def test_an_image_elsewhere_is_named_by_its_path(desk: Desk) -> None:
    without_packages(desk)
    image = desk.site.machine.bases["venv-torch"]
    desk.run("bump", f"{OLD}.yml", "--base", str(image))
    assert read_recipe(desk.recipes / f"{NEW}.yml")[0].base == str(image)


def test_what_two_images_and_their_recipes_differ_in(desk: Desk) -> None:
    without_packages(desk)
    assert re.search(r"^torch +– +2\.13\.0", desk.run("bump", f"{OLD}.yml", "--base", NEW_BASE), re.MULTILINE)
    pairs: list[tuple[str | Path, str | Path]] = [
        (f"{OLD}.yml", f"{NEW}.yml"),
        (desk.images / OLD_BASE, desk.images / NEW_BASE),
    ]
    for before, after in pairs:
        done = desk.ebsif("diff", "--json", before, after)
        assert done.returncode == 1
        assert json.loads(done.stdout)["base"]["torch"] == [None, "2.13.0+cpu"]
    done = desk.ebsif("diff", "--json", f"{OLD}.eb", f"{NEW}.eb")
    assert done.returncode == 2
    desk.run("generate", f"{OLD}.yml")
    done = desk.ebsif("diff", "--json", f"{OLD}.eb", f"{NEW}.eb")
    assert done.returncode == 1
    assert json.loads(done.stdout)["settings"]["version"] == ["2.12.0", "2.13.0"]
    assert desk.run("diff", f"{OLD}.eb", f"{OLD}.eb") == "no difference\n"
