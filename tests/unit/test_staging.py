"""Files of a lock get into the folder of sources all together, or not at all."""

import hashlib
import os
from pathlib import Path

import pytest

from ebsif.errors import EbsifError
from ebsif.lock.model import LockedFile
from ebsif.lock.staging import staged, stored
from tests.support.generator import contents


def file_with(content: bytes, name: str) -> LockedFile:
    return LockedFile(name, "1.0", f"{name}-1.0-py3-none-any.whl", hashlib.sha256(content).hexdigest())


def test_files_appear_only_at_the_end_beside_those_that_were_there(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    file = file_with(b"new", "new")
    with staged(tmp_path) as folder:
        assert (folder / "old").read_text() == "old"
        with stored(file, folder) as temporary:
            temporary.write_bytes(b"new")
        assert not (tmp_path / file.filename).exists()
    assert {path.name for path in tmp_path.iterdir()} == {"old", file.filename}
    assert (tmp_path / file.filename).stat().st_mode & 0o777 == 0o644


def test_when_one_file_is_wrong_none_appears_and_none_is_changed(tmp_path: Path) -> None:
    right, wrong = file_with(b"right", "right"), file_with(b"expected", "wrong")
    (tmp_path / wrong.filename).write_text("before")
    before = contents(tmp_path)
    said = r"wrong-1\.0-py3-none-any\.whl has SHA256 .*: the download broke off, or "
    with pytest.raises(EbsifError, match=said), staged(tmp_path) as folder:
        for file in (right, wrong):
            with stored(file, folder) as temporary:
                temporary.write_bytes(b"right")
    assert contents(tmp_path) == before


def test_whoever_may_use_the_folder_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with staged(tmp_path) as folder:
            (folder / "of-pip.whl").write_bytes(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "of-pip.whl").stat().st_mode & 0o777 == 0o644
