"""The SHA256 of a copy is that of the bytes that were written, whatever happens to the source meanwhile."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from easybuild.easyblocks.generic import _sifcopy


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A file system with room for 1 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("shares", [True, False], ids=["where blocks can be shared", "where they cannot"])
def test_a_source_that_changes_while_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: bool
) -> None:
    if not shares:
        monkeypatch.setattr(_sifcopy, "shares_blocks", lambda source, target: False)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a" * (2 * _sifcopy.BLOCK))

    def change(_: int) -> None:
        source.write_bytes(b"b" * (2 * _sifcopy.BLOCK))

    found = _sifcopy.copy_and_hash(str(source), str(target), change)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small file system")
def test_a_copy_for_which_there_is_no_room_is_not_begun(tmp_path: Path) -> None:
    source, disk = tmp_path / "source", tmp_path / "disk"
    disk.mkdir()
    source.write_bytes(bytes(3 << 20))
    with full_disk(disk), pytest.raises(OSError, match="No space left on device"):
        _sifcopy.copy_and_hash(str(source), str(disk / "copy"), lambda _: pytest.fail("something was copied"))


def test_nothing_stays_reserved_behind_a_source_that_became_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sifcopy, "shares_blocks", lambda source, target: False)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a" * (3 * _sifcopy.BLOCK))
    _sifcopy.copy_and_hash(str(source), str(target), lambda _: os.truncate(source, _sifcopy.BLOCK))
    assert target.stat().st_blocks * 512 <= target.stat().st_size + 4096
