"""Locks of pixi, by the library that pixi itself writes them with."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rattler import LockChannel, LockFile, LockPlatform, PackageRecord, RepoDataRecord, VersionWithSource
from rattler.package.build_string import BuildString

CHANNEL = "https://example.org/channel"
SHA = "a" * 64
SIX = "six-1.17.0-py2.py3-none-any.whl"
WHEEL = f"https://files.pythonhosted.org/packages/b7/ce/{SIX}"


def package(
    name: str, place: str = f"{CHANNEL}/linux-64", sha256: str | None = SHA, build: str = "h1_0"
) -> RepoDataRecord:
    """Return version 1.0 of a package of conda, in a folder of a channel."""
    channel, _, subdir = place.rpartition("/")
    digest = bytes.fromhex(sha256) if sha256 else None
    record = PackageRecord(name, VersionWithSource("1.0"), BuildString(build), 0, subdir, sha256=digest)
    file = f"{name}-1.0-{build}.conda"
    return RepoDataRecord(record, file, f"{place}/{file}", f"{channel}/")


def pixi_lock(
    environments: Mapping[str, Sequence[RepoDataRecord]] | None = None,
    platforms: Sequence[str] = ("linux-64", "osx-arm64"),
    pypi: str | None = WHEEL,
    sha256: str | None = SHA,
) -> str:
    """Return the text of a lock: packages of each environment for the first platform, and in ``default`` one of PyPI.

    Parameters
    ----------
    pypi
        Where the package of PyPI, six 1.17.0, comes from; None for no such package.
    sha256
        Its SHA256, which pixi writes behind its address, and the library has no function for.
    """
    known = [LockPlatform(name) for name in platforms]
    lock = LockFile(known)
    for name, packages in (environments or {"default": [package("tool")]}).items():
        lock.set_channels(name, [LockChannel(f"{CHANNEL}/")])
        for each in packages:
            lock.add_conda_package(name, known[0], each)
    if pypi:
        lock.add_pypi_package("default", known[0], "six", "1.17.0", pypi)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pixi.lock")
        lock.to_path(path)
        text = path.read_text()
    return text.replace("  version: 1.17.0\n", f"  version: 1.17.0\n  sha256: {sha256}\n") if sha256 else text
