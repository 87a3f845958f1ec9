"""The bytes of a layer depend on nothing but its easyconfig, and what a package does about that is told by its name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.backends import CHANGING, STEADY, curious_package
from tests.support.compiler import BY_COMPILER, NATIVE, compiler_wheel
from tests.support.conda import Channel
from tests.support.conda_layer import PARAMETERS, RATTLER, conda_files, rattler_wheel
from tests.support.conda_packages import make_package
from tests.support.download import fetch_wheel
from tests.support.elsewhere import install_elsewhere
from tests.support.layers import SQUASHFS, differences, digests, unpacked
from tests.support.sdists import SETUPTOOLS, make_sdist
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

BUILDERS = ["setuptools", "compiler"]


class Places(NamedTuple):
    """Two installations of an easyconfig."""

    here: Site
    there: Site


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, layer: list[Wheel]) -> list[Wheel]:
    """Python packages: with a command, an extension in C, names that are not ASCII, and a build that looks around."""
    folder = tmp_path_factory.mktemp("packages")
    fetch_wheel(SETUPTOOLS[1], SETUPTOOLS[0], folder)
    return [
        *layer,
        Wheel("setuptools", "80.9.0", folder / SETUPTOOLS[1]),
        compiler_wheel(folder),
        Wheel("native", "1.0", make_sdist(folder, "native", files=NATIVE, pyproject=BY_COMPILER)),
        curious_package(folder, "steady", STEADY),
        make_wheel(folder, "odd", files={"odd/__init__.py": "SEEN = {None, 'a', 'b'}\n", "odd/güneş.txt": "güneş\n"}),
    ]


@pytest.fixture(scope="module")
def conda_packages(channel: Channel, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Wheel]:
    """Conda packages: with hooks, a link script, prefixes, entry points, and some that bring the same file."""
    fetch_wheel(RATTLER[1], RATTLER[0], wheelhouse)
    folder = tmp_path_factory.mktemp("channel")
    names = [f"contender-{number}" for number in range(4)]
    contenders = [
        Wheel(name, "1.0", make_package(folder, name, files={"share/contended.txt": f"{name}\n"})) for name in names
    ]
    return [rattler_wheel(wheelhouse), *conda_files(channel), *contenders]


@pytest.fixture(scope="module", params=["venv", "conda"])
def places(
    request: pytest.FixtureRequest,
    make_site: Callable[..., Site],
    machine: Machine,
    packages: list[Wheel],
    conda_packages: list[Wheel],
) -> Places:
    """One easyconfig, installed here, and by another user with another EasyBuild where all is different.

    Root's Apptainer mounts by the kernel, that of others by FUSE.
    """
    changes: dict[str, Any] = {"build_packages": BUILDERS}
    if request.param == "conda":
        packages = [*conda_packages, *packages]
        changes = PARAMETERS | {"build_packages": ["py-rattler", "pip", *BUILDERS]}
    here = make_site()
    here.install("venv", packages, **changes)
    there = make_site(user=machine.user, name="another name " * 8).using(version=easybuild.VERSIONS[-1])
    install_elsewhere(there, there.write("venv", packages, **changes))
    return Places(here, there)


def test_the_same_bytes_whoever_builds_where_when_and_with_what(places: Places, tmp_path: Path) -> None:
    one, two = (unpacked(site, "venv", tmp_path / str(number)) for number, site in enumerate(places))
    assert differences(one, two) == {}
    assert digests(places.here, "venv") == digests(places.there, "venv")
    images = [(site.installation("venv") / SQUASHFS).read_bytes() for site in places]
    assert images[0] == images[1]


def test_a_compiler_sees_a_fixed_time_and_fixed_folders(places: Places) -> None:
    program = "import native; print(native.WHEN, native.WHERE, native.HEADER, sep='\\n')"
    when, where, header = places.here.output("venv", f'python -c "{program}"').splitlines()
    assert (when, where) == ("Jan  1 1980 00:00:00", "native.c")
    assert header.startswith("/tmp/pip-build-env-")


def test_a_build_that_writes_what_differs_is_named(site: Site, layer: list[Wheel], tmp_path: Path) -> None:
    hostile = curious_package(tmp_path, "hostile", STEADY | CHANGING)
    easyconfig = site.write("venv", [*layer, hostile])
    found = []
    for name in ("one", "two"):
        done = site.eb(easyconfig, "--rebuild", "--skip-sanity-check")
        assert done.returncode == 0, done.stdout
        found.append(unpacked(site, "venv", tmp_path / name))
    folder = "venv/demo/lib/python3.11/site-packages/hostile"
    assert differences(*found) == {f"{folder}/{name}.txt": "hostile 1.0" for name in CHANGING}
