"""What there is: the images of a site, and easyconfigs."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from ebsif.base.manifest import Manifest
from ebsif.base.store import stored_manifest
from ebsif.deploy import installed_files
from ebsif.easyconfig.read import Easyconfig, read_easyconfig
from ebsif.errors import EbsifError
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
        Its size in bytes.
    manifest
        What is in it, if somebody has looked into it.
    """

    path: Path
    frozen: bool
    size: int
    manifest: Manifest | None


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
                yield Image(path, folder in frozen, path.stat().st_size, _manifest(path))


def _manifest(image: Path) -> Manifest | None:
    """Return the manifest of an image; none for one that does not fit, which `ebsif inspect` explains."""
    try:
        return stored_manifest(image)
    except EbsifError:
        return None


def easyconfigs(folder: Path) -> Iterator[Listed]:
    """Yield the easyconfigs in a folder, then those that came with ebsif; only those for containers."""
    for shipped, paths in ((False, sorted(folder.glob("*.eb"))), (True, _shipped())):
        for path in paths:
            found = _container(path)
            if found:
                yield Listed(path, shipped, str(found.parameters["sources"][0]), len(found.packages))


def _container(path: Path) -> Easyconfig | None:
    """Return an easyconfig, if it is one for a container that holds nothing but data."""
    try:
        found = read_easyconfig(path)
    except EbsifError:
        return None
    return found if str(found.parameters.get("easyblock", "")).startswith("Sif") else None


def _shipped() -> list[Path]:
    try:
        return sorted(path for _, path in installed_files() if path.suffix == ".eb")
    except (EbsifError, PackageNotFoundError):  # run from its sources
        return []
