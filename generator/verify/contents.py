"""What two layers differ in."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ebsif import squashfs
from ebsif.errors import FileError
from ebsif.files import opened
from ebsif.inside.copying import BLOCK
from ebsif.inside.squashfs import entries

# Mode and content (SHA256 of a file, target of a link) by path.
Contents = Mapping[str, tuple[int, str]]

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class Difference:
    """What is wrong with a file, a folder or a link of a layer.

    Parameters
    ----------
    path
        Its path in the layer.
    what
        What is wrong with it, in words.
    package
        Name and version of the package that brings it; None for what no package lists.
    """

    path: str
    what: str
    package: str | None = None


def unpack(image: Path, folder: Path) -> Contents:
    """Unpack a SquashFS file into a new folder that is closed to others; return what it holds.

    Raises
    ------
    ToolError
        When there is no `unsquashfs`.
    FileError
        When the file cannot be unpacked, or not all of it.
    """
    modes = squashfs.unpack(image, folder)
    return {path: (modes.get(path, mode), content) for path, mode, content in entries(str(folder))}


def contents_of(folder: Path) -> Contents:
    """Return what a folder holds.

    Raises
    ------
    FileError
        When not all of it can be read.
    """
    try:
        found = {path: (mode, content) for path, mode, content in entries(str(folder))}
    except OSError as error:
        raise FileError(f"cannot read {error.filename}: {error.strerror}") from error
    closed = [path for path, (mode, _) in found.items() if stat.S_ISDIR(mode) and not os.access(folder / path, os.R_OK)]
    if closed:
        raise FileError(f"cannot read {folder / closed[0]}: who owns it can")
    return found


def differences(found: Contents, found_root: Path, expected: Contents, expected_root: Path) -> Iterator[Difference]:
    """Yield what is wrong with a layer, by path.

    Parameters
    ----------
    found, found_root
        The layer, and where its files lie.
    expected, expected_root
        What it should be.
    """
    for path in sorted({**found, **expected}):
        above = path.rpartition("/")[0]
        if path not in expected:
            if above in expected or not above:
                yield Difference(path, f"{_kind(found[path][0])} that should not be there")
        elif path not in found:
            if above in found or not above:
                yield Difference(path, f"{_kind(expected[path][0])} that is missing")
        else:
            what = _difference(found[path], found_root / path, expected[path], expected_root / path)
            if what:
                yield Difference(path, what)


def _difference(found: tuple[int, str], here: Path, expected: tuple[int, str], there: Path) -> str | None:
    """Return what is wrong with what is in both, in words; None when nothing is."""
    (mode, content), (wanted_mode, wanted_content) = found, expected
    if stat.S_IFMT(mode) != stat.S_IFMT(wanted_mode):
        return f"{_kind(mode)} instead of {_kind(wanted_mode)}"
    problems = []
    if content != wanted_content:
        if stat.S_ISLNK(mode):
            problems.append(f"leads to {content} instead of {wanted_content}")
        else:
            code = "compiled code that its source does not give" if here.suffix == ".pyc" else "other content"
            problems.append(f"{code}, from byte {_first_difference(here, there)}")
    if stat.S_IMODE(mode) != stat.S_IMODE(wanted_mode):
        problems.append(f"permissions {stat.S_IMODE(mode):o} instead of {stat.S_IMODE(wanted_mode):o}")
    return "; ".join(problems) or None


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "something")


def _first_difference(one: Path, other: Path) -> int:
    """Return the number, from 0, of the first byte in which two files differ, or of the one behind the shorter."""
    start = 0
    with opened(one) as first, opened(other) as second:
        while (block := first.read(BLOCK)) == (wanted := second.read(BLOCK)) and block:
            start += len(block)
    return start + next(number for number, (a, b) in enumerate(zip_longest(block, wanted)) if a != b)
