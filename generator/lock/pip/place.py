"""Where pip runs: in a container of the base, or elsewhere when that is not at hand."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ebsif.files import make_cache, temporary_folder
from ebsif.inside import LAYER_PY
from ebsif.inside.packages import PYTHON_ENV
from ebsif.lock.model import PIP
from ebsif.lock.pip.elsewhere import PipElsewhere
from ebsif.lock.pip.network import NETRC, network_environment
from ebsif.lock.pip.pip import DRIVE_PY, NO_VARIABLES, Pip, is_news
from ebsif.lock.staging import sources_of, taken
from ebsif.lock.target import Target
from ebsif.process import nothing_is_news, patience
from ebsif.runtime import Inside, Runtime

# Where the container sees the working folder, the sources, pip's cache, and what runs pip.
_INSIDE = PurePosixPath("/ebsif/lock")
_SOURCES, _CACHE, _DRIVE_PY = "/ebsif/sources", "/ebsif/cache", "/ebsif/drive.py"


@dataclass(frozen=True)
class _PipInContainer(Pip):
    _image: Path
    _runtime: Runtime
    _local: Sequence[Path]

    def inside(self, name: str) -> str:
        return str(_INSIDE / name)

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str] = NO_VARIABLES
    ) -> "subprocess.CompletedProcess[str]":
        command = [self._python, _DRIVE_PY, self.settings(_SOURCES), *arguments, "--cache-dir", _CACHE]
        env = {**env, **network_environment(self.folder, _INSIDE)}
        return self._runtime.run(self._image, command, self._surroundings(env, is_news))

    def script(
        self, script: Path, arguments: Sequence[str], env: Mapping[str, str] = NO_VARIABLES
    ) -> "subprocess.CompletedProcess[str]":
        shutil.copy(script, self.folder)
        command = [self._python, self.inside(script.name), self.inside(PIP.filename), *arguments]
        # What it runs needs no network, and so none of the user's secrets.
        (self.folder / NETRC).unlink(missing_ok=True)
        return self._runtime.run(self._image, command, self._surroundings(env, mode="ro"))

    @property
    def _python(self) -> str:
        return self.inside("venv/bin/python") if self.target.needs_venv else self.target.python

    def make_venv(self) -> None:
        """Make the venv, as that of the layer."""
        shutil.copy(LAYER_PY, self.folder)
        command = [self.target.python, self.inside(LAYER_PY.name), "create", self.inside("venv")]
        self._runtime.output(self._image, command, self._surroundings({}))

    def _surroundings(
        self, more: Mapping[str, str], is_news: Callable[[str], bool] = nothing_is_news, mode: str = "rw"
    ) -> Inside:
        env = {**PYTHON_ENV, **more}
        # Build backends, which run there, must not change what runs after them.
        binds = [f"{self.folder}:{_INSIDE}:{mode}", f"{self.folder / PIP.filename}:{_INSIDE / PIP.filename}:ro"]
        binds += [f"{make_cache('pip')}:{_CACHE}:{mode}", *self.target.binds, f"{DRIVE_PY}:{_DRIVE_PY}:ro"]
        # A path that no bind can name is left out: then its files are downloaded.
        binds += [f"{self.sources}:{_SOURCES}:ro"] if self.sources and not set(str(self.sources)) & set(":,\\") else []
        binds += [f"{folder}:{folder}:ro" for folder in self._local]
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        return Inside("exec", binds, env, patience(), is_news, scratch)


@contextmanager
def pip_on(target: Target, runtime: Runtime | None, folder: Path, local: Sequence[Path] = ()) -> Iterator[Pip]:
    """Give pip for a target, from a folder that has its file.

    Parameters
    ----------
    runtime
        Runs the target; None when its image is not at hand.
    local
        Folders that are package indexes.
    """
    with temporary_folder() as own:
        taken(PIP, folder, own)
        sources = sources_of(folder)
        if target.image is None or runtime is None:
            elsewhere = PipElsewhere(own, target, sources)
            elsewhere.stand_in()
            yield elsewhere
            return
        pip = _PipInContainer(own, target, sources, target.image, runtime, local)
        if target.needs_venv:
            pip.make_venv()
        yield pip
