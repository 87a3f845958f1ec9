"""From nothing to use with a conda environment: an image, `environment.yml`, `ebsif`, `eb`, `module load`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from tests.support.conda import HOOKED_VALUE, Channel, add_fillers
from tests.support.conda_layer import RATTLER
from tests.support.conda_server import serve
from tests.support.download import fetch_wheel
from tests.support.generator import Desk, make_desk, module_of
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

SQUASHFS = "user-software.squashfs"
PREFIX = "/user-software/conda/envs/demo"
KINDS = ["bare", "venv", "conda"]


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def make_desk_with_rattler(
    make_site: Callable[..., Site], pip_wheel: Wheel, wheelhouse: Path
) -> Callable[..., Desk]:
    """Make desks whose user has the installers already, so that nothing needs the network."""
    fetch_wheel(RATTLER[1], RATTLER[0], wheelhouse)

    def make(**options: str) -> Desk:
        desk = make_desk(make_site, pip_wheel, **options)
        desk.give(wheelhouse / RATTLER[1], desk.site.sources / "d" / "Demo" / "extensions")
        return desk

    return make


def write_environment(desk: Desk, url: str, *packages: str, pip: str | None = None) -> str:
    """Write an environment file, as conda users do; return its name."""
    section = f"  - pip:\n      - {pip}\n" if pip else ""
    listed = "".join(f"  - {package}\n" for package in packages)
    text = f"name: mine\nchannels:\n  - {url}\ndependencies:\n{listed}{section}"
    (desk.recipes / "environment.yml").write_text(text)
    return "environment.yml"


@pytest.fixture(scope="module")
def desk(make_desk_with_rattler: Callable[..., Desk]) -> Desk:
    return make_desk_with_rattler()


@pytest.fixture(scope="module")
def recipes(machine: Machine, desk: Desk, channel: Channel, hello_wheel: Wheel) -> dict[str, Path]:
    """The recipe for each kind of base, and a stacked one, after the whole way from a file to an installed module."""
    desk.give(hello_wheel.path, desk.recipes)
    packages = ["python 3.11.*", "tool", "greet", "hooked", "linked"]
    environment = write_environment(desk, channel.url, *packages, pip=f"./{hello_wheel.path.name}")
    recipes = {kind: desk.new(desk.freeze(machine.bases[kind]), "-f", environment, "--variant", kind) for kind in KINDS}
    recipes["stacked"] = desk.new(machine.bases["conda"].name, "-f", environment, "--variant", "stacked")
    with recipes["stacked"].open("a") as file:
        file.write("stack: true\n")
    for recipe in recipes.values():
        desk.run("generate", recipe)
    desk.eb(*easyconfigs(recipes))
    return recipes


def easyconfigs(recipes: dict[str, Path]) -> list[Path]:
    return [recipe.with_suffix(".eb") for recipe in recipes.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_from_an_environment_file_to_a_module(desk: Desk, recipes: dict[str, Path], kind: str) -> None:
    module = module_of(recipes[kind].with_suffix(".eb"))
    assert desk.loaded(module, "tool 'a b'") == "tool\na b\n"
    program = "import greet, hello, sys; print(greet.__version__, hello.__file__, sys.prefix)"
    expected = f"2.0 {PREFIX}/lib/python3.11/site-packages/hello.py {PREFIX}\n"
    assert desk.loaded(module, f"python -c '{program}'") == expected
    assert json.loads(desk.loaded(module, "greet you"))["argv"] == ["you"]
    assert desk.loaded(module, "hello you") == "hello ['you']\n"
    assert desk.loaded(module, "start-shell -c 'printf %s \"$HOOKED_VALUE\"'") == HOOKED_VALUE


def test_easyconfigs_pass_easybuilds_checks(desk: Desk, recipes: dict[str, Path]) -> None:
    assert "All contribution checks PASSed!" in desk.eb("--check-contrib", *easyconfigs(recipes))


def test_easyconfigs_survive_a_dry_run(desk: Desk, recipes: dict[str, Path]) -> None:
    assert desk.eb("-x", *easyconfigs(recipes)).count("(no ignored errors during dry run)") == len(recipes)


@pytest.mark.parametrize("kind", KINDS)
def test_check_finds_nothing_wrong(desk: Desk, recipes: dict[str, Path], kind: str) -> None:
    findings = json.loads(desk.run("check", recipes[kind].with_suffix(".eb"), "--json"))
    assert {finding["level"] for finding in findings} == {"ok"}


@pytest.mark.parametrize("kind", KINDS)
def test_generating_again_changes_nothing(desk: Desk, recipes: dict[str, Path], kind: str) -> None:
    assert desk.run("generate", recipes[kind]) == f"{recipes[kind].with_suffix('.eb')}: unchanged\n"


def test_two_builds_of_what_was_generated_are_the_same_bytes(desk: Desk, recipes: dict[str, Path]) -> None:
    easyconfig, elsewhere = recipes["bare"].with_suffix(".eb"), desk.site.folder / "another place"
    options: list[str | Path] = ["--rebuild", "--parallel=1", "--buildpath", elsewhere / "build"]
    desk.eb(easyconfig, *options, "--installpath", elsewhere)
    image = f"software/{module_of(easyconfig)}/{SQUASHFS}"
    assert (desk.site.folder / image).read_bytes() == (elsewhere / image).read_bytes()


def test_stacked_environment_of_a_generated_recipe_sees_the_base(desk: Desk, recipes: dict[str, Path]) -> None:
    module = module_of(recipes["stacked"].with_suffix(".eb"))
    out = desk.loaded(module, "python -c 'import greet, six; print(six.__file__)'")
    assert out == "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages/six.py\n"


def test_eb_downloads_from_the_channel_what_is_missing(
    machine: Machine, make_desk_with_rattler: Callable[..., Desk], channel: Channel
) -> None:
    desk = make_desk_with_rattler()
    with serve(channel.path) as server:
        recipe = desk.new(desk.freeze(machine.bases["bare"]), "-f", write_environment(desk, server.url, "tool"))
        desk.run("generate", recipe)
        for file in desk.site.sources.rglob("*.conda"):
            file.unlink()
        desk.eb(recipe.with_suffix(".eb"))
    assert desk.loaded(module_of(recipe.with_suffix(".eb")), "tool") == "tool\n"
    assert sorted(path.name for path in desk.site.sources.rglob("*.conda")) == [
        "prefixed-1.0-0.conda",
        "tool-1.0-0.conda",
    ]


def test_three_hundred_packages_are_each_downloaded_once(
    machine: Machine, make_desk_with_rattler: Callable[..., Desk], channel: Channel, tmp_path: Path
) -> None:
    many = channel.copy(tmp_path / "channel")
    add_fillers(many, 300)
    desk = make_desk_with_rattler()
    with serve(many.path) as server:
        recipe = desk.new(desk.freeze(machine.bases["bare"]), "-f", write_environment(desk, server.url, "fillers"))
        desk.run("generate", recipe)
        desk.run("generate", recipe)
        desk.eb("-x", recipe.with_suffix(".eb"))
    packages = [path for path in server.requests if path.endswith(".conda")]
    assert len(packages) == len(set(packages)) == 301
    assert len(read_easyconfig(recipe.with_suffix(".eb")).parameters["exts_list"]) == 302
