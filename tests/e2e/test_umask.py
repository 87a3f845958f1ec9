"""Whoever may read what the installing person makes may use the installation."""

import stat
from collections.abc import Callable

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine

pytestmark = pytest.mark.e2e

SQUASHFS = "user-software.squashfs"
UMASKS = ["0022", "0002", "0007", "0077"]
# The group of root, who installs.
GROUP = 0


@pytest.fixture(scope="module")
def places(make_site: Callable[..., Site], layer: list[Wheel]) -> dict[str, Site]:
    """The same installation, made by root under each umask."""
    places = {umask: make_site() for umask in UMASKS}
    for umask, site in places.items():
        done = site.login(f"umask {umask}; eb {site.write('venv', layer)}")
        assert done.returncode == 0, done.stdout
    return places


def test_the_layer_has_the_same_bytes_under_each_umask(places: dict[str, Site]) -> None:
    first, *others = [(site.installation("venv") / SQUASHFS).read_bytes() for site in places.values()]
    assert [other == first for other in others] == [True] * len(others)


@pytest.mark.parametrize("umask", UMASKS)
def test_whom_the_umask_lets_read_can_read_all_installed_files(places: dict[str, Site], umask: str) -> None:
    allowed = 0o444 & ~int(umask, 8)
    paths = [places[umask].module_file("venv"), *places[umask].installation("venv").rglob("*")]
    assert [path for path in paths if path.stat().st_mode & allowed != allowed] == []


@pytest.mark.parametrize("umask", UMASKS)
def test_nothing_installed_is_for_whom_the_umask_excludes(places: dict[str, Site], umask: str) -> None:
    excluded = int(umask, 8)
    top = places[umask].installation("venv")
    paths = [places[umask].module_file("venv"), top, *top.rglob("*")]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in paths if not path.is_symlink()}
    assert {path: oct(mode) for path, mode in modes.items() if mode & excluded} == {}


def test_under_0077_the_owner_uses_the_module(places: dict[str, Site]) -> None:
    assert places["0077"].output("venv", "hello") == "hello []\n"


@pytest.mark.parametrize(("umask", "groups"), [("0002", []), ("0007", [GROUP])])
def test_another_user_whom_the_umask_lets_read_uses_the_module(
    places: dict[str, Site], machine: Machine, umask: str, groups: list[int]
) -> None:
    theirs = places[umask].using(user=machine.user)
    assert theirs.output("venv", "hello", extra_groups=groups) == "hello []\n"


@pytest.mark.parametrize(("umask", "groups"), [("0007", []), ("0077", [GROUP])])
def test_another_user_whom_the_umask_excludes_cannot_read_the_layer(
    places: dict[str, Site], machine: Machine, umask: str, groups: list[int]
) -> None:
    layer = places[umask].installation("venv") / SQUASHFS
    done = machine.run(["cat", layer], user=machine.user, extra_groups=groups)
    assert (done.returncode, done.stderr) == (1, f"cat: {layer}: Permission denied\n")
