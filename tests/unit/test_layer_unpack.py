"""Source packages are unpacked by layer.py, in a container; what leads out of their folder is refused before."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ebsif.inside import LAYER_PY


def unpack(archive: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [sys.executable, LAYER_PY, "unpack", archive, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def member(name: str, **attributes: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


def make_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for one in (member("demo-1.0/setup.py", size=2), *members):
            archive.addfile(one, io.BytesIO(b"x" * one.size))
    return path


def test_a_source_package_is_unpacked(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "demo-1.0.tar.gz", member("demo-1.0/a b/ü", size=1))
    done = unpack(archive, tmp_path / "build" / "demo-1.0")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "build" / "demo-1.0" / "a b" / "ü").read_text() == "x"


def test_files_keep_the_times_that_the_archive_gives_them(tmp_path: Path) -> None:
    """Builds look at which of two files is newer."""
    path = tmp_path / "demo-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, year in (("new.c", 2021), ("old.pyx", 2020)):
            archive.writestr(zipfile.ZipInfo(f"demo-1.0/{name}", (year, 1, 1, 0, 0, 0)), "")
    assert unpack(path, tmp_path / "build" / "demo-1.0").returncode == 0
    times = {name: (tmp_path / "build" / "demo-1.0" / name).stat().st_mtime for name in ("new.c", "old.pyx")}
    assert times == {"new.c": 1609459200, "old.pyx": 1577836800}


@pytest.mark.parametrize(
    "hostile",
    [
        member("demo-1.0/../../escaped", size=1),
        member("/etc/escaped", size=1),
        member("demo-1.0/out", type=tarfile.SYMTYPE, linkname="../../.."),
        member("demo-1.0/out", type=tarfile.SYMTYPE, linkname="/etc"),
        member("demo-1.0/out", type=tarfile.LNKTYPE, linkname="../../escaped"),
        member("demo-1.0/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("demo-1.0/disk", type=tarfile.BLKTYPE, devmajor=8),
        member("demo-1.0/pipe", type=tarfile.FIFOTYPE),
    ],
    ids=lambda one: f"{one.name} {one.linkname}".strip(),
)
def test_what_is_no_file_of_the_package_is_refused(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    (tmp_path / "escaped").write_text("mine")
    archive = make_tar(tmp_path / "demo-1.0.tar.gz", hostile)
    done = unpack(archive, tmp_path / "build" / "demo-1.0")
    assert done.returncode == 1
    assert done.stderr.startswith("demo-1.0.tar.gz cannot be unpacked: ")
    assert (tmp_path / "escaped").read_text() == "mine"
    assert not (tmp_path / "build" / "demo-1.0").exists()


def test_links_that_lead_out_together_are_refused(tmp_path: Path) -> None:
    # Each of them stays inside by its text.
    (tmp_path / "escaped").write_text("mine")
    archive = make_tar(
        tmp_path / "demo-1.0.tar.gz",
        member("demo-1.0/a/b/c/up", type=tarfile.SYMTYPE, linkname="../../../.."),
        member("demo-1.0/out", type=tarfile.SYMTYPE, linkname="a/b/c/up/.."),
        member("demo-1.0/out/escaped", size=1),
    )
    done = unpack(archive, tmp_path / "build" / "demo-1.0")
    assert "'demo-1.0/out' leads out of its folder" in done.stderr
    assert (tmp_path / "escaped").read_text() == "mine"


def test_all_belongs_to_who_unpacks_it(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "demo-1.0.tar.gz", member("demo-1.0/tool", uid=12345, gid=12345))
    assert unpack(archive, tmp_path / "build" / "demo-1.0").returncode == 0
    assert (tmp_path / "build" / "demo-1.0" / "tool").owner() == tmp_path.owner()


def test_nothing_becomes_setuid(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "demo-1.0.tar.gz", member("demo-1.0/tool", mode=0o6777))
    assert unpack(archive, tmp_path / "build" / "demo-1.0").returncode == 0
    assert (tmp_path / "build" / "demo-1.0" / "tool").stat().st_mode & 0o7022 == 0


def test_a_zip_file_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "demo-1.0.zip", "w") as archive:
        archive.writestr("demo-1.0/setup.py", "")
        archive.writestr("demo-1.0/../../../../../escaped", "")
    unpack(tmp_path / "demo-1.0.zip", tmp_path / "build" / "demo-1.0")
    assert list(tmp_path.glob("escaped")) == []


@pytest.mark.parametrize("content", [b"", b"no archive"])
@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_what_is_no_archive_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    archive = tmp_path / f"demo-1.0{suffix}"
    archive.write_bytes(content)
    done = unpack(archive, tmp_path / "build" / "demo-1.0")
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo-1.0{suffix} cannot be unpacked: ")
