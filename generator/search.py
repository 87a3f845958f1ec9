"""Which images, easyconfigs and installations have a package."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

from ebsif.easyconfig.read import read_container
from ebsif.errors import EbsifError
from ebsif.installation import Installation, packages
from ebsif.listing import Image, Listed

Kind = Literal["base", "easyconfig", "installation"]


@dataclass(frozen=True)
class Having:
    """Something that has a package.

    Parameters
    ----------
    kind
        What it is.
    path
        Where it is.
    package, version
        The package, as it is called there.
    """

    kind: Kind
    path: Path
    package: str
    version: str


def in_images(wanted: str, images: Iterator[Image]) -> Iterator[Having]:
    """Yield the images of which it is known that they have a package."""
    for image in images:
        if image.manifest:
            yield from _having("base", image.path, wanted, image.manifest.packages)


def in_easyconfigs(wanted: str, easyconfigs: Iterator[Listed]) -> Iterator[Having]:
    """Yield the easyconfigs whose layer has a package."""
    for listed in easyconfigs:
        yield from _having("easyconfig", listed.path, wanted, read_container(listed.path).packages)


def in_installations(
    wanted: str, installations: Iterator[Installation], warn: Callable[[str], None]
) -> Iterator[Having]:
    """Yield the installations whose layer has a package; of one that cannot be read, a warning tells."""
    for installation in installations:
        try:
            there = packages(installation) or {}
        except EbsifError as error:
            warn(str(error))
        else:
            yield from _having("installation", installation.path, wanted, there)


def _having(kind: Kind, path: Path, wanted: str, there: Mapping[str, str]) -> Iterator[Having]:
    for name, version in sorted(there.items()):
        if fnmatchcase(canonicalize_name(name), canonicalize_name(wanted)):
            yield Having(kind, path, name, version)
