"""Where Lustre puts large files: over several servers, unless somebody has thought about it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from easybuild.easyblocks.generic import _sifcopy

# Writes down what it is asked, and says how many stripes files in the folder have.
LFS = """#!/bin/sh
for last; do :; done
echo "$*" >> {log}
case $1 in
getstripe) echo {count} ;;
setstripe) {set} ;;
esac
"""

Fake = Callable[..., Path]


@pytest.fixture
def lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Make an lfs, and take the file system here for Lustre."""

    def make(*, count: str = "1", set_: str = ': > "$last"') -> Path:
        program, log = tmp_path / "lfs", tmp_path / "log"
        program.write_text(LFS.format(log=log, count=count, set=set_))
        program.chmod(0o755)
        log.touch()
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(_sifcopy, "LUSTRE", _sifcopy.file_system(str(tmp_path)))
        return log

    return make


def test_a_large_file_is_made_anew_by_lfs_and_that_file_is_written(lfs: Fake, tmp_path: Path) -> None:
    log = lfs(set_='test ! -e "$last" && : > "$last"')
    source, target = tmp_path / "source", tmp_path / "image"
    source.write_bytes(b"image")
    target.touch()
    assert _sifcopy.lay_out(str(target), _sifcopy.LARGE) is None
    made = target.stat().st_ino
    _sifcopy.copy_and_hash(str(source), str(target))
    assert log.read_text().splitlines() == [
        f"getstripe -d --stripe-count {tmp_path}",
        f"setstripe --stripe-count 8 --stripe-size 4M {target}",
    ]
    assert (target.stat().st_ino, target.read_bytes()) == (made, b"image")


@pytest.mark.parametrize("count", ["4", "-1", "1\n4"])
def test_a_folder_whose_files_are_spread_already_stays_as_it_is(lfs: Fake, tmp_path: Path, count: str) -> None:
    log = lfs(count=f"'{count}'")
    assert _sifcopy.lay_out(str(tmp_path / "image"), _sifcopy.LARGE) is None
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["getstripe"]


def test_a_small_file_is_left_alone(lfs: Fake, tmp_path: Path) -> None:
    log = lfs()
    assert _sifcopy.lay_out(str(tmp_path / "image"), _sifcopy.LARGE - 1) is None
    assert log.read_text() == ""


def test_on_another_file_system_lfs_is_not_asked(
    lfs: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = lfs()
    monkeypatch.setattr(_sifcopy, "LUSTRE", 0x0BD00BD0)
    assert _sifcopy.lay_out(str(tmp_path / "image"), _sifcopy.LARGE) is None
    assert log.read_text() == ""


def test_what_lfs_says_when_it_fails_is_told_and_the_file_can_be_written(lfs: Fake, tmp_path: Path) -> None:
    lfs(set_="echo no such pool; exit 1")
    source, target = tmp_path / "source", tmp_path / "image"
    source.write_bytes(b"image")
    target.touch()
    assert _sifcopy.lay_out(str(target), _sifcopy.LARGE) == "no such pool"
    _sifcopy.copy_and_hash(str(source), str(target))
    assert target.read_bytes() == b"image"
