"""pip of a known version in the container, with no setting of the user but their way to the network."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ebsif.files import make_cache
from ebsif.inside import LAYER_PY
from ebsif.inside.packages import PYTHON_ENV
from ebsif.lock.model import PIP
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.messages import explained
from ebsif.lock.pip.network import network_environment
from ebsif.lock.target import Target
from ebsif.runtime import Inside, Runtime

# Where the container sees the working folder and pip's cache.
_INSIDE = PurePosixPath("/ebsif/lock")
_CACHE = "/ebsif/cache"
_REPORT, _LOG = "report.json", "pip.log"


@dataclass(frozen=True)
class Pip:
    """pip as it will install the packages.

    Parameters
    ----------
    folder
        A folder on this machine that the container sees as `inside` tells.
    target
        The Python that the wheels are for.
    """

    folder: Path
    target: Target
    _runtime: Runtime

    def inside(self, name: str) -> str:
        """Return the path in the container of a file in the folder."""
        return str(_INSIDE / name)

    def report(self, arguments: Sequence[str], lines: Sequence[Line] = ()) -> dict[str, Any]:
        """Resolve without installing, and return pip's report.

        Parameters
        ----------
        lines
            The requirements and constraints, with their places, for error messages.

        Raises
        ------
        ConflictError
            When no set of packages fits.
        EbsifError
            When pip cannot do its work.
        """
        (self.folder / _LOG).unlink(missing_ok=True)
        written = ["--report", self.inside(_REPORT), "--log", self.inside(_LOG)]
        self.run(["install", "--dry-run", *written, *arguments], lines)
        return dict(json.loads((self.folder / _REPORT).read_text(encoding="utf-8")))

    def log(self) -> Iterator[str]:
        """Yield the lines of what pip has logged of its last report."""
        with (self.folder / _LOG).open(encoding="utf-8") as lines:
            yield from lines

    def run(self, arguments: Sequence[str], lines: Sequence[Line] = ()) -> None:
        """Run a command of pip; raises as `report` does."""
        # Not --quiet, which would hide the reasons of a conflict.
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--cache-dir", _CACHE]
        command = [self._python, f"{self.inside(PIP.filename)}/pip", *arguments, *options]
        done = self._runtime.run(self.target.image, command, self._surroundings())
        if done.returncode != 0:
            raise explained(done.stdout, done.stderr, self.target, lines)

    def script(self, script: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a script of ours with the Python that pip runs with; its first argument is the file of pip."""
        shutil.copy(script, self.folder)
        command = [self._python, self.inside(script.name), self.inside(PIP.filename), *arguments]
        return self._runtime.run(self.target.image, command, self._surroundings())

    @property
    def _python(self) -> str:
        return self.inside("venv/bin/python") if self.target.needs_venv else self.target.python

    def make_venv(self) -> None:
        """Make the venv, as that of the layer."""
        shutil.copy(LAYER_PY, self.folder)
        command = [self.target.python, self.inside(LAYER_PY.name), "create", self.inside("venv")]
        self._runtime.output(self.target.image, command, self._surroundings())

    def _surroundings(self) -> Inside:
        env = PYTHON_ENV | network_environment(self.folder, _INSIDE)
        binds = [f"{self.folder}:{_INSIDE}", f"{make_cache('pip')}:{_CACHE}", *self.target.binds]
        return Inside("exec", binds, env)


@contextmanager
def pip_on(target: Target, runtime: Runtime, folder: Path) -> Iterator[Pip]:
    """Give pip for a target, from a folder that has its file."""
    with tempfile.TemporaryDirectory(prefix="ebsif-") as name:
        pip = Pip(Path(name), target, runtime)
        shutil.copy(folder / PIP.filename, pip.folder)
        if target.needs_venv:
            pip.make_venv()
        yield pip
