"""The Python that the wheels are for: that of an image, or of a conda environment, and what it has already."""

from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.base.inspect import can_start, check_can_start
from ebsif.base.manifest import Manifest
from ebsif.errors import EbsifError

# How messages call the two that may have a package already.
BASE, CONDA = "the base", "conda"


@dataclass(frozen=True)
class Installed:
    """A package that the target has.

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

    @property
    def key(self) -> str:
        """The name by which packages are compared."""
        return canonicalize_name(self.name)


@dataclass(frozen=True)
class Elsewhere:
    """A CPython on Linux that cannot be run here, as far as that counts for packages.

    Parameters
    ----------
    version
        Its full version.
    machine
        The kind of processor that it is for.
    glibc
        Version of the C library.
    """

    version: str
    machine: str
    glibc: str


@dataclass(frozen=True)
class Target:
    """The Python that the wheels are for.

    Parameters
    ----------
    image
        The image in whose containers it runs; None when that is not at hand, or cannot be started here.
    python
        Its program there.
    label
        How messages call it, as in ``Python 3.11 on x86_64 with glibc 2.35``.
    packages
        What it has; of several of a name, the first counts.
    binds
        What containers need to see besides.
    needs_venv
        Whether the packages go into a venv on top of it, and not beside its own.
    elsewhere
        What it is, when its image is not at hand, or cannot be started here.
    """

    image: Path | None
    python: str
    label: str
    packages: tuple[Installed, ...]
    binds: tuple[str, ...] = ()
    needs_venv: bool = False
    elsewhere: Elsewhere | None = None

    def find(self, name: str) -> Installed | None:
        """Return the package of a name, if the target has it."""
        key = canonicalize_name(name)
        return next((package for package in self.packages if package.key == key), None)


def target_of(base: Base) -> Target:
    """Return the target of a venv on a base.

    Raises
    ------
    EbsifError
        When nothing is known of what is in the base, or it has no Python.
    """
    manifest = base.known()
    if manifest.python is None:
        raise EbsifError(f"the image {base.file} has no Python that a venv can be made with")
    label, packages = label_of(manifest.python.minor, manifest), of_base(manifest)
    path = manifest.python.path
    if base.path and can_start(base.path):
        return Target(base.path, path, label, packages, needs_venv=True)
    if manifest.glibc is None:
        raise EbsifError(f"{base.file} has no glibc, so that its wheels can only be found where it can be started")
    elsewhere = Elsewhere(manifest.python.version, manifest.machine, manifest.glibc)
    return Target(None, path, label, packages, needs_venv=True, elsewhere=elsewhere)


def label_of(python: str, base: Manifest) -> str:
    """Return how messages call a Python of some version on a base."""
    return f"Python {python} on {base.machine}" + (f" with glibc {base.glibc}" if base.glibc else "")


def of_base(base: Manifest) -> tuple[Installed, ...]:
    """Return the packages of a base."""
    return tuple(Installed(name, version) for name, version in base.packages.items())


def image_of(base: Base) -> Path:
    """Return the image of a base, for containers to be started.

    Raises
    ------
    EbsifError
        When it is not at hand, or for another kind of processor than this host has.
    """
    if base.path is None:
        raise EbsifError(f"the image {base.file} is not at hand, and packages can only be locked on it")
    check_can_start(base.path, "lock its packages on a host of that kind: the easyconfig serves here too")
    return base.path
