"""What a SIF file consists of, and adding to it.

A SIF file is a header, a table of descriptors, and behind them the data objects that these describe. The runtimes have
a command that adds an object (``sif add``), but it writes the time of the clock into the file, and cannot give it an
identifier of its own. What is written here follows from what goes in, and needs no runtime.
"""

import hashlib
import os
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import UUID

from ebsif.console import Console
from ebsif.errors import EbsifError, FileError
from ebsif.files import opened
from ebsif.inside.copying import BLOCK

# Numbers are little-endian, and nothing is padded.
_HEADER = struct.Struct("<32s10s3s3s16s8q")
_DESCRIPTOR = struct.Struct("<i?3I7q128s384s")
_PARTITION = struct.Struct("<2i3s")
_MAGIC, _VERSION = b"SIF_MAGIC\0", b"01\0"
# A table is as large as who makes the file wants it; the runtimes make it for 48.
_MOST = 4096

# Kinds of data objects.
PARTITION = 0x4004
_SIGNATURE = 0x4005
GENERIC_JSON = 0x4006
GENERIC = 0x4007
SBOM = 0x4009

# What the descriptor of such an object has besides.
CYCLONEDX_JSON = struct.pack("<i", 1)
_SQUASHFS, _PRIMARY, _OVERLAY = 1, 2, 4
# Partitions begin where a file system can be mounted.
_ALIGNMENT = 4096


class Header(NamedTuple):
    """The header of a SIF file, in its order."""

    launch: bytes
    magic: bytes
    version: bytes
    arch: bytes
    id: bytes
    created: int
    modified: int
    free: int
    total: int
    table: int
    table_size: int
    data: int
    data_size: int


class Descriptor(NamedTuple):
    """The description of a data object, in its order."""

    kind: int
    used: bool
    id: int
    group: int
    link: int
    offset: int
    size: int
    size_with_padding: int
    created: int
    modified: int
    uid: int
    gid: int
    name: bytes
    extra: bytes


_UNUSED = Descriptor(0, False, *(0,) * 10, b"", b"")


@dataclass(frozen=True)
class SifFile:
    """What a SIF file consists of.

    Parameters
    ----------
    path
        Its file.
    header
        Its header.
    descriptors
        Its table of descriptors, also those that are not in use.
    """

    path: Path
    header: Header
    descriptors: tuple[Descriptor, ...]

    @property
    def id(self) -> UUID:
        """Its identifier."""
        return UUID(bytes=self.header.id)

    @property
    def primary(self) -> Descriptor:
        """The partition with the root file system.

        Raises
        ------
        FileError
            When there is none.
        """
        found = self._partitions(_PRIMARY)
        if not found:
            raise FileError(f"{self.path} has no partition with a root file system: it is no image of a container")
        return found[0]

    @property
    def overlays(self) -> list[Descriptor]:
        """The partitions that lie over the root file system."""
        return self._partitions(_OVERLAY)

    @property
    def is_signed(self) -> bool:
        """Whether somebody has signed it."""
        return any(one.used and one.kind == _SIGNATURE for one in self.descriptors)

    def find(self, kind: int, name: str) -> Descriptor | None:
        """Return the first data object of a kind that has a name; None when there is none."""
        wanted = (kind, name.encode())
        return next((one for one in self.descriptors if one.used and (one.kind, _text(one.name)) == wanted), None)

    def _partitions(self, sort: int) -> list[Descriptor]:
        partitions = [one for one in self.descriptors if one.used and one.kind == PARTITION]
        return [one for one in partitions if _PARTITION.unpack_from(one.extra)[1] == sort]


@dataclass(frozen=True)
class DataObject:
    """A data object to add.

    Parameters
    ----------
    name
        Its name; an object of the same kind and name is replaced.
    content
        The file that it holds.
    kind
        What it is.
    extra
        What its descriptor has besides; an overlay partition gets its own.
    """

    name: str
    content: Path
    kind: int = GENERIC_JSON
    extra: bytes = b""


def read_sif(path: Path) -> SifFile:
    """Return what a SIF file consists of.

    Raises
    ------
    FileError
        When it cannot be read, or is no whole SIF file.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_HEADER.size)
        if len(start) < _HEADER.size or start[32:42] != _MAGIC:
            raise FileError(f"{path} is not a SIF file")
        header = Header(*_HEADER.unpack(start))
        if header.version != _VERSION:
            version = _text(header.version).decode(errors="backslashreplace")
            raise FileError(f"{path} has version {version} of the SIF format, and ebsif knows 01")
        if not 0 < header.total <= _MOST or header.table < _HEADER.size:
            raise FileError(f"{path} is damaged: its table of data objects is not where it should be")
        file.seek(header.table)
        table = file.read(header.total * _DESCRIPTOR.size)
    if len(table) < header.total * _DESCRIPTOR.size:
        raise FileError(f"{path} is damaged: it ends within its table of data objects")
    descriptors = tuple(Descriptor(*fields) for fields in _DESCRIPTOR.iter_unpack(table))
    for one in descriptors:
        if one.used and not (one.offset >= 0 and one.size >= 0 and one.offset + one.size <= size):
            raise FileError(f"{path} is damaged: its data object {one.id} lies behind the end of the file")
    return SifFile(path, header, descriptors)


def read_object(sif: SifFile, found: Descriptor, maximum: int) -> bytes:
    """Return the content of a data object, as far as it may be as large.

    Raises
    ------
    FileError
        When it is larger than `maximum`, or cannot be read.
    """
    if found.size > maximum:
        raise FileError(f"the data object {found.id} of {sif.path} is larger than {maximum} bytes")
    with opened(sif.path) as file:
        file.seek(found.offset)
        return file.read(found.size)


def object_sha256(sif: SifFile, found: Descriptor, console: Console) -> str:
    """Return the SHA256 of the content of a data object."""
    digest, left = hashlib.sha256(), found.size
    with opened(sif.path) as file, console.progress(f"SHA256 of a part of {sif.path.name}", left) as advance:
        file.seek(found.offset)
        while block := file.read(min(BLOCK, left)):
            digest.update(block)
            left -= len(block)
            advance(len(block))
    return digest.hexdigest()


def overlay(name: str, squashfs: Path, sif: SifFile) -> DataObject:
    """Return a SquashFS file as a partition that lies over the root file system of an image."""
    return DataObject(name, squashfs, PARTITION, _PARTITION.pack(_SQUASHFS, _OVERLAY, sif.header.arch))


def add_objects(path: Path, objects: Sequence[DataObject], identifier: UUID) -> None:
    """Add data objects to a SIF file, which gets a new identifier; what it has stays where it is, in the same bytes.

    What was signed is another file now, so that signatures go. Times are those of the file as it was: they tell when
    the image was made, and nothing else depends on them.

    Raises
    ------
    EbsifError
        When its table has no room for them, or they cannot be written.
    """
    sif = read_sif(path)
    header, primary = sif.header, sif.primary
    table = [_UNUSED if one.kind == _SIGNATURE else one for one in sif.descriptors]
    end = path.stat().st_size
    with path.open("r+b") as file:
        for one in objects:
            slot = _slot(table, one, sif)
            start = -(-end // _ALIGNMENT) * _ALIGNMENT if one.kind == PARTITION else end
            size = _append(file, one.content, start)
            times = (header.created, header.created)
            # An overlay counts only where its group is that of the root file system.
            place = (primary.group, 0, start, size, start - end + size)
            name = one.name.encode()
            table[slot] = Descriptor(one.kind, True, slot + 1, *place, *times, 0, 0, name, one.extra)
            end = start + size
        file.seek(header.table)
        file.writelines(_DESCRIPTOR.pack(*each) for each in table)
        free = sum(not each.used for each in table)
        file.seek(0)
        file.write(
            _HEADER.pack(*header._replace(id=identifier.bytes, free=free, data_size=end - header.data))
        )


def _slot(table: Sequence[Descriptor], one: DataObject, sif: SifFile) -> int:
    """Return the place in the table for a new object: that of the one that it replaces, or else the first free one."""
    replaced = sif.find(one.kind, one.name)
    free = (number for number, each in enumerate(table) if not each.used)
    slot = next(free, None) if replaced is None else sif.descriptors.index(replaced)
    if slot is None:
        raise EbsifError(f"{sif.path} has no room for another data object: it was made for {sif.header.total}")
    return slot


def _append(file: BinaryIO, content: Path, start: int) -> int:
    """Write a file to a place in another one; return its size."""
    file.seek(start)
    with opened(content) as source:
        shutil.copyfileobj(source, file, BLOCK)
    return file.tell() - start


def _text(field: bytes) -> bytes:
    """Return what stands in a field of fixed size."""
    return field.partition(b"\0")[0]
