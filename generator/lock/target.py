"""The Python that the wheels are for: that of an image, or of a conda environment, and what it has already."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.base.inspect import can_start, check_can_start
from ebsif.base.manifest import Manifest
from ebsif.errors import EbsifError

# How messages call the two that may have a package already.
BASE, CONDA = "the base", "conda"

# Names of platforms that say more of them than glibc's version, by that version.
_OLD_PLATFORMS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
# The oldest glibc of wheels for a machine.
_FIRST_GLIBC = {"x86_64": 5}
_FIRST_GLIBC_OF_OTHERS = 17


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
        Version of the C library; empty for another one than that of GNU.
    """

    version: str
    machine: str
    glibc: str


def markers(python: Elsewhere) -> dict[str, str]:
    """Return what environment markers are compared with, for a CPython on Linux."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python.version,
        "os_name": "posix",
        "platform_machine": python.machine,
        "platform_python_implementation": "CPython",
        # Those of the kernel, which is that of whatever node it will run on.
        "platform_release": "",
        "platform_version": "",
        "platform_system": "Linux",
        "python_full_version": python.version,
        "python_version": ".".join(python.version.split(".")[:2]),
        "sys_platform": "linux",
    }


def platforms(python: Elsewhere) -> Iterator[str]:
    """Yield the platforms that wheels may name, from the one that fits best on."""
    yield f"linux_{python.machine}"
    newest = int(python.glibc.split(".")[1])
    for minor in range(newest, _FIRST_GLIBC.get(python.machine, _FIRST_GLIBC_OF_OTHERS) - 1, -1):
        yield f"manylinux_2_{minor}_{python.machine}"
        if minor in _OLD_PLATFORMS:
            yield f"{_OLD_PLATFORMS[minor]}_{python.machine}"


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
    return Target(None, path, label, packages, needs_venv=True, elsewhere=python_of(manifest))


def python_of(base: Manifest) -> Elsewhere | None:
    """Return what the Python of a base is, as far as that counts for packages; None when it has none."""
    return Elsewhere(base.python.version, base.machine, base.glibc or "") if base.python else None


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
