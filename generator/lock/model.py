"""The lock: every file of a layer, with its SHA256."""

import re
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from ebsif.errors import EbsifError
from ebsif.inside.packages import conda_stem, is_conda_package
from ebsif.lock.commit import Commit
from ebsif.lock.summary import Summary

# All that a wheel, a source package and a package of conda can be called; never a path.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~-]*")


@dataclass(frozen=True)
class LockedFile:
    """One file of a layer.

    Parameters
    ----------
    name
        The package, in its own spelling.
    version
        Its version.
    filename
        The wheel, the package of conda or, where the recipe allows it, the source package.
    sha256
        Its SHA256.
    source_url
        The folder to download it from; None for the default package index, and for a file that lies beside the recipe.
    remote_name
        What it is called there, when that is not its name.
    commit
        What it is made of, when that is a repository.
    start_dir
        The folder in it that the package is built in, when that is not the top.
    is_own
        Whether it was made of a folder of the user, so that it is nowhere else to be had.
    size
        Its bytes, where the channel has just told; nothing that is locked.
    """

    name: str
    version: str
    filename: str
    sha256: str
    source_url: str | None = None
    remote_name: str | None = None
    commit: Commit | None = None
    start_dir: str | None = None
    is_own: bool = False
    size: int | None = field(default=None, compare=False)

    @property
    def is_named_by_place(self) -> bool:
        """Whether somebody has asked for exactly this one, by where it is."""
        return bool(self.remote_name or self.commit or self.is_own)

    @property
    def key(self) -> str:
        """The name by which packages of one kind are compared: pip and conda have different rules."""
        return self.name.lower() if self.is_conda else canonicalize_name(self.name)

    @property
    def is_conda(self) -> bool:
        """Whether it is a package of conda."""
        return is_conda_package(self.filename)

    @property
    def build(self) -> str | None:
        """The build of a package of conda, as in ``h123_0``."""
        return conda_stem(self.filename).rpartition("-")[2] if self.is_conda else None


@dataclass(frozen=True)
class Lock:
    """All files of a layer.

    Parameters
    ----------
    inputs
        A digest of all that the lock was made from: what the recipe asks for, and what the base has. While it stays the
        same, so does the lock.
    files
        The files: what installs them first, then those of conda, then those of pip, each by name.
    build_packages
        The names of those of pip that only serve to build or install the others, and are not installed.
    """

    inputs: str
    files: tuple[LockedFile, ...]
    build_packages: tuple[str, ...] = field(default=())

    @property
    def installed(self) -> list[LockedFile]:
        """The files that are installed."""
        return [file for file in self.files if file.is_conda or file.name not in self.build_packages]

    @property
    def conda(self) -> list[LockedFile]:
        """The files of conda."""
        return [file for file in self.files if file.is_conda]

    @property
    def pip(self) -> list[LockedFile]:
        """The files of pip, and the tools."""
        return [file for file in self.files if not file.is_conda]


def file_name(name: str, origin: str) -> str:
    """Return the name that somebody else gives a file, which a file of that name is written for.

    Parameters
    ----------
    origin
        Who gives it, for the message.

    Raises
    ------
    EbsifError
        When it is a path, or else no name of a package's file.
    """
    if not _FILE_NAME.fullmatch(name):
        raise EbsifError(f"{origin} lists a file {name!r}, and no package has a file of such a name: tell its keeper")
    return name


@dataclass(frozen=True)
class Solution:
    """The files that a resolver has found for a layer.

    Parameters
    ----------
    files, build_packages
        As in `Lock`.
    summary
        What was asked for, and what comes of it.
    warnings
        A sentence for each newer release that was passed over.
    """

    files: tuple[LockedFile, ...]
    build_packages: tuple[str, ...]
    summary: Summary
    warnings: tuple[str, ...] = ()


# The pip that resolves and installs all wheels: that of the base may be too old to report what it would install.
PIP = LockedFile(
    "pip",
    "26.3",
    "pip-26.3-py3-none-any.whl",
    "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
)
