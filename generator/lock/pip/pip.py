"""What pip of a known version does, with no setting of the user but their way to the network."""

import hashlib
import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebsif.console import Console
from ebsif.files import sha256
from ebsif.lock.model import PIP, LockedFile
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.messages import explained, stuck
from ebsif.lock.target import Target
from ebsif.process import StuckError

# What runs pip, wherever that is.
DRIVE_PY = Path(__file__).with_name("drive.py")

NO_VARIABLES: Mapping[str, str] = {}
_REPORT, _LOG, _DOWNLOADS = "report.json", "pip.log", "downloads"
# What pip writes while a build backend does, whatever that is.
_WAITS = "still running..."


@dataclass(frozen=True)
class Pip(ABC):
    """pip as it will install the packages.

    Parameters
    ----------
    folder
        A folder on this machine that pip sees as `inside` tells.
    target
        The Python that the wheels are for.
    sources
        A folder of files that need not be downloaded; None for none.
    """

    folder: Path
    target: Target
    sources: Path | None

    @abstractmethod
    def inside(self, name: str) -> str:
        """Return the path by which pip sees a file in the folder."""

    @abstractmethod
    def start(
        self, arguments: Sequence[str], env: Mapping[str, str] = NO_VARIABLES
    ) -> "subprocess.CompletedProcess[str]":
        """Run pip, and return how it ended.

        Parameters
        ----------
        env
            Variables for what it builds.

        Raises
        ------
        StuckError
            When nothing that it says is news, for as long as `patience` tells.
        """

    @abstractmethod
    def script(
        self, script: Path, arguments: Sequence[str], env: Mapping[str, str] = NO_VARIABLES
    ) -> "subprocess.CompletedProcess[str]":
        """Run a script of ours with the Python that pip runs with; its first argument is the file of pip.

        Parameters
        ----------
        env
            Variables for it.

        Raises
        ------
        StuckError
            When it has not ended in the seconds that `patience` tells.
        """

    def settings(
        self, sources: str | None, packages: str | None = None, markers: Mapping[str, str] | None = None
    ) -> str:
        """Return what `DRIVE_PY` is told, whose settings these are; with the paths by which pip sees folders."""
        told = {"pip": self.inside(PIP.filename), "sources": sources or "", "downloads": self.inside(_DOWNLOADS)}
        return json.dumps({**told, "packages": packages, "markers": markers})

    def arrived(self, file: LockedFile) -> Path | None:
        """Return where a file lies that pip has downloaded, if it has."""
        found = list((self.folder / _DOWNLOADS).glob(f"*/{file.remote_name or file.filename}"))
        # Several indexes may have different files of a name.
        right = [path for path in found if len(found) == 1 or sha256(path, Console(quiet=True)) == file.sha256]
        return right[0] if right else None

    def downloaded(self, address: str) -> Path:
        """Return the file that pip has downloaded from an address."""
        folder = self.folder / _DOWNLOADS / hashlib.sha256(address.encode()).hexdigest()
        return next(folder.iterdir())

    def learn(self, indexes: Sequence[str]) -> bool:
        """Find out what the last report lacked to be right, and return whether there was anything.

        Parameters
        ----------
        indexes
            pip's options for package indexes.
        """
        return False

    def report(
        self, arguments: Sequence[str], lines: Sequence[Line] = (), env: Mapping[str, str] = NO_VARIABLES
    ) -> dict[str, Any]:
        """Resolve without installing, and return pip's report.

        Parameters
        ----------
        lines
            The requirements and constraints, with their places, for error messages.
        env
            Variables for what it builds.

        Raises
        ------
        ConflictError
            When no set of packages fits.
        EbsifError
            When pip cannot do its work.
        """
        self.run(["install", "--dry-run", "--report", self.inside(_REPORT), *arguments], lines, env)
        return dict(json.loads((self.folder / _REPORT).read_text(encoding="utf-8")))

    def log(self) -> Iterator[str]:
        """Yield the lines of what pip has logged of its last command."""
        path = self.folder / _LOG
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as lines:
                yield from lines

    def run(
        self, arguments: Sequence[str], lines: Sequence[Line] = (), env: Mapping[str, str] = NO_VARIABLES
    ) -> None:
        """Run a command of pip; raises as `report` does."""
        (self.folder / _LOG).unlink(missing_ok=True)
        arguments = [*arguments, "--log", self.inside(_LOG)]
        # Not --quiet, which would hide the reasons of a conflict.
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "raw"]
        try:
            done = self.start([*arguments, *options], env)
        except StuckError as error:
            raise stuck(self.log(), error.seconds) from error
        if done.returncode != 0:
            raise explained(done.stdout, done.stderr, self.target, lines, self.log())


def is_news(text: str) -> bool:
    """Tell whether pip goes on: it tells of each 256 KiB of a file, and what it begins next."""
    return not text.rstrip().endswith(_WAITS)
