"""Whoever may read what the installing person makes may use the installation."""

import os
import pwd
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable

import pytest

from tests.support.easyconfigs import NAME, VERSION
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine
from workbench.machine import USER

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


# Accounts that a system has, each with the umask that they work with.
GROUP_UMASKS = {USER: "002", OTHER: "007", "games": "077"}
BOTH = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


class Project:
    """A project's folder, which hands on its group, and its users."""

    def __init__(self, site: Site, image_install: str, layer: list[Wheel]) -> None:
        self.site = site
        self.easyconfig = site.write("venv", layer, image_install=image_install)
        self.group = site.folder.stat().st_gid
        for path in [site.folder, *site.folder.rglob("*")]:
            shutil.chown(path, USER, self.group)
            path.chmod(0o2770 if path.is_dir() else 0o660)

    def eb(self, user: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return self.run(user, shlex.join(["eb", str(self.easyconfig), *options]))

    def run(self, user: str, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script as a user of the group, with their umask and a home of their own."""
        home = self.site.folder.parent / user
        home.mkdir(exist_ok=True)
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
        script = f"export HOME={home}; umask {GROUP_UMASKS[user]}; {script}"
        return self.site.using(user=user).login(script, cwd="/", group=self.group, **BOTH)

    def used_by_each(self) -> dict[str, str]:
        """Return what a command of the module prints, by who runs it."""
        return {user: self.run(user, f"module load {NAME}/{VERSION}-venv && hello").stdout for user in GROUP_UMASKS}


# No file system here shares blocks: copies are real ones.
@pytest.fixture(scope="module", params=["copy", "link"])
def project(request: pytest.FixtureRequest, make_site: Callable[..., Site], layer: list[Wheel]) -> Project:
    return Project(make_site(user=USER), request.param, layer)


def test_each_of_a_group_rebuilds_for_all(project: Project) -> None:
    for user in GROUP_UMASKS:
        done = project.eb(user, "--rebuild", "--group-writable-installdir")
        assert done.returncode == 0, done.stdout
        assert project.used_by_each() == dict.fromkeys(GROUP_UMASKS, "hello []\n")


@pytest.mark.parametrize("project", ["copy"], indirect=True)
def test_what_is_not_for_the_group_is_used_and_verified_by_each_but_not_rebuilt(project: Project) -> None:
    done = project.eb(OTHER, "--rebuild")
    assert done.returncode == 0, done.stdout
    done = project.eb(USER, "--rebuild")
    assert done.returncode != 0
    refusal = f"You may not change {project.site.installation('venv')}, which belongs to {OTHER}"
    assert refusal in " ".join(done.stdout.split())
    assert project.used_by_each() == dict.fromkeys(GROUP_UMASKS, "hello []\n")
    done = project.eb(USER, "--sanity-check-only")
    assert done.returncode == 0, done.stdout
