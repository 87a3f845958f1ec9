"""What packages of pip are put on: the Python of an image, and what it has already."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.errors import EbsifError

# How messages call the two that may have a package already.
BASE, CONDA = "the base", "conda"


@dataclass(frozen=True)
class Installed:
    """A package that is there already.

    Parameters
    ----------
    name
        Its name, in its own spelling.
    version
        Its version.
    owner
        Who has it: `BASE` or `CONDA`.
    """

    name: str
    version: str
    owner: str = BASE


@dataclass(frozen=True)
class Ground:
    """The Python that gets more packages.

    Parameters
    ----------
    image
        The image in whose containers it runs.
    python
        Its program there.
    tag
        The most specific kind of wheel that it installs.
    packages
        What it has; of several of a name, the first counts.
    binds
        What containers need to see besides.
    needs_venv
        Whether the packages go into a venv on top of it, and not beside its own.
    """

    image: Path
    python: str
    tag: str
    packages: tuple[Installed, ...]
    binds: tuple[str, ...] = ()
    needs_venv: bool = False

    def find(self, name: str) -> Installed | None:
        """Return what there is of a name."""
        wanted = canonicalize_name(name)
        return next((package for package in self.packages if canonicalize_name(package.name) == wanted), None)


def ground_of(base: Base) -> Ground:
    """Return the ground of a venv on a base.

    Raises
    ------
    EbsifError
        When the base is not at hand, or has no Python.
    """
    python = base.known().python
    if python is None:
        raise EbsifError(f"the image {base.file} has no Python that a venv can be made with")
    return Ground(image_of(base), python.path, python.tag, of_base(base.known().packages.items()), needs_venv=True)


def of_base(packages: Iterable[tuple[str, str]]) -> tuple[Installed, ...]:
    """Return packages of a base, given as name and version."""
    return tuple(Installed(name, version) for name, version in packages)


def image_of(base: Base) -> Path:
    """Return the image of a base.

    Raises
    ------
    EbsifError
        When it is not at hand.
    """
    if base.path is None:
        raise EbsifError(f"the image {base.file} is not at hand, and packages can only be locked on it")
    return base.path
