"""`ebsif freeze` keeps an image as it is, with its manifest, and never replaces one."""

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.manifests import make_manifest
from workbench import Machine

pytestmark = pytest.mark.e2e

Freeze = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def image(machine: Machine) -> Path:
    """The smallest image."""
    return machine.bases["bare"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "frozen"


@pytest.fixture
def freeze(machine: Machine, folder: Path) -> Freeze:
    def freeze(image: Path, *words: str, user: str | None = None) -> "subprocess.CompletedProcess[str]":
        return machine.run(["ebsif", "freeze", image, "--to", folder, *words], user=user)

    return freeze


def test_an_image_is_copied_with_its_manifest_and_nobody_can_write_to_it(
    freeze: Freeze, image: Path, folder: Path
) -> None:
    done = freeze(image, "--json")
    assert done.returncode == 0, done.stderr
    frozen = folder / image.name
    assert frozen.read_bytes() == image.read_bytes()
    manifest = json.loads((folder / f"{image.name}.manifest.json").read_text())
    made = {"image": str(frozen), "sha256": manifest["sha256"], "new": True, "verified_with": []}
    assert json.loads(done.stdout) == made
    assert stat.S_IMODE(frozen.stat().st_mode) == 0o444


@pytest.fixture
def published(image: Path, tmp_path: Path) -> Path:
    """The image in a folder of its own, where files of checksums may lie."""
    release = tmp_path / "release"
    release.mkdir()
    copy = release / image.name
    copy.write_bytes(image.read_bytes())
    return copy


def test_the_publishers_checksum_is_compared_and_named(freeze: Freeze, published: Path) -> None:
    checksums = published.with_name("release.sha256")
    checksums.write_text(f"{hashlib.sha256(published.read_bytes()).hexdigest()}  {published.name}\n")
    done = freeze(published)
    assert done.returncode == 0, done.stderr
    assert f", as in {checksums}" in " ".join(done.stderr.split())
    assert json.loads(freeze(published, "--json").stdout)["verified_with"] == [str(checksums)]


def test_another_checksum_of_the_publisher_is_refused_and_nothing_stays(
    freeze: Freeze, published: Path, folder: Path
) -> None:
    published.with_name("release.sha256").write_text(f"{'a' * 64}  {published.name}\n")
    done = freeze(published)
    assert done.returncode == 2
    assert "it is another file than was published" in " ".join(done.stderr.split())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("right", [True, False])
def test_what_the_publisher_said_is_replaced_when_the_image_is_there_and_is_the_one(
    freeze: Freeze, image: Path, folder: Path, right: bool
) -> None:
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest() if right else "a" * 64
    said = make_manifest(file=image.name).model_copy(update={"source": "publisher", "sha256": sha256})
    folder.mkdir()
    manifest = folder / f"{image.name}.manifest.json"
    manifest.write_text(said.to_json())
    assert freeze(image).returncode == (0 if right else 2)
    assert json.loads(manifest.read_text())["source"] == ("inspection" if right else "publisher")
    assert (folder / image.name).exists() == right


def test_a_link_is_followed_to_the_name_of_the_image(
    freeze: Freeze, image: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "newest.sif").symlink_to(image)
    assert freeze(tmp_path / "newest.sif").returncode == 0
    assert (folder / image.name).exists()
    assert not (folder / "newest.sif").exists()


def test_frozen_again_it_says_so_and_changes_nothing(freeze: Freeze, image: Path, folder: Path) -> None:
    freeze(image)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = freeze(image)
    assert done.returncode == 0
    assert "frozen already, and unchanged" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_another_image_of_the_name_is_refused_with_both_checksums(
    freeze: Freeze, image: Path, folder: Path, tmp_path: Path
) -> None:
    freeze(image)
    other = tmp_path / image.name
    other.write_bytes(image.read_bytes() + b"\0")
    done = freeze(other)
    assert done.returncode == 2
    for file in (image, other):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in done.stderr
    assert (folder / image.name).read_bytes() == image.read_bytes()


def test_what_was_killed_before_the_manifest_is_completed(freeze: Freeze, image: Path, folder: Path) -> None:
    freeze(image)
    manifest = folder / f"{image.name}.manifest.json"
    text = manifest.read_text()
    manifest.unlink()
    assert freeze(image).returncode == 0
    assert manifest.read_text() == text


def test_a_manifest_of_an_older_version_is_written_anew(freeze: Freeze, image: Path, folder: Path) -> None:
    freeze(image)
    manifest = folder / f"{image.name}.manifest.json"
    text = manifest.read_text()
    manifest.chmod(0o644)
    manifest.write_text(json.dumps({**json.loads(text), "format": 1}))
    assert freeze(image).returncode == 0
    assert manifest.read_text() == text
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o444


def test_a_frozen_image_that_was_damaged_is_noticed(freeze: Freeze, image: Path, folder: Path) -> None:
    freeze(image)
    frozen = folder / image.name
    frozen.chmod(0o644)
    with frozen.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    done = freeze(image)
    assert done.returncode == 2
    assert "another image is at" in done.stderr


def test_a_file_that_is_no_image_is_refused(freeze: Freeze, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.sif").write_text("no image")
    done = freeze(tmp_path / "x.sif")
    assert done.returncode == 2
    assert "is not a SIF image" in done.stderr
    assert not folder.exists()


def test_without_permission_nothing_is_written(
    freeze: Freeze, image: Path, folder: Path, tmp_path: Path, machine: Machine
) -> None:
    if machine.user is None:
        tmp_path.chmod(0o555)
    done = freeze(image, user=machine.user)
    tmp_path.chmod(0o755)
    assert done.returncode == 2
    assert "Permission denied" in done.stderr
    assert not folder.exists()


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder with room for less than an image."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_nothing(freeze: Freeze, image: Path, small_disk: Path) -> None:
    done = freeze(image)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert list(small_disk.iterdir()) == []
