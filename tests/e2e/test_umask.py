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
# Another user, in no group of the one who installs.
OTHER = "nobody"


@pytest.fixture(scope="module")
def places(make_site: Callable[..., Site], machine: Machine, layer: list[Wheel]) -> dict[str, Site]:
    """The same installation under each umask; not root's, since Lmod shows root no modules that not all can read."""
    places = {umask: make_site(user=machine.user) for umask in UMASKS}
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


@pytest.mark.parametrize(("umask", "mode"), [("0022", 0o755), ("0002", 0o775), ("0007", 0o770), ("0077", 0o700)])
def test_the_folders_above_an_installation_follow_the_umask(places: dict[str, Site], umask: str, mode: int) -> None:
    """They keep others out: to what is in the installation, EasyBuild gives everybody access by default."""
    above = [places[umask].installation("venv").parent, places[umask].module_file("venv").parent]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in above] == [mode, mode]


def test_under_0077_the_owner_uses_the_module(places: dict[str, Site]) -> None:
    assert places["0077"].output("venv", "hello") == "hello []\n"


@pytest.mark.parametrize(("umask", "in_group"), [("0002", False), ("0007", True)])
def test_another_user_whom_the_umask_lets_read_uses_the_module(
    places: dict[str, Site], umask: str, in_group: bool
) -> None:
    theirs = places[umask].using(user=OTHER)
    assert theirs.output("venv", "hello", cwd="/", extra_groups=groups(places[umask], in_group)) == "hello []\n"


@pytest.mark.parametrize(("umask", "in_group"), [("0007", False), ("0077", True)])
def test_another_user_whom_the_umask_excludes_cannot_read_the_layer(
    places: dict[str, Site], umask: str, in_group: bool
) -> None:
    layer = places[umask].installation("venv") / SQUASHFS
    options = {"cwd": "/", "extra_groups": groups(places[umask], in_group)}
    done = places[umask].machine.run(["cat", layer], user=OTHER, **options)
    assert (done.returncode, done.stderr) == (1, f"cat: {layer}: Permission denied\n")


def groups(site: Site, in_group: bool) -> list[int]:
    """Groups of the other user."""
    return [site.folder.stat().st_gid] if in_group else []


def test_no_file_of_ours_is_for_whom_easybuilds_own_umask_excludes(
    make_site: Callable[..., Site], machine: Machine, layer: list[Wheel]
) -> None:
    site = make_site(user=machine.user)
    done = site.eb(site.write("venv", layer), "--umask=077")
    assert done.returncode == 0, done.stdout
    top = site.installation("venv")
    paths = [top / SQUASHFS, *(top / "bin").iterdir(), *(top / "runscripts").iterdir()]
    assert [path.name for path in paths if path.stat().st_mode & 0o077] == []


def test_a_colleague_rebuilds_where_the_group_may_write_and_is_refused_where_it_may_not(
    make_site: Callable[..., Site], machine: Machine, layer: list[Wheel]
) -> None:
    """The project's folder hands on its group; the first installation is for the group, the others are not."""
    site = make_site(user=machine.user)
    group = site.folder.stat().st_gid
    for folder in [site.folder, *(path for path in site.folder.rglob("*") if path.is_dir())]:
        folder.chmod(0o2770)
    script = f"umask 002; eb {site.write('venv', layer)} --rebuild"
    theirs, as_colleague = site.using(user=OTHER), {"cwd": "/", "group": group}
    done = site.login(f"{script} --group-writable-installdir")
    assert done.returncode == 0, done.stdout
    done = theirs.login(script, **as_colleague)
    assert done.returncode == 0, done.stdout
    done = site.login(script)
    assert done.returncode != 0
    assert f"You may not change {site.installation('venv')}, which belongs to {OTHER}" in " ".join(done.stdout.split())
    assert site.output("venv", "hello") == "hello []\n"
    done = theirs.login(script, **as_colleague)
    assert done.returncode == 0, done.stdout
    assert theirs.output("venv", "hello", **as_colleague) == "hello []\n"
