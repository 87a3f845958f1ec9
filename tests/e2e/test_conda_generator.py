"""From nothing to use with a conda environment: an image, `environment.yml`, `ebsif`, `eb`, `module load`."""

import json
import time
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


def install(desk: Desk, base: Path, environment: str) -> Path:
    """Take the whole way to an installed module; return the recipe."""
    recipe = desk.new(desk.freeze(base), "-f", environment)
    desk.run("generate", recipe)
    desk.eb(recipe.with_suffix(".eb"))
    return recipe


@pytest.mark.parametrize("kind", ["bare", "venv", "conda"])
def test_from_an_environment_file_to_a_module(
    machine: Machine, make_desk_with_rattler: Callable[..., Desk], channel: Channel, hello_wheel: Wheel, kind: str
) -> None:
    desk = make_desk_with_rattler()
    desk.give(hello_wheel.path, desk.recipes)
    environment = write_environment(
        desk, channel.url, "python 3.11.*", "tool", "greet", "hooked", pip=f"./{hello_wheel.path.name}"
    )
    recipe = install(desk, machine.bases[kind], environment)
    easyconfig = recipe.with_suffix(".eb")
    module = module_of(easyconfig)
    assert desk.loaded(module, "tool 'a b'") == "tool\na b\n"
    program = "import greet, hello, sys; print(greet.__version__, hello.__file__, sys.prefix)"
    expected = f"2.0 {PREFIX}/lib/python3.11/site-packages/hello.py {PREFIX}\n"
    assert desk.loaded(module, f"python -c '{program}'") == expected
    assert json.loads(desk.loaded(module, "greet you"))["argv"] == ["you"]
    assert desk.loaded(module, "hello you") == "hello ['you']\n"
    assert desk.loaded(module, "start-shell -c 'printf %s \"$HOOKED_VALUE\"'") == HOOKED_VALUE
    assert "All contribution checks PASSed!" in desk.eb("--check-contrib", easyconfig)
    assert "(no ignored errors during dry run)" in desk.eb("-x", easyconfig)
    assert {finding["level"] for finding in json.loads(desk.run("check", easyconfig, "--json"))} == {"ok"}
    assert desk.run("generate", recipe) == f"{easyconfig}: unchanged\n"


def test_two_builds_of_what_was_generated_are_the_same_bytes(
    machine: Machine, make_desk_with_rattler: Callable[..., Desk], channel: Channel
) -> None:
    desk = make_desk_with_rattler()
    recipe = install(desk, machine.bases["bare"], write_environment(desk, channel.url, "tool", "greet", "linked"))
    elsewhere = desk.site.folder / "another place"
    options: list[str | Path] = ["--rebuild", "--parallel=1", "--buildpath", elsewhere / "build"]
    desk.eb(recipe.with_suffix(".eb"), *options, "--installpath", elsewhere)
    one, two = (sorted(folder.glob(f"software/Demo/*/{SQUASHFS}")) for folder in (desk.site.folder, elsewhere))
    assert len(one) == len(two) == 1
    assert one[0].read_bytes() == two[0].read_bytes()


def test_stacked_environment_of_a_generated_recipe_sees_the_base(
    machine: Machine, make_desk_with_rattler: Callable[..., Desk], channel: Channel
) -> None:
    desk = make_desk_with_rattler()
    environment = write_environment(desk, channel.url, "python", "greet")
    recipe = desk.new(desk.freeze(machine.bases["conda"]), "-f", environment)
    recipe.write_text(recipe.read_text() + "stack: true\n")
    desk.run("generate", recipe)
    desk.eb(recipe.with_suffix(".eb"))
    out = desk.loaded(module_of(recipe.with_suffix(".eb")), "python -c 'import greet, six; print(six.__file__)'")
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


def test_three_hundred_packages(
    machine: Machine, make_desk_with_rattler: Callable[..., Desk], channel: Channel, tmp_path: Path
) -> None:
    many = channel.copy(tmp_path / "channel")
    add_fillers(many, 300)
    desk = make_desk_with_rattler()
    recipe = desk.new(desk.freeze(machine.bases["bare"]), "-f", write_environment(desk, many.url, "fillers"))
    easyconfig = recipe.with_suffix(".eb")
    commands: list[tuple[str, Callable[..., str], tuple[str | Path, ...]]] = [
        ("generate", desk.run, ("generate", recipe)),
        ("generate again", desk.run, ("generate", recipe)),
        ("dry run", desk.eb, ("-x", easyconfig)),
    ]
    took = {}
    for what, run, words in commands:
        start = time.monotonic()
        run(*words)
        took[what] = time.monotonic() - start
    print("300 packages:", ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items()))
    assert len(read_easyconfig(easyconfig).parameters["exts_list"]) == 302
    assert max(took.values()) < 60
