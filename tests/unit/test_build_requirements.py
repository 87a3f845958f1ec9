"""What a source package says that it is built with."""

import zipfile
from pathlib import Path

import pytest

from ebsif.errors import EbsifError
from ebsif.lock.pip.build import build_requirements
from tests.support.sdists import make_sdist

BUILD = '[build-system]\nrequires = ["flit_core >=3", "six"]\n'


def test_it_is_what_its_pyproject_names(tmp_path: Path) -> None:
    assert build_requirements(make_sdist(tmp_path, "tiny", pyproject=BUILD)) == ("flit_core >=3", "six")


@pytest.mark.parametrize("pyproject", [None, "", "[tool.black]\n"])
def test_without_a_word_it_is_setuptools(tmp_path: Path, pyproject: str | None) -> None:
    assert build_requirements(make_sdist(tmp_path, "tiny", pyproject=pyproject)) == ("setuptools >= 40.8.0",)


def test_a_zip_file_is_read_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "tiny-1.0.zip", "w") as archive:
        archive.writestr("tiny-1.0/pyproject.toml", BUILD)
        archive.writestr("tiny-1.0/sub/pyproject.toml", "")
    assert build_requirements(tmp_path / "tiny-1.0.zip") == ("flit_core >=3", "six")


@pytest.mark.parametrize("name", ["broken-1.0.tar.gz", "broken-1.0.zip"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no archive")
    with pytest.raises(EbsifError, match=f"{name} is not a source package"):
        build_requirements(tmp_path / name)


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    with pytest.raises(EbsifError, match="is not a source package"):
        build_requirements(make_sdist(tmp_path, "tiny", pyproject="[build-system"))
