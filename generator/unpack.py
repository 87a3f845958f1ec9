"""Unpacking what ``ebsif pack`` has packed: all of it, verified, or nothing."""

import hashlib
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ebsif.console import Console
from ebsif.easyconfig.read import Easyconfig, read_container
from ebsif.errors import FileError
from ebsif.files import opened, sync, temporary_folder
from ebsif.inside.copying import BLOCK
from ebsif.pack import LIST, NAME, SOURCES

# A list of more files than any layer has.
_MAXIMUM_SIZE = 10_000_000
_LINE = re.compile(rf"(?P<sha256>[0-9a-f]{{64}})  (?P<name>{NAME.pattern})")
_LONGEST_NAME = 1024
# As many files are named that should not be there, or are missing.
_SHOWN = 5


@dataclass(frozen=True)
class Entry:
    """A file in an archive.

    Parameters
    ----------
    name
        Its name.
    start
        Where its content begins.
    size
        The size of that.
    """

    name: str
    start: int
    size: int


@dataclass(frozen=True)
class Unpacked:
    """What was unpacked.

    Parameters
    ----------
    folder
        The folder with all files.
    easyconfig
        The easyconfig.
    files
        How many files there are.
    """

    folder: Path
    easyconfig: Easyconfig
    files: int

    @property
    def sources(self) -> Path:
        """The folder with the files that the easyconfig needs."""
        return self.folder / SOURCES

    @property
    def has_image(self) -> bool:
        """Whether the image is among them."""
        return (self.sources / self.easyconfig.image).exists()


def unpack(pack: Path, folder: Path, console: Console) -> Unpacked:
    """Unpack an archive into a new folder.

    Raises
    ------
    FileError
        When the archive is damaged, or none that ``ebsif pack`` makes; then there is no folder.
    """
    if folder.exists():
        raise FileError(f"{folder} is there already: give another folder with --to")
    with opened(pack) as file:
        entries = list(_entries(file, pack))
        listed = _listed(file, entries, pack)
        instead = "choose another folder with --to"
        with temporary_folder(folder.absolute().parent, instead) as scratch:
            made = scratch / "made"
            for path in (made, made / SOURCES):
                path.mkdir()
                path.chmod(0o755)
            for entry in entries[1:]:
                with console.progress(f"unpacking {entry.name}", entry.size) as advance:
                    found = hashlib.sha256()
                    with (made / entry.name).open("xb") as target:
                        for block in _content(file, entry):
                            found.update(block)
                            target.write(block)
                            advance(len(block))
                if found.hexdigest() != listed[entry.name]:
                    raise FileError(
                        f"{pack} is damaged: {entry.name} has SHA256 {found.hexdigest()}, and {LIST} says "
                        f"{listed[entry.name]}"
                    )
                sync(made / entry.name)
                (made / entry.name).chmod(0o644)
            easyconfig = read_container(made / next(filter(_is_easyconfig, listed)))
            made.rename(folder)
    return Unpacked(folder, read_container(folder / easyconfig.path.name), len(listed))


def _entries(file: BinaryIO, pack: Path) -> Iterator[Entry]:
    """Yield the files of an archive, by its headers alone.

    ``tarfile`` takes much that others make, and leaves to its user what to refuse: here that is all that ``ebsif pack``
    does not write.
    """
    end, long_name = os.fstat(file.fileno()).st_size, None
    while (header := file.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
        if len(header) < tarfile.BLOCKSIZE:
            raise FileError(f"{pack} is cut off after {end} bytes, where a file or the end should follow")
        place = file.tell() - len(header)
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise FileError(f"{pack} is damaged, or no pack: no file begins at its byte {place}") from error
        name, start = long_name or info.name, file.tell()
        if not 0 <= info.size <= end - start:
            raise FileError(f"{pack} is cut off: it ends within {name!r}")
        if info.type == tarfile.GNUTYPE_LONGNAME and info.size <= _LONGEST_NAME:
            long_name = file.read(info.size).rstrip(b"\0").decode(errors="surrogateescape")
        elif info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            long_name = None
            yield Entry(name, start, info.size)
        else:
            raise FileError(f"{pack} holds {name!r}, which is a link, a folder or another thing that no pack has")
        file.seek(start + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)


def _listed(file: BinaryIO, entries: Sequence[Entry], pack: Path) -> dict[str, str]:
    """Return the SHA256 of each file by its name, as the list says, which must name these files and no others."""
    if not entries or entries[0].name != LIST or entries[0].size > _MAXIMUM_SIZE:
        raise FileError(f"{pack} does not begin with {LIST}: it is none that `ebsif pack` has made")
    text = b"".join(_content(file, entries[0])).decode(errors="backslashreplace")
    listed: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        match = _LINE.fullmatch(line)
        if not match or match["name"] in listed:
            raise FileError(f"{pack} lists {line!r}, which is no file that a pack has once")
        listed[match["name"]] = match["sha256"]
    names = [entry.name for entry in entries[1:]]
    if names != list(listed):
        there, wanted = Counter(names), Counter(list(listed))
        wrong = [*(wanted - there), *(there - wanted)]
        which = ", ".join(map(repr, wrong[:_SHOWN])) or "they are in another order"
        raise FileError(f"{pack} holds other files than its {LIST} says: {which}. It is damaged, or cut off")
    if sum(_is_easyconfig(name) for name in listed) != 1:
        raise FileError(f"{pack} has no easyconfig, or several: it is none that `ebsif pack` has made")
    return listed


def _is_easyconfig(name: str) -> bool:
    return "/" not in name and name.endswith(".eb")


def _content(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the content of a file."""
    file.seek(entry.start)
    left = entry.size
    while block := file.read(min(BLOCK, left)):
        left -= len(block)
        yield block
