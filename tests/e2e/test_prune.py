"""`ebsif prune` of real installations: the old version goes, and the newer one on the same image works as before."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.easyconfigs import NAME
from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pruned(make_site: Callable[..., Site], layer: list[Wheel]) -> tuple[Site, str]:
    """Two versions on one image, which they share; and what `ebsif prune` says of them before it removes something."""
    site = make_site()
    image = hashlib.sha256(site.machine.bases["venv"].read_bytes()).hexdigest()
    for version in ("1.9", "1.10"):
        changes = {"versionsuffix": "", "image_install": "share", "checksums": [image]}
        done = site.eb(site.write("venv", layer, version=version, **changes))
        assert done.returncode == 0, done.stdout
    told = site.login("ebsif prune --json")
    assert told.returncode == 0, told.stderr
    removed = site.login("ebsif prune --yes")
    assert removed.returncode == 0, removed.stderr
    return site, told.stdout


def installed(site: Site, version: str) -> Path:
    return site.folder / "software" / NAME / version


def test_the_old_version_is_named_with_its_size_and_files(pruned: tuple[Site, str]) -> None:
    (old,) = (one for one in json.loads(pruned[1]) if one["kind"] == "installation")
    assert old["path"] == str(installed(pruned[0], "1.9"))
    # The image, which stays, does not count.
    assert 1_000_000 < old["size"] < pruned[0].machine.bases["venv"].stat().st_size
    assert old["files"] > 20


def test_the_old_version_is_gone_with_its_module(pruned: tuple[Site, str]) -> None:
    assert not installed(pruned[0], "1.9").exists()
    done = pruned[0].login(f"module -t avail {NAME}")
    assert f"{NAME}/1.10" in done.stdout + done.stderr
    assert f"{NAME}/1.9" not in done.stdout + done.stderr


def test_the_newer_version_works_on(pruned: tuple[Site, str]) -> None:
    done = pruned[0].login(f"module load {NAME}/1.10 && hello x && python -c 'import six'")
    assert (done.returncode, done.stdout) == (0, "hello ['x']\n"), done.stderr


def test_nothing_more_is_called_old(pruned: tuple[Site, str]) -> None:
    assert json.loads(pruned[0].login("ebsif prune --json").stdout) == []
