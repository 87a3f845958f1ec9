"""Listing the images of a site, easyconfigs, and installations."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ebsif.base.manifest import SUFFIX, Manifest
from ebsif.base.store import publishers_manifest, stored_manifest
from ebsif.deploy import installed_files
from ebsif.easyconfig.read import read_container
from ebsif.errors import EbsifError, FileError
from ebsif.files import is_there, opened, read_text
from ebsif.inside.runtime import image_identity
from ebsif.site import Site

# In an installation: what its commands read.
SETTINGS = Path("runscripts", "container.conf")
_MAXIMUM_SIZE = 1_000_000


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


@dataclass(frozen=True)
class Installation:
    """A container that EasyBuild has installed.

    Parameters
    ----------
    path
        Its folder.
    base
        The file name of its image; None when the installation does not say, or what it says cannot be read.
    image
        The image that its module uses; None when it is gone.
    as_installed
        Whether that is the one that was installed, by its size and identifier; None when nobody can tell.
    """

    path: Path
    base: str | None
    image: Path | None
    as_installed: bool | None


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


def read_installation(path: Path) -> Installation:
    """Return what an installation, given its folder, says of its image."""
    return _installation(path, _said(path / SETTINGS))


def _said(settings: Path) -> list[tuple[str, str]]:
    """Return what an installation says of itself, kind and value; nothing where that cannot be read."""
    try:
        lines = [line.partition(" ") for line in read_text(settings, _MAXIMUM_SIZE).splitlines()]
    except EbsifError:
        return []
    return [(kind, value) for kind, _, value in lines if value]


def _installation(path: Path, said: list[tuple[str, str]]) -> Installation:
    of_image = {kind: value for kind, value in said if kind in ("image", "identity")}
    base = of_image.get("image")
    if base is None:
        return Installation(path, None, None, None)
    places = [path / base, *_expanded(value for kind, value in said if kind == "frozen")]
    image = next((place for place in places if is_there(place)), None)
    as_installed = _identity(image) == of_image["identity"] if image and "identity" in of_image else None
    return Installation(path, base, image, as_installed)


def _expanded(paths: Iterator[str]) -> Iterator[Path]:
    """Yield paths that may begin with variables, as modules do: without those of which a variable is not set."""
    for path in map(os.path.expandvars, paths):
        if "$" not in path:
            yield Path(path)


def _identity(image: Path) -> str | None:
    """Return by what an image is told from others; None when it is none, or cannot be read."""
    try:
        with opened(image) as file:
            return image_identity(file)
    except FileError:
        return None
