"""The image of an installation: linked, shared, found among the site's frozen ones, and gone."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.manifests import image_for
from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def linked(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation whose image is a link to the only one there is, among the frozen images."""
    site = make_site()
    image = frozen(site)
    image.parent.mkdir()
    provide(site.machine.bases["venv"], image)
    changes = {"image_install": "link", "frozen_images": [str(image.parent)], "checksums": [sha256_of(image)]}
    easyconfig = site.write("venv", layer, **changes)
    done = site.eb(easyconfig, "--sourcepath", site.sources)
    assert done.returncode == 0, done.stdout
    return site


def provide(image: Path, target: Path) -> None:
    """Link or, on another file system, copy."""
    try:
        os.link(image, target)
    except OSError:
        shutil.copy(image, target)


def frozen(site: Site) -> Path:
    return site.folder / "frozen" / site.machine.bases["venv"].name


def installed(site: Site) -> Path:
    return site.installation("venv") / site.machine.bases["venv"].name


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def without_image(linked: Site) -> Iterator[Site]:
    """The installation, while neither its image nor the frozen one is there."""
    image = frozen(linked)
    aside = image.with_name("aside")
    image.rename(aside)
    yield linked
    aside.rename(image)


def test_an_image_among_the_frozen_ones_is_found_and_can_be_linked(linked: Site) -> None:
    assert installed(linked).readlink() == frozen(linked).resolve()
    assert linked.output("venv", "hello") == "hello []\n"


def test_a_module_whose_image_is_gone_says_where_it_was_looked_for(without_image: Site) -> None:
    done = without_image.loaded("venv", "true")
    assert done.returncode == 99
    assert str(installed(without_image)) in done.stderr
    assert str(frozen(without_image)) in done.stderr


@pytest.fixture(params=["Lmod", "EnvironmentModules"])
def in_both(request: pytest.FixtureRequest, linked: Site) -> Iterator[Site]:
    """The installation with a module in Lua, and in Tcl instead."""
    site = linked.using(tool=request.param)
    linked.module_file("venv").unlink()
    site.make_module("venv")
    yield site
    site.module_file("venv").unlink()
    linked.make_module("venv")


def test_a_module_says_that_its_image_is_another_one_now(in_both: Site) -> None:
    assert "installed with" not in in_both.loaded("venv", "true").stderr
    image = frozen(in_both)
    changed = bytearray(image.read_bytes())
    changed[50] ^= 1  # of its identifier
    image.rename(image.with_name("aside"))
    image.write_bytes(changed)
    said = in_both.loaded("venv", "true").stderr
    image.with_name("aside").rename(image)
    assert f"{installed(in_both)} is not the one that Demo/1.0-venv was installed with." in " ".join(said.split())


def test_when_the_installed_image_is_gone_the_frozen_one_is_used(linked: Site) -> None:
    target = installed(linked).readlink()
    installed(linked).unlink()
    try:
        assert linked.output("venv", "echo $SIF; hello x") == f"{frozen(linked)}\nhello ['x']\n"
    finally:
        installed(linked).symlink_to(target)


@pytest.fixture
def with_foreign_image(without_image: Site) -> Iterator[Site]:
    """The installation, while its image is one for another machine."""
    image = image_for("s390x", without_image.machine.bases["venv"], frozen(without_image).parent)
    yield without_image
    image.unlink()


def test_a_module_for_another_machine_can_be_made_and_its_commands_say_so(with_foreign_image: Site) -> None:
    with_foreign_image.module_file("venv").unlink()
    done = with_foreign_image.eb(with_foreign_image.easyconfig("venv"), "--module-only")
    assert done.returncode == 0, done.stdout
    here, image = os.uname().machine, installed(with_foreign_image)
    assert f"this host is {here}, and {image} is for s390x; skipping the sanity check" in " ".join(done.stdout.split())
    done = with_foreign_image.loaded("venv", "hello")
    assert done.returncode != 0
    assert re.search(r"the image's architecture \(s390x\) could not run on the host's", done.stderr)


def test_an_image_that_was_replaced_is_found_by_looking_at_the_installation_only(without_image: Site) -> None:
    image = frozen(without_image)
    image.write_bytes(image.with_name("aside").read_bytes() + b"changed")
    done = without_image.eb(without_image.easyconfig("venv"), "--sanity-check-only")
    image.unlink()
    assert done.returncode != 0
    out = " ".join(done.stdout.split())
    assert f"the image {image} is no longer the one of the easyconfig: that says" in out


def test_a_module_can_be_made_although_the_image_is_gone(without_image: Site) -> None:
    before = without_image.module_file("venv").read_text()
    without_image.module_file("venv").unlink()
    without_image.make_module("venv")
    assert without_image.module_file("venv").read_text() == before


def install_sharing(site: Site, version: str, *options: str, how: str = "share") -> None:
    """Install a version of a container without a layer."""
    base = site.machine.bases["bare"]
    changes: dict[str, Any] = {"commands": ["bash"], "versionsuffix": "", "checksums": [sha256_of(base)]}
    easyconfig = site.write("bare", easyblock="SifContainer", version=version, image_install=how, **changes)
    done = site.eb(easyconfig, *options)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def sharing(make_site: Callable[..., Site]) -> Site:
    """Two versions on the same image, the second one for a group."""
    site = make_site()
    install_sharing(site, "1")
    install_sharing(site, "2", "--group-writable-installdir")
    return site


def shared(site: Site, version: str) -> Path:
    return site.folder / "software" / "Demo" / version / site.machine.bases["bare"].name


def test_versions_share_one_file_that_nobody_may_change(sharing: Site) -> None:
    assert shared(sharing, "1").samefile(shared(sharing, "2"))
    assert stat.S_IMODE(shared(sharing, "1").stat().st_mode) == 0o444
    image = shared(sharing, "1")
    assert image.readlink() == Path("..", ".images", sha256_of(image), image.name)


def test_another_user_starts_what_is_shared(sharing: Site) -> None:
    script = "module load Demo/2 && start-shell -c 'echo here' && echo $SIF"
    done = sharing.using(user=sharing.machine.user).login(script, cwd="/", stdout=subprocess.PIPE)
    assert done.stdout == f"here\n{shared(sharing, '2')}\n"


@pytest.mark.parametrize("option", ["--sanity-check-only", "--module-only", "--skip"])
def test_an_installation_that_shares_can_be_looked_at_and_completed(sharing: Site, option: str) -> None:
    install_sharing(sharing, "1", option, *([] if option == "--sanity-check-only" else ["--force"]))
    assert shared(sharing, "1").samefile(shared(sharing, "2"))


def test_the_shared_file_goes_with_the_last_version(sharing: Site) -> None:
    install_sharing(sharing, "1", "--rebuild", how="copy")
    assert shared(sharing, "2").exists()
    install_sharing(sharing, "2", "--rebuild", how="copy")
    assert not (sharing.folder / "software" / "Demo" / ".images").exists()
