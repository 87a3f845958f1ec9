"""SIF files are read and extended as the format says; what was in one stays there, in the same bytes."""

import hashlib
import struct
from pathlib import Path
from uuid import UUID

import pytest

from ebsif.console import Console
from ebsif.errors import EbsifError, FileError
from ebsif.export import siffile
from ebsif.export.siffile import DataObject, add_objects, object_sha256, read_object, read_sif
from ebsif.inside.runtime import sif_header

QUIET = Console(quiet=True)
OWN = UUID("3f0c1f2e-0000-4000-8000-000000000000")
NEW = UUID("5a1b0000-0000-4000-8000-000000000000")
TABLE, DATA, CREATED = 4096, 8192, 1_700_000_000
GROUP = 0xF0000001
ROOT = b"hsqs" + b"a root file system" * 100
METADATA = b'{"data": {}}'


def described(number: int, kind: int, offset: int, content: bytes, name: str, extra: bytes = b"") -> bytes:
    """Return a descriptor as the runtimes write it."""
    numbers = struct.pack("<i?III7q", kind, True, number, GROUP, 0, offset, len(content), len(content), 5, 5, 0, 0)
    return numbers + name.encode().ljust(128, b"\0") + extra.ljust(384, b"\0")


def make_sif(path: Path, *, slots: int = 6, signed: bool = True) -> Path:
    """Write a SIF file with a root file system, what `inspect` shows, and a signature."""
    objects = [
        (0x4004, ROOT, "", struct.pack("<ii3s", 1, 2, b"02\0")),
        (0x4006, METADATA, "inspect-metadata.json", b""),
    ]
    objects += [(0x4005, b"signed", "part-signature", b"")] if signed else []
    table, data = b"", b""
    for number, (kind, content, name, extra) in enumerate(objects, 1):
        table += described(number, kind, DATA + len(data), content, name, extra)
        data += content
    counts = struct.pack("<8q", CREATED, CREATED, slots - len(objects), slots, TABLE, slots * 585, DATA, len(data))
    header = b"#!/usr/bin/env run-singularity\n\0" + b"SIF_MAGIC\0" + b"01\0" + b"02\0" + OWN.bytes + counts
    path.write_bytes(header.ljust(TABLE, b"\0") + table.ljust(DATA - TABLE, b"\0") + data)
    return path


@pytest.fixture
def sif(tmp_path: Path) -> Path:
    return make_sif(tmp_path / "x.sif")


def objects(folder: Path) -> list[DataObject]:
    """Return an overlay, a document, and other metadata in place of those that are there."""
    contents = {"overlay": b"hsqs over it", "layer.json": b"{}", "inspect-metadata.json": b'{"data": {"new": 1}}'}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [
        siffile.overlay("overlay", folder / "overlay", read_sif(folder / "x.sif")),
        *(DataObject(name, folder / name) for name in ("layer.json", "inspect-metadata.json")),
    ]


def test_it_is_read_as_the_runtimes_write_it(sif: Path) -> None:
    found = read_sif(sif)
    assert (found.id, found.is_signed, found.overlays) == (OWN, True, [])
    assert (found.primary.offset, found.primary.size) == (DATA, len(ROOT))
    assert object_sha256(found, found.primary, QUIET) == hashlib.sha256(ROOT).hexdigest()


def test_what_was_there_stays_there(sif: Path, tmp_path: Path) -> None:
    before = sif.read_bytes()
    add_objects(sif, objects(tmp_path), NEW)
    after = sif.read_bytes()
    assert after[DATA : len(before)] == before[DATA:]
    assert after[:48] == before[:48]
    found = read_sif(sif)
    assert found.descriptors[0] == read_sif(make_sif(tmp_path / "again.sif")).descriptors[0]


def test_what_is_added_is_found(sif: Path, tmp_path: Path) -> None:
    add_objects(sif, objects(tmp_path), NEW)
    found = read_sif(sif)
    (overlay,) = found.overlays
    assert (overlay.group, overlay.offset % 4096, overlay.size) == (GROUP, 0, len(b"hsqs over it"))
    record, metadata = (found.find(siffile.GENERIC_JSON, name) for name in ("layer.json", "inspect-metadata.json"))
    assert record and read_object(found, record, 100) == b"{}"
    assert metadata and read_object(found, metadata, 100) == b'{"data": {"new": 1}}'
    assert found.header.free == sum(not one.used for one in found.descriptors) == 2
    assert found.header.data + found.header.data_size == sif.stat().st_size


def test_it_gets_the_identifier_by_which_others_tell_it_from_its_base(sif: Path, tmp_path: Path) -> None:
    add_objects(sif, objects(tmp_path), NEW)
    with sif.open("rb") as file:
        header = sif_header(file)
    assert header and UUID(header.id) == NEW


def test_signatures_of_what_it_was_go(sif: Path, tmp_path: Path) -> None:
    add_objects(sif, objects(tmp_path), NEW)
    assert not read_sif(sif).is_signed


def test_the_same_gives_the_same_bytes(sif: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.sif"
    again.write_bytes(sif.read_bytes())
    for each in (sif, again):
        add_objects(each, objects(tmp_path), NEW)
    assert sif.read_bytes() == again.read_bytes()


def test_more_than_it_was_made_for_is_refused(tmp_path: Path) -> None:
    sif = make_sif(tmp_path / "x.sif", slots=3, signed=False)
    with pytest.raises(EbsifError, match="no room for another data object: it was made for 3"):
        add_objects(sif, objects(tmp_path), NEW)


@pytest.mark.parametrize(
    ("start", "content", "message"),
    [
        (32, b"OTHER", "is not a SIF file"),
        (42, b"02\0", "has version 02 of the SIF format"),
        (88, struct.pack("<q", 1 << 40), "its table of data objects is not where it should be"),
        (TABLE + 17, struct.pack("<q", 1 << 60), "its data object 1 lies behind the end of the file"),
        (TABLE, struct.pack("<i", 0x4007), "no partition with a root file system"),
    ],
)
def test_what_is_none_or_damaged_is_refused(sif: Path, start: int, content: bytes, message: str) -> None:
    with sif.open("r+b") as file:
        file.seek(start)
        file.write(content)
    with pytest.raises(FileError, match=message):
        read_sif(sif).primary  # noqa: B018


@pytest.mark.parametrize(("size", "message"), [(100, "is not a SIF file"), (TABLE + 700, "ends within its table")])
def test_a_part_of_one_is_refused(sif: Path, size: int, message: str) -> None:
    sif.write_bytes(sif.read_bytes()[:size])
    with pytest.raises(FileError, match=message):
        read_sif(sif)
