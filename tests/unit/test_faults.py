"""What ebsif writes is there whole, or as it was before: at a full disk, and killed at any moment."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ebsif.cli import InterruptedBySignal
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import copied, temporary_folder, write_atomically, write_new
from ebsif.lock.staging import staged
from tests.easyblocks.faults import be_killed, happened, have_a_broken_disk, have_no_space, lose_power

FAULTS = [be_killed, lose_power, have_no_space, have_a_broken_disk]
OLD, NEW = b"old" * 1000, b"new" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "there").write_bytes(OLD)
    return folder


def number_of_faults(work: Callable[[], object], fault: Callable[[], None], folder: Path) -> int:
    """Look at the folder after a fault at each change of the work in turn; return how many changes there are."""
    before = folder.with_name("before")
    shutil.copytree(folder, before)
    number = 0
    while happened(work, fault, number + 1, EbsifError):
        number += 1
        look_at(folder, fault)
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
    return number


def look_at(folder: Path, fault: Callable[[], None]) -> None:
    for path in folder.iterdir():
        if path.name.startswith("."):
            # A process that is gone cannot remove it, nor one that cannot remove anything.
            assert fault is not have_no_space
        else:
            assert path.read_bytes() in ({OLD, NEW} if path.name == "there" else {NEW})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_replaced(folder: Path, fault: Callable[[], None]) -> None:
    assert number_of_faults(lambda: write_atomically(folder / "there", NEW, 0o644), fault, folder) >= 2
    assert (folder / "there").read_bytes() == NEW


@pytest.mark.parametrize("fault", FAULTS)
def test_a_new_file(folder: Path, fault: Callable[[], None]) -> None:
    assert number_of_faults(lambda: write_new(folder / "other", NEW, 0o644), fault, folder) >= 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_frozen_image(folder: Path, tmp_path: Path, fault: Callable[[], None]) -> None:
    source = tmp_path / "image.sif"
    source.write_bytes(NEW)

    def copy() -> None:
        with copied(source, folder / "image.sif", Console(quiet=True)):
            pass

    assert number_of_faults(copy, fault, folder) >= 3


@pytest.mark.parametrize("fault", FAULTS)
def test_files_among_the_sources(folder: Path, fault: Callable[[], None]) -> None:
    def fetch() -> None:
        with staged(folder) as stage:
            for name in ("a.whl", "b.whl"):
                (stage / name).write_bytes(NEW)

    assert number_of_faults(fetch, fault, folder) >= 6
    assert sorted(path.name for path in folder.iterdir()) == ["a.whl", "b.whl", "there"]


def be_terminated() -> None:
    """Be told to end, once, as `ebsif` is by a signal: what was begun is removed."""
    raise InterruptedBySignal(signal.SIGTERM)


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
def test_a_signal_at_any_moment_leaves_nothing_behind(folder: Path, late: bool) -> None:
    def work() -> None:
        with temporary_folder(folder) as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / "file").write_bytes(NEW)
            (temporary / "deep").chmod(0o500)
            write_atomically(folder / "there", NEW, 0o644)

    number = 1
    while happened(work, be_terminated, number, InterruptedBySignal, late=late):
        assert [path.name for path in folder.iterdir()] == ["there"], number
        look_at(folder, have_no_space)
        number += 1
    assert number > 10
