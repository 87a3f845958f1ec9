"""What could go: old installations, images that no installation uses, and files of packages that nobody has locked."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ebsif.base.store import manifest_path
from ebsif.easybuild import module_folder, software_folder
from ebsif.easyconfig.read import Easyconfig, read_container
from ebsif.errors import EbsifError
from ebsif.files import size_of
from ebsif.inside.images import remove_unused
from ebsif.installation import Installation, installed_easyconfig
from ebsif.listing import easyconfigs, images, installations
from ebsif.lock.sources import source_path
from ebsif.site import Site

Kind = Literal["installation", "image", "file", "rest"]

# What is being removed stands beside it, hidden, so that nobody finds half of it.
_GOING = ".{}.pruned"
# At the end of a version suffix: the day of the image or of the recipe.
_DATE = re.compile(r"-\d{8}$")


@dataclass(frozen=True)
class Candidate:
    """Something that could be removed.

    Parameters
    ----------
    kind
        What it is.
    path
        Where it is.
    reason
        Why it could be removed.
    size, files
        What would be free: bytes, and number of files.
    links
        The links by which its module is found.
    """

    kind: Kind
    path: Path
    reason: str
    size: int
    files: int
    links: tuple[Path, ...] = ()

    def remove(self) -> None:
        """Remove it; its module first, so that nobody loads what is on its way.

        Raises
        ------
        EbsifError
            When something may not be changed.
        """
        try:
            for link in self.links:
                link.unlink()
            going = self.path
            if self.kind != "rest":
                going = self.path.with_name(_GOING.format(self.path.name))
                self.path.rename(going)
            if going.is_dir() and not going.is_symlink():
                _let_change(going)
                shutil.rmtree(going)
                remove_unused(str(self.path.parent))
            else:
                going.unlink()
            if self.kind == "image":
                manifest_path(self.path).unlink(missing_ok=True)
        except OSError as error:
            raise EbsifError(f"cannot remove {error.filename or self.path}: {error.strerror}") from error


def candidates(site: Site, folder: Path, keep: int) -> list[Candidate]:
    """Return what could be removed.

    Parameters
    ----------
    folder
        Where easyconfigs may lie that are not installed yet, and that name images and files.
    keep
        How many installations to keep, the youngest ones, of those that are versions of the same.

    Raises
    ------
    EbsifError
        When EasyBuild does not tell where its folders are.
    """
    installed = list(installations(software_folder()))
    old = {one.path: newer for one, newer in _old(installed, keep)}
    here = [read_container(listed.path) for listed in easyconfigs(folder)]
    links = _links(module_folder())
    return [
        *_rest(software_folder(), f"*/{_GOING.format('*')}"),
        *(_installation(path, newer, links) for path, newer in old.items()),
        *(one for folder in site.image_folders() for one in _rest(folder, _GOING.format("*.sif"))),
        *_images(site, installed, here),
        *_files(installed, here),
    ]


def _old(installed: Iterable[Installation], keep: int) -> Iterator[tuple[Installation, Installation]]:
    """Yield the installations that younger ones of the same kind stand for, each with the youngest.

    Where somebody has filled or changed the layer, there may be what is nowhere else. Where the easyconfig cannot be
    read, nobody knows what it is a version of. A higher version than the youngest one's was not replaced by that.
    """
    alike: dict[tuple[str, str], list[Installation]] = {}
    for one in installed:
        kind = _kind(one)
        if one.since and kind:
            alike.setdefault(kind, []).append(one)
    for group in alike.values():
        group.sort(key=lambda one: (one.since, _numbers(one)), reverse=True)
        for one in group[keep:]:
            if (one.layer is None or one.layer.as_installed) and _numbers(one) <= _numbers(group[0]):
                yield one, group[0]


def _kind(one: Installation) -> tuple[str, str] | None:
    """Return what the versions of a software have in common: name, and version suffix without the date.

    The suffix tells the Python, the GPUs and the variant: who has chosen one of these has not chosen another.
    """
    try:
        easyconfig = read_container(installed_easyconfig(one.path))
    except EbsifError:
        return None
    return easyconfig.name, _DATE.sub("", easyconfig.versionsuffix)


def _numbers(one: Installation) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", one.path.name)]


def _rest(folder: Path, pattern: str) -> Iterator[Candidate]:
    """Yield what removals of this user that were stopped have left."""
    for path in sorted(folder.glob(pattern)):
        if path.lstat().st_uid == os.getuid():
            size, files = _room(path) if path.is_dir() else (path.lstat().st_size, 1)
            yield Candidate("rest", path, "its removal was not finished", size, files)


def _installation(path: Path, newer: Installation, links: dict[Path, list[Path]]) -> Candidate:
    size, files = _room(path)
    own = tuple(link for target, found in links.items() if target.is_relative_to(path) for link in found)
    return Candidate("installation", path, f"{newer.module} of {newer.since} is younger", size, files, own)


def _links(modules: Path) -> dict[Path, list[Path]]:
    """Return the links below EasyBuild's folder for modules, by what they lead to in the end."""
    found: dict[Path, list[Path]] = {}
    for folder, _, names in os.walk(modules):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink():
                found.setdefault(path.resolve(), []).append(path)
    return found


def _images(site: Site, installed: Sequence[Installation], here: Iterable[Easyconfig]) -> Iterator[Candidate]:
    """Yield the user's own images that no installation here uses, and no easyconfig names."""
    used = {one.image.resolve() for one in installed if one.image}
    names = {easyconfig.image for easyconfig in here} | {one.base for one in installed}
    for image in images(site):
        own = image.size is not None and not image.path.is_symlink() and image.path.stat().st_uid == os.getuid()
        if own and image.path.resolve() not in used and image.path.name not in names:
            reason = "no installation here uses it; those of others may"
            yield Candidate("image", image.path, reason, image.path.stat().st_size, 1)


def _files(installed: Iterable[Installation], here: Iterable[Easyconfig]) -> Iterator[Candidate]:
    """Yield the files of packages that no easyconfig locks, of the software that is installed."""
    locked = {file.filename for easyconfig in here for file in easyconfig.files}
    software, unknown = set(), set()
    for one in installed:
        software.add(one.path.parent.name)
        try:
            locked |= {file.filename for file in read_container(installed_easyconfig(one.path)).files}
        except EbsifError:
            unknown.add(one.path.parent.name)
    for name in sorted(software - unknown):
        folder = source_path(name)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.is_file() and path.name not in locked and path.stat().st_uid == os.getuid():
                reason = "no installation, and no easyconfig here, has it"
                yield Candidate("file", path, reason, path.stat().st_size, 1)


def _room(path: Path) -> tuple[int, int]:
    """Return size and number of the files in a folder; what a link leads to is not in it."""
    return size_of(path), sum(len(names) for _, _, names in os.walk(path))


def _let_change(folder: Path) -> None:
    """Let ourselves remove what is in a folder, which `eb --read-only-installdir` forbids."""
    for inner, _, _ in os.walk(folder):
        Path(inner).chmod(0o700)
