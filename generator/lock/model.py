"""The lock: every file of a layer, with its SHA256."""

from dataclasses import dataclass, field


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
        The wheel or, where the recipe allows it, the source package.
    sha256
        Its SHA256.
    source_url
        The folder to download it from; None for the default package index, and for a file that lies beside the recipe.
    """

    name: str
    version: str
    filename: str
    sha256: str
    source_url: str | None = None


@dataclass(frozen=True)
class Lock:
    """All files of a layer.

    Parameters
    ----------
    inputs
        A digest of all that the lock was made from: what the recipe asks for, and what the base has. While it stays the
        same, so does the lock.
    files
        The files, pip first, then by name.
    build_packages
        The names of those that only serve to build source packages, and are not installed.
    """

    inputs: str
    files: tuple[LockedFile, ...]
    build_packages: tuple[str, ...] = field(default=())


# The installer of every layer, and what finds its files: the base's own may be too old to report what it would install.
PIP = LockedFile(
    "pip",
    "26.3",
    "pip-26.3-py3-none-any.whl",
    "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
)
