"""What a source package says that it is built with."""

from pathlib import Path

import pytest

from ebsif.errors import EbsifError
from ebsif.lock.pip.build import build_system
from tests.support.sdists import make_asking_sdist, make_sdist

BUILD = '[build-system]\nrequires = ["flit_core >=3", "six"]\n'


def test_it_is_what_its_pyproject_names(tmp_path: Path) -> None:
    assert build_system(make_sdist(tmp_path, "tiny", pyproject=BUILD)).requires == ("flit_core >=3", "six")


@pytest.mark.parametrize("pyproject", [None, "", "[tool.black]\n"])
def test_without_a_word_it_is_setuptools(tmp_path: Path, pyproject: str | None) -> None:
    assert build_system(make_sdist(tmp_path, "tiny", pyproject=pyproject)).requires == ("setuptools >= 40.8.0",)


def test_a_zip_file_is_read_too(tmp_path: Path) -> None:
    archive = make_sdist(tmp_path, "tiny", pyproject=BUILD, files={"sub/pyproject.toml": ""}, suffix=".zip")
    assert build_system(archive).requires == ("flit_core >=3", "six")


@pytest.mark.parametrize("name", ["broken-1.0.tar.gz", "broken-1.0.zip"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no archive")
    with pytest.raises(EbsifError, match=f"{name} is not a source package"):
        build_system(tmp_path / name)


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    with pytest.raises(EbsifError, match="is not a source package"):
        build_system(make_sdist(tmp_path, "tiny", pyproject="[build-system"))


def test_its_backend_may_lie_inside_it(tmp_path: Path) -> None:
    system = build_system(make_asking_sdist(tmp_path, "asking", "new"))
    assert (system.backend, system.path) == ("backend", (".",))


def test_without_a_word_the_backend_is_that_of_setuptools_for_old_packages(tmp_path: Path) -> None:
    assert build_system(make_sdist(tmp_path, "tiny")).backend == "setuptools.build_meta:__legacy__"
