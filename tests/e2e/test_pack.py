"""From a pack alone, `eb` installs on a machine without network."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.generator import make_desk
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

OFFLINE = "unshare --net" if os.geteuid() == 0 else "unshare --user --map-root-user --net"


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


def test_what_was_packed_is_installed_without_network_and_without_anything_else(
    machine: Machine, make_site: Callable[..., Site], pip_wheel: Wheel, hello_wheel: Wheel
) -> None:
    desk = make_desk(make_site, pip_wheel)
    recipe = desk.new(desk.freeze(machine.bases["venv"]), "-r", desk.require(hello_wheel))
    desk.run("generate", recipe)
    easyconfig = recipe.with_suffix(".eb")
    desk.run("pack", easyconfig, "--with-image", "-o", "demo.tar")

    away = make_site(name="away")
    for path in away.sources.iterdir():
        path.unlink()
    pack = (desk.recipes / "demo.tar").rename(away.folder / "demo.tar")
    unpacked = away.login(f"cd {away.folder} && ebsif unpack {pack.name}")
    assert unpacked.returncode == 0, unpacked.stderr
    command = unpacked.stdout.strip()
    assert command == f"eb --sourcepath={away.folder}/demo/sources demo/{easyconfig.name}"

    script = f"cd {away.folder} && {OFFLINE} bash -c {shlex.quote(f'cat /proc/net/dev >&2; {command}')}"
    installed = away.login(script, env={"EASYBUILD_SOURCEPATH": ""})
    assert installed.returncode == 0, installed.stdout + installed.stderr
    # Nothing but the loopback device was there.
    assert [line.split(":")[0].strip() for line in installed.stderr.splitlines() if ":" in line][:1] == ["lo"]
    module = f"Demo/{easyconfig.stem.removeprefix('Demo-')}"
    loaded = away.login(f"module load {module} && python -c 'import hello, six; print(hello.__file__)'")
    assert loaded.stdout == "/user-software/venv/demo/lib/python3.11/site-packages/hello.py\n", loaded.stderr


def test_eb_fetches_what_is_missing_where_that_is_asked_for(
    machine: Machine, make_site: Callable[..., Site], layer: list[Wheel]
) -> None:
    site, index = make_site(), make_site().folder
    entries = [
        (wheel.name, wheel.version, {**wheel.extension()[2], "source_urls": [f"file://{index}"]}) for wheel in layer
    ]
    for wheel in layer:
        (site.sources / wheel.path.name).rename(index / wheel.path.name)
    easyconfig = site.write("venv", entries)
    said = site.login(f"cd {site.folder} && ebsif pack {easyconfig} -o x.tar")
    assert said.returncode == 2
    assert "--fetch has eb fetch them" in said.stderr
    done = site.login(f"cd {site.folder} && ebsif --quiet pack {easyconfig} --fetch -o x.tar")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {wheel.path.name for wheel in layer} <= {path.name for path in site.sources.rglob("*.whl")}
    assert Path(site.folder, "x.tar").exists()
