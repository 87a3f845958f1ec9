"""Packing an easyconfig with all files that it needs into one archive, for a machine without network.

The archive is a tar file, in the same bytes whoever makes it and when. It begins with a list of what follows, with the
SHA256 of each file, as ``sha256sum --check`` reads it.
"""

import hashlib
import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ebsif.base.image import locate
from ebsif.base.store import known_manifest, manifest_path
from ebsif.console import Advance, Console
from ebsif.easybuild import find_eb, software_folder, source_paths
from ebsif.easyconfig.read import Easyconfig
from ebsif.errors import EbsifError
from ebsif.files import is_there, new_file, opened, sha256
from ebsif.installation import read_installation
from ebsif.lock.model import LockedFile
from ebsif.lock.sources import file_folders, image_folders
from ebsif.site import Site

if TYPE_CHECKING:
    from _typeshed import SupportsRead

LIST = "SHA256SUMS"
SOURCES = "sources"
_CHARACTERS = r"[A-Za-z0-9_][A-Za-z0-9_.+!~-]*"
# All names that there are in an archive: never a path that leads elsewhere.
NAME = re.compile(rf"{SOURCES}/{_CHARACTERS}|{_CHARACTERS}\.(?:eb|yml)")
# As many missing files are named.
_SHOWN = 5


@dataclass(frozen=True)
class Member:
    """A file of an archive.

    Parameters
    ----------
    name
        Its name there.
    file
        Where it lies.
    sha256
        Its SHA256.
    """

    name: str
    file: Path
    sha256: str


def collect(
    easyconfig: Easyconfig, console: Console, *, sources: Path | None = None, site: Site | None = None
) -> list[Member]:
    """Return what an archive holds: the easyconfig, the recipe beside it, and each file that it lists, verified.

    Parameters
    ----------
    sources
        A folder with files, beside those in which EasyBuild looks.
    site
        In whose folders the image lies, which is then among them, with its manifest where somebody has looked into it;
        None to leave out the image.

    Raises
    ------
    EbsifError
        When a file is missing, is another one than the easyconfig says, or is called as no file should be.
    """
    own = easyconfig.path
    texts = [path for path in (own, own.with_suffix(".yml")) if path.exists()]
    members = [Member(path.name, path, sha256(path, console)) for path in texts]
    members += _packages(easyconfig, sources, console)
    if site:
        members += _image(easyconfig, site, console)
    for member in members:
        if not NAME.fullmatch(member.name):
            raise EbsifError(
                f"{member.file} cannot be packed under its name: that must be of letters, digits and _.+!~-, and end "
                "with .eb if it is the easyconfig"
            )
    return members


def fetch(easyconfig: Easyconfig, sources: Path | None) -> None:
    """Have EasyBuild fetch the files of an easyconfig, and put them where it looks first, or into a folder.

    Raises
    ------
    EbsifError
        When it cannot.
    """
    env = dict(os.environ)
    if sources:
        env["EASYBUILD_SOURCEPATH"] = ":".join(map(str, [sources.absolute(), *source_paths()]))
    # Also of what is installed already.
    done = subprocess.run([find_eb(), "--fetch", "--rebuild", str(easyconfig.path)], env=env, check=False)
    if done.returncode != 0:
        raise EbsifError(f"eb ended with status {done.returncode}: what it printed says why")


def _packages(easyconfig: Easyconfig, sources: Path | None, console: Console) -> list[Member]:
    folders = [*([sources] if sources else []), easyconfig.path.parent, *file_folders(easyconfig.name)]
    members, lost = {}, []
    with console.waiting("verifying the files of packages"):
        for file in easyconfig.files:
            if not (file.filename and file.sha256):
                raise EbsifError(
                    f"{easyconfig.path} has no checksum of {file.name}, with which its file would be verified: "
                    "`eb --inject-checksums` adds it"
                )
            place = _place(file, folders)
            if place:
                members[file.filename] = Member(f"{SOURCES}/{file.filename}", place, file.sha256)
            else:
                lost.append(file.filename)
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise EbsifError(
            f"of the files that {easyconfig.path} lists, these are nowhere among the sources, or have another SHA256: "
            f"{', '.join(lost[:_SHOWN])}{more}. Where there is a network, --fetch has eb fetch them; --sources names "
            "another folder to look in"
        )
    return [members[name] for name in sorted(members)]


def _place(file: LockedFile, folders: Sequence[Path]) -> Path | None:
    """Return where the right file lies."""
    quiet = Console(quiet=True)
    there = (folder / file.filename for folder in folders if is_there(folder / file.filename, Path.is_file))
    return next((path for path in there if sha256(path, quiet) == file.sha256), None)


def _image(easyconfig: Easyconfig, site: Site, console: Console) -> list[Member]:
    name, wanted = easyconfig.image, easyconfig.checksum
    there = [path for path in dict.fromkeys(_image_places(easyconfig, site)) if is_there(path, Path.is_file)]
    if not there:
        raise EbsifError(
            f"the image {name} is not at hand: it was looked for beside the easyconfig, in the folders of the site "
            f"{site.name} and of the easyconfig, where EasyBuild looks, and in the installation"
        )
    found = {}
    for path in there:
        found[path] = sha256(path, console)
        if wanted in (None, found[path]):
            break
    else:
        others = ", ".join(f"{path} has SHA256 {digest}" for path, digest in found.items())
        raise EbsifError(f"{others}, and {easyconfig.path} says {wanted}")
    members = [Member(f"{SOURCES}/{name}", path, found[path])]
    beside = manifest_path(path)
    if beside.exists() and known_manifest(path):
        members.append(Member(f"{SOURCES}/{beside.name}", beside, sha256(beside, console)))
    return members


def _image_places(easyconfig: Easyconfig, site: Site) -> Iterator[Path]:
    """Yield where the image may lie."""
    name = easyconfig.image
    at_hand = locate(name, site, easyconfig.path.parent)
    if at_hand:
        yield at_hand
    frozen = easyconfig.parameters.get("frozen_images")
    for folder in frozen if isinstance(frozen, (list, tuple)) else ():
        yield Path(os.path.expandvars(str(folder))) / name
    for folder in image_folders(easyconfig.name):
        yield folder / name
    installed = read_installation(software_folder() / easyconfig.name / easyconfig.version).image
    if installed:
        yield installed


def write(target: Path, members: Sequence[Member], console: Console) -> None:
    """Write an archive to a name that is free.

    Raises
    ------
    EbsifError
        When the name is taken, a file has been changed meanwhile, or the archive cannot be written; then nothing is
        left behind.
    """
    listed = "".join(f"{member.sha256}  {member.name}\n" for member in members).encode()
    # The one form in which a file of any size has one header, without others of which readers know less.
    with new_file(target, 0o644) as temporary, tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, LIST, len(listed), io.BytesIO(listed))
        for member in members:
            with opened(member.file) as file:
                size = os.fstat(file.fileno()).st_size
                with console.progress(f"packing {member.name}", size) as advance:
                    content = _Hashed(file, advance)
                    _add(archive, member.name, size, content)
            if content.digest.hexdigest() != member.sha256:
                raise EbsifError(f"{member.file} was changed while it was packed: try again")


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO, advance: Advance) -> None:
        self._file = file
        self._advance = advance
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        block = self._file.read(size)
        self.digest.update(block)
        self._advance(len(block))
        return block


def _add(archive: tarfile.TarFile, name: str, size: int, content: "SupportsRead[bytes]") -> None:
    # With the mode, owner and time that TarInfo has by itself.
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, content)
