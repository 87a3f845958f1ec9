"""The SHA256 that a publisher states of a file: in files of checksums, which lie beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ebsif.errors import EbsifError, FileError
from ebsif.files import read_text

# What files of checksums are called. One of a release lists all its files, as laifs-container-recipes makes it
# (recipes/lumi-multitorch/lumi-multitorch-template.yaml, the script after the build).
_NAMES = re.compile(r".+\.sha256(sums?)?(\.txt)?|sha256sums?(\.txt)?", re.IGNORECASE)
# A line of `sha256sum`, and one of `sha256sum --tag`.
_LINES = (
    re.compile(r"(?P<sha256>[0-9a-fA-F]{64}) [ *](?P<name>.+)"),
    re.compile(r"SHA256 \((?P<name>.+)\) = (?P<sha256>[0-9a-fA-F]{64})"),
)
_ALONE = re.compile(r"\s*([0-9a-fA-F]{64})\s*")
_MAXIMUM_SIZE = 20_000_000


@dataclass(frozen=True)
class Stated:
    """What a file says of another one.

    Parameters
    ----------
    file
        The file that says it.
    sha256
        The SHA256 that the other should have.
    """

    file: Path
    sha256: str


def stated_of(path: Path) -> list[Stated]:
    """Return what the files beside a file, which need not be there itself, state as its SHA256.

    They are files of checksums by their name, and the file's own ``.md``. A file that does not list it states nothing.
    """
    try:
        beside = sorted(other for other in path.parent.iterdir() if _may_list(other, path) and other.is_file())
    except OSError as error:
        raise FileError(f"cannot look for checksums of {path} in its folder: {error.strerror}") from error
    return [Stated(other, found) for other in beside for found in dict.fromkeys(_listed(other, path.name))]


def verify(path: Path, sha256: str, stated: list[Stated]) -> None:
    """Refuse a file with another SHA256 than is stated of it."""
    for one in stated:
        if one.sha256 != sha256:
            raise EbsifError(
                f"{path} has SHA256 {sha256}, and {one.file} says {one.sha256}: it is another file than was published, "
                "or not all of it is there; fetch it again"
            )


def _may_list(other: Path, path: Path) -> bool:
    return bool(_NAMES.fullmatch(other.name)) or other == path.with_suffix(".md")


def _listed(file: Path, name: str) -> Iterator[str]:
    """Yield each SHA256 that a file gives a name, in whatever folder that was."""
    text = read_text(file, _MAXIMUM_SIZE)
    alone = _ALONE.fullmatch(text)
    if alone and file.name.lower() in (f"{name}.sha256".lower(), f"{Path(name).stem}.sha256".lower()):
        yield alone[1].lower()
    for line in text.split("\n"):
        match = next(filter(None, (pattern.fullmatch(line.strip()) for pattern in _LINES)), None)
        if match and PurePosixPath(match["name"]).name == name:
            yield match["sha256"].lower()
