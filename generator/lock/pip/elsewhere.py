"""pip for a base that is not at hand: it runs on this machine, and takes the Python of the base for its own.

It is the same pip, so that it chooses what it would choose in the image. Its own options for another platform tell it
which wheels fit, but not what environment markers are compared with, which it would take from the Python that it runs
on; and its resolver must see the packages of the base, many of which are on no index. ``uv pip compile`` knows the
markers, but must be given files for packages on no index, too, and does not report what it found as pip does.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.errors import ConflictError, EbsifError
from ebsif.files import make_cache
from ebsif.lock.pip.network import network_environment
from ebsif.lock.pip.pip import DRIVE_PY, NO_VARIABLES, Pip, is_news
from ebsif.lock.pip.report import metadata_text
from ebsif.lock.target import Elsewhere, Installed, markers, platforms
from ebsif.process import patience, run

_PACKAGES = "packages"
# What pip says of a package whose metadata do not name an extra.
_NO_EXTRA = re.compile(r"WARNING: (?P<name>\S+) \S+ does not provide the extra ")


@dataclass(frozen=True)
class PipElsewhere(Pip):
    """pip on this machine, for the Python of an image that is not."""

    _learned: set[str] = field(default_factory=set)

    def inside(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return str(self.folder / name)

    def stand_in(self) -> None:
        """Make pip see the packages of the base, of which only names and versions are known."""
        for package in {package.key: package for package in reversed(self.target.packages)}.values():
            self._stand_in(package, {})

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str] = NO_VARIABLES
    ) -> "subprocess.CompletedProcess[str]":
        """Run pip, and return how it ended."""
        # Without what is installed on this machine.
        sources = str(self.sources) if self.sources else None
        settings = self.settings(sources, self.inside(_PACKAGES), markers(self._python))
        words = [sys.executable, "-I", "-S", str(DRIVE_PY), settings, *arguments, *options(self._python)]
        words += ["--cache-dir", str(make_cache("pip"))]
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        own |= {**env, **network_environment(self.folder, PurePosixPath(self.folder))}
        return run(words, own, seconds=patience(), is_news=is_news)

    def script(
        self, script: Path, arguments: Sequence[str], env: Mapping[str, str] = NO_VARIABLES
    ) -> "subprocess.CompletedProcess[str]":
        """Refuse to build: that needs the Python of the base."""
        raise EbsifError(f"source packages can only be locked where the image is ({self.target.label})")

    def learn(self, indexes: Sequence[str]) -> bool:
        """Look up what extras of the base's packages need, and return whether the last report lacked any.

        Raises
        ------
        EbsifError
            When no index has the version of the base.
        """
        asked = {canonicalize_name(match["name"]) for match in map(_NO_EXTRA.search, self.log()) if match}
        found = [package for package in map(self.target.find, sorted(asked - self._learned)) if package]
        for package in found:
            self._stand_in(package, self._metadata(package, indexes))
            self._learned.add(package.key)
        return bool(found)

    @property
    def _python(self) -> Elsewhere:
        assert self.target.elsewhere
        return self.target.elsewhere

    def _stand_in(self, package: Installed, metadata: Mapping[str, Any]) -> None:
        try:
            name = canonicalize_name(package.name, validate=True).replace("-", "_")
            version = str(Version(package.version))
        except (InvalidName, InvalidVersion):
            return  # pip passes over such packages, too
        folder = self.folder / _PACKAGES / f"{name}-{version}.dist-info"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        text = metadata_text(package.name, package.version, metadata)
        (folder / "METADATA").write_text(text, encoding="utf-8")

    def _metadata(self, package: Installed, indexes: Sequence[str]) -> Mapping[str, Any]:
        this = f"{package.name}=={package.version}"
        try:
            report = self.report(["--ignore-installed", "--no-deps", "--only-binary", ":all:", *indexes, this])
        except ConflictError as error:
            raise EbsifError(
                f"an extra of {package.name} is needed, and what it adds is not known without the image: no package "
                f"index has {package.version}, the version of the base; lock where the image is, or leave the extra out"
            ) from error
        return dict(report["install"][0]["metadata"])


def options(python: Elsewhere) -> list[str]:
    """Return pip's options for the wheels that fit."""
    major, minor, _ = python.version.split(".")
    words = ["--python-version", python.version, "--implementation", "cp", "--abi", f"cp{major}{minor}"]
    return words + [word for platform in platforms(python) for word in ("--platform", platform)]
