"""The SHA256 of a copy is that of the bytes that were written, whatever happens to the source meanwhile."""

import hashlib
from pathlib import Path

import pytest
from easybuild.easyblocks.generic import _sifcopy


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
