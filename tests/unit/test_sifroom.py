"""The room that packages will take is compared with what there is."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from easybuild.easyblocks.generic import _sifroom

from tests.support.wheels import make_wheel


def test_wheels_take_what_is_in_them_and_bytecode(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "big", files={"big.py": "x" * 100_000, "data.txt": "y" * 50_000})
    size, files = _sifroom.unpacked([str(wheel.path)])
    assert 200_000 <= size <= 202_000
    # Both, bytecode, and what tells of the package.
    assert 3 < files < 10


def test_a_package_of_conda_takes_a_multiple_of_its_size(tmp_path: Path) -> None:
    package = tmp_path / "a-1.0-h0_0.conda"
    package.write_bytes(bytes(1_000_000))
    assert _sifroom.unpacked([str(package)]) == (4_000_000, 200)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with room for 1 GB and 10 files."""
    there = SimpleNamespace(f_bavail=250_000, f_frsize=4000, f_files=100, f_favail=10)
    monkeypatch.setattr(os, "statvfs", lambda _: there)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("size", "files", "said"),
    [
        (10**9, 10, None),
        (2 * 10**9, 10, "about 2.0 GB are needed in /build, and 1.0 GB are free"),
        (10, 11, "about 11 files are needed in /build, and no more than 10 can be made"),
    ],
)
def test_what_is_missing_is_told(size: int, files: int, said: "str | None") -> None:
    assert _sifroom.shortage("/build", size, files) == said


@pytest.mark.parametrize(("size", "said"), [(4_194_304, "4.2 MB"), (2 * 10**9, "2.0 GB")])
def test_a_size_is_said_in_the_unit_that_fits(size: int, said: str) -> None:
    assert _sifroom.amount(size) == said
