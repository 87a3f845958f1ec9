"""pip in a base: a known version of it, in the container, with nothing of the user's but their way to the network."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ebsif.base.found import Base
from ebsif.errors import EbsifError
from ebsif.lock.messages import explained
from ebsif.lock.model import PIP
from ebsif.lock.network import network_environment
from ebsif.lock.requirements import Line
from ebsif.runtime import Inside, Runtime

# Where the container sees the working folder and pip's cache.
_INSIDE = PurePosixPath("/ebsif/lock")
_CACHE = "/ebsif/cache"
_MAKE_VENV = Path(__file__).with_name("make_venv.py")


@dataclass(frozen=True)
class Pip:
    """pip in a venv on a base.

    Parameters
    ----------
    folder
        A folder on this machine that the container sees as `inside` tells.
    """

    folder: Path
    _base: Base
    _runtime: Runtime

    def inside(self, name: str) -> str:
        """Return the path in the container of a file in the folder."""
        return str(_INSIDE / name)

    def report(self, arguments: Sequence[str], lines: Sequence[Line] = ()) -> dict[str, Any]:
        """Resolve without installing, and return pip's report.

        Parameters
        ----------
        lines
            Where what is asked for stands, for error messages.

        Raises
        ------
        ConflictError
            When there is no set of packages that fits.
        EbsifError
            When pip cannot do its work.
        """
        self.run(["install", "--dry-run", "--report", self.inside("report.json"), *arguments], lines)
        return dict(json.loads((self.folder / "report.json").read_text(encoding="utf-8")))

    def run(self, arguments: Sequence[str], lines: Sequence[Line] = ()) -> None:
        """Run a command of pip; raises as `report` does."""
        # Not --quiet, which would hide the reasons of a conflict.
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--cache-dir", _CACHE]
        command = [self.inside("venv/bin/python"), f"{self.inside(PIP.filename)}/pip", *arguments, *options]
        done = self._runtime.run(self._image, command, self._surroundings())
        if done.returncode != 0:
            raise explained(done.stdout, done.stderr, self._base.known(), lines)

    def make_venv(self) -> None:
        """Make the venv, as that of the layer."""
        python = self._base.known().python
        if python is None:
            raise EbsifError(f"the image {self._base.file} has no Python that a venv can be made with")
        shutil.copy(_MAKE_VENV, self.folder)
        command = [python.path, self.inside(_MAKE_VENV.name), self.inside("venv")]
        self._runtime.output(self._image, command, self._surroundings())

    @property
    def _image(self) -> Path:
        if self._base.path is None:
            raise EbsifError(f"the image {self._base.file} is not at hand, and packages can only be locked on it")
        return self._base.path

    def _surroundings(self) -> Inside:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebsif" / "pip"
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"cannot make the folder {cache}: {error.strerror}"
            raise EbsifError(f"{reason}; set XDG_CACHE_HOME to another one") from error
        env = {"PYTHONNOUSERSITE": "1", "PYTHONPATH": "", "LANG": "C.UTF-8"}
        env |= network_environment(self.folder, _INSIDE)
        return Inside("exec", [f"{self.folder}:{_INSIDE}", f"{cache}:{_CACHE}"], env)


@contextmanager
def pip_in(base: Base, runtime: Runtime, sources: Path) -> Iterator[Pip]:
    """Give pip in a venv on a base, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ebsif-") as name:
        pip = Pip(Path(name), base, runtime)
        _provide(pip.folder, sources)
        pip.make_venv()
        yield pip


def _provide(folder: Path, sources: Path) -> None:
    """Put pip's own wheel into a folder: that of the sources, else from the package index."""
    if (sources / PIP.filename).is_file():
        shutil.copy(sources / PIP.filename, folder)
        return
    requirements = folder / "pip.txt"
    requirements.write_text(f"{PIP.name}=={PIP.version} --hash=sha256:{PIP.sha256}\n")
    words = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    words += ["--only-binary", ":all:", "--dest", str(folder), "--requirement", str(requirements)]
    # As in the container, so that no setting of the user's can stand in the way.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    env |= network_environment(folder, PurePosixPath(folder))
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise explained(done.stdout, done.stderr, None)
