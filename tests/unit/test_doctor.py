"""`ebsif doctor` tells what a machine lacks, and how to get it."""

import json
from pathlib import Path
from typing import Any

import pytest

from ebsif import doctor
from ebsif.cli import main

MKSQUASHFS = """\
case "$*" in
    *"-comp zstd"*) echo 'mksquashfs: Compressor "zstd" is not supported!' >&2; exit 1 ;;
esac
"""
EB = """\
case "$1" in
    --version) echo "This is EasyBuild 5.1.2 (framework: 5.1.2, easyblocks: 5.1.2) on host x." ;;
    --list-easyblocks) echo "|   |   |-- SifVenv" ;;
esac
"""


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH for what the main job needs, empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("EASYBUILD_SOURCEPATH", "EASYBUILD_PREFIX", "EBSIF_IMAGES", "LMOD_CMD", "MODULES_CMD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EASYBUILD_SOURCEPATH", str(tmp_path / "sources"))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def complete(bin_folder: Path) -> Path:
    """The folder with all that the main job needs."""
    setting = 'case "$1" in --version) echo apptainer version 1.4.5 ;; *) echo APPTAINER_SUID_INSTALL=1 ;; esac'
    program(bin_folder, "apptainer", setting)
    program(bin_folder, "eb", EB)
    program(bin_folder, "lmod", "")
    program(bin_folder, "mksquashfs", "")
    return bin_folder


def findings(capsys: pytest.CaptureFixture[str], status: int) -> dict[str, Any]:
    assert main(["doctor", "--json"]) == status
    return {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_a_machine_that_has_everything_is_fine(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"ok        EasyBuild 5.1 or newer: 5.1.2 ({complete}/eb)\n" in out
    assert "missing" not in out


def test_whatever_is_missing_comes_with_a_way_to_get_it(
    bin_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = findings(capsys, 1)
    missing = {what for what, finding in found.items() if finding["level"] == "error"}
    assert {"container runtime", "EasyBuild 5.1 or newer", "easyblocks", "module tool"} <= missing
    assert "mksquashfs 4.4 or newer" in missing


@pytest.mark.parametrize("name", ["apptainer", "eb", "lmod", "mksquashfs"])
def test_each_thing_is_necessary(name: str, complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (complete / name).unlink()
    findings(capsys, 1)


def test_a_folder_of_frozen_images_is_not_necessary(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finding = findings(capsys, 0)["folder of frozen images"]
    assert finding["remedy"] and finding["level"] == "warning"


def test_an_old_easybuild_is_not_enough(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(complete, "eb", EB.replace("5.1.2", "4.9.2"))
    assert findings(capsys, 1)["EasyBuild 5.1 or newer"]["remedy"] == "load a newer module of EasyBuild"


def test_an_easybuild_that_does_not_find_the_easyblocks_is_not_enough(
    complete: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(complete, "eb", EB.replace("SifVenv", "Conda"))
    assert "ebsif deploy" in findings(capsys, 1)["easyblocks"]["remedy"]


def test_a_mksquashfs_without_zstd_will_do(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(complete, "mksquashfs", MKSQUASHFS)
    assert findings(capsys, 0)["mksquashfs 4.4 or newer"]["found"].endswith("with gzip")


def test_a_mksquashfs_that_cannot_make_reproducible_layers_is_not_enough(
    complete: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(complete, "mksquashfs", 'echo "mksquashfs: -mkfs-time: invalid option" >&2; exit 1')
    assert "-mkfs-time: invalid option" in findings(capsys, 1)["mksquashfs 4.4 or newer"]["found"]


def test_sources_must_have_a_place(complete: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sources").write_text("a file where a folder should be")
    assert findings(capsys, 1)["folder for sources"]["remedy"]


def test_environment_modules_will_do(
    complete: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (complete / "lmod").rename(complete / "modulecmd.tcl")
    assert findings(capsys, 0)["module tool"]["found"].startswith("Environment Modules")


@pytest.fixture
def user(complete: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Somebody who is not root, with a runtime that is not setuid; the stand-in for /dev/fuse can be opened."""
    program(complete, "apptainer", "echo APPTAINER_SUID_INSTALL=0")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    fuse = tmp_path / "fuse"
    fuse.write_text("")
    monkeypatch.setattr(doctor, "_FUSE", fuse)
    monkeypatch.setattr(doctor, "_NAMESPACES", (tmp_path / "max_user_namespaces",))
    return tmp_path


def test_a_user_mounts_images_by_fuse(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "in user namespaces" in findings(capsys, 0)["mounting of images"]["found"]


def test_a_user_cannot_mount_images_without_fuse(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (user / "fuse").unlink()
    assert "setuid runtime" in findings(capsys, 1)["mounting of images"]["remedy"]


def test_a_user_cannot_mount_images_without_user_namespaces(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (user / "max_user_namespaces").write_text("0\n")
    assert "max_user_namespaces is 0" in findings(capsys, 1)["mounting of images"]["found"]
