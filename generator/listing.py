"""Listing the images of a site, easyconfigs, and installations."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ebsif.base.manifest import SUFFIX, Manifest
from ebsif.base.store import publishers_manifest, stored_manifest
from ebsif.deploy import installed_files
from ebsif.easyconfig.read import read_container
from ebsif.errors import FileError
from ebsif.installation import SETTINGS, Installation, read_installation
from ebsif.site import Site


@dataclass(frozen=True)
class Image:
    """An image of a site.

    Parameters
    ----------
    path
        Its file.
    frozen
        Whether it lies among the images that nobody changes any more.
    size
        Its size in bytes; None when it is not at hand, and only what its publisher says of it is.
    manifest
        Its manifest; None when nobody has inspected it.
    problem
        Why its manifest cannot be used, in words; None when it can, or there is none.
    """

    path: Path
    frozen: bool
    size: int | None
    manifest: Manifest | None
    problem: str | None = None


@dataclass(frozen=True)
class Listed:
    """An easyconfig for a container.

    Parameters
    ----------
    path
        Its file.
    shipped
        Whether it came with ebsif.
    base
        The file name of its image.
    packages
        How many packages its layer has.
    """

    path: Path
    shipped: bool
    base: str
    packages: int


def images(site: Site) -> Iterator[Image]:
    """Yield the images in the folders of a site, those that are frozen first."""
    frozen = site.frozen_folders()
    for folder in site.image_folders():
        for path in sorted(folder.glob("*.sif")):
            if path.exists():  # and is no link that leads nowhere
                yield Image(path, folder in frozen, path.stat().st_size, *_manifest(path))
        for beside in sorted(folder.glob(f"*.sif{SUFFIX}")):
            path = beside.with_name(beside.name.removesuffix(SUFFIX))
            published = None if path.exists() else _published(beside)
            if published:
                yield Image(path, folder in frozen, None, published)


def _manifest(image: Path) -> tuple[Manifest | None, str | None]:
    """Return the manifest of an image, and why it cannot be used."""
    try:
        return stored_manifest(image), None
    except FileError as error:
        return None, str(error)


def _published(path: Path) -> Manifest | None:
    """Return a manifest from the publisher's files; None when it cannot be used."""
    try:
        return publishers_manifest(path)
    except FileError:
        return None


def easyconfigs(folder: Path) -> Iterator[Listed]:
    """Yield the easyconfigs in a folder, then those that came with ebsif; only those for containers."""
    came = sorted(path for _, path in installed_files() if path.suffix == ".eb")
    for shipped, paths in ((False, sorted(folder.glob("*.eb"))), (True, came)):
        for path in paths:
            found = _listed(path, shipped=shipped)
            if found:
                yield found


def _listed(path: Path, *, shipped: bool) -> Listed | None:
    """Return what to list of an easyconfig; None when it is not for a container, or names no image."""
    try:
        found = read_container(path)
        return Listed(path, shipped, found.image, len(found.packages))
    except FileError:
        return None


def installations(folder: Path) -> Iterator[Installation]:
    """Yield the containers that are installed below EasyBuild's folder for software."""
    for settings in sorted(folder.glob(f"[!.]*/[!.]*/{SETTINGS}")):
        yield read_installation(settings.parents[1])
