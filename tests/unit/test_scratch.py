"""One setting for where all goes that is written on the way."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebsif.cli import main
from ebsif.files import cache_path, temporary_folder
from ebsif.scratch import SCRATCH, use_scratch

VARIABLES = ("TMPDIR", "XDG_CACHE_HOME", "EASYBUILD_TMPDIR", "EASYBUILD_BUILDPATH")


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give back variables and Python's folder for temporary files afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in VARIABLES:
        monkeypatch.setenv(name, "/elsewhere")
    yield


def test_temporary_files_caches_and_builds_go_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scratch = tmp_path / "my scratch"
    monkeypatch.setenv(SCRATCH, str(scratch))
    use_scratch()
    assert cache_path("pip") == scratch / "cache" / "ebsif" / "pip"
    with temporary_folder() as folder:
        assert folder.parent == scratch / "tmp"
    assert [os.environ[name] for name in VARIABLES[2:]] == [str(scratch / "tmp"), str(scratch / "build")]
    assert (scratch / "build").is_dir()


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(SCRATCH, raising=False)
    else:
        monkeypatch.setenv(SCRATCH, value)
    use_scratch()
    assert {os.environ[name] for name in VARIABLES} == {"/elsewhere"}


def test_a_relative_path_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(SCRATCH, "scratch")
    assert main(["schema", "recipe"]) == 2
    assert capsys.readouterr().err == "ebsif: EBSIF_SCRATCH must be the absolute path of a folder, and is 'scratch'\n"


def test_a_folder_that_cannot_be_made_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(SCRATCH, f"{tmp_path}/file")
    assert main(["schema", "recipe"]) == 2
    assert "; set EBSIF_SCRATCH to a folder that you may write in" in capsys.readouterr().err
