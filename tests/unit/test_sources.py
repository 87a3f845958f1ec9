"""Where EasyBuild looks for the files of a layer, and which are missing there."""

import hashlib
from pathlib import Path

import pytest

from ebsif.errors import EbsifError
from ebsif.lock.model import LockedFile
from ebsif.lock.sources import image_folders, missing_files, source_path


@pytest.fixture
def eb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``eb`` that is the only one on PATH."""
    for name in ("EASYBUILD_SOURCEPATH", "EASYBUILD_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "eb"


def test_a_variable_tells_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYBUILD_SOURCEPATH", "/one:/two")
    assert source_path("PyTorch") == Path("/one/p/PyTorch/extensions")


def test_else_easybuild_is_asked(eb: Path) -> None:
    eb.write_text("#!/bin/sh\necho '# Current configuration'\necho 'sourcepath      (D) = /from/eb'\n")
    eb.chmod(0o755)
    assert source_path("PyTorch") == Path("/from/eb/p/PyTorch/extensions")


def test_easybuild_is_asked_once(eb: Path, tmp_path: Path) -> None:
    eb.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/log\necho 'sourcepath      (D) = /from/eb'\n")
    eb.chmod(0o755)
    source_path("PyTorch")
    image_folders("PyTorch")
    source_path("Other")
    assert (tmp_path / "log").read_text() == "asked\n"


def test_without_easybuild_it_is_where_that_has_it_by_itself(eb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert source_path("PyTorch") == Path("/home/somebody/.local/easybuild/sources/p/PyTorch/extensions")


def test_an_easybuild_that_fails_is_named(eb: Path) -> None:
    eb.write_text("#!/bin/sh\necho 'ERROR: bad configuration' >&2\nexit 1\n")
    eb.chmod(0o755)
    with pytest.raises(EbsifError, match=r"give one with --sources \(ERROR: bad configuration"):
        source_path("PyTorch")


def test_files_with_another_content_are_missing_too(tmp_path: Path) -> None:
    files = [LockedFile(name, "1", f"{name}.whl", hashlib.sha256(b"right").hexdigest()) for name in ("a", "b", "c")]
    (tmp_path / "a.whl").write_bytes(b"right")
    (tmp_path / "b.whl").write_bytes(b"wrong")
    assert [file.name for file in missing_files(files, tmp_path)] == ["b", "c"]
