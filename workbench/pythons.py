"""The unit tests under other Pythons than the default one, and with other versions of EasyBuild."""

import configparser
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from workbench import easybuild, store, venvs
from workbench.errors import CommandError, NotPreparedError
from workbench.process import run
from workbench.progress import Progress

# `ebsif` runs on these, besides the default one.
VERSIONS = ("3.10", "3.12", "3.13")
# EasyBuild, and so the easyblocks, run on this, too: the oldest.
OLDEST = "3.6"

_ITS_VERSION = "import sys, venv; print(*sys.version_info[:2], sep='.')"
# The last releases for the oldest Python.
_OLDEST_PIP = "pip==21.3.1"
_OLDEST_REQUIREMENTS = ("hypothesis==6.31.6", "pytest==7.0.1")
# EasyBuild and this project, with what pip says of them.
_SHARED = ("easybuild", "easybuild_*-info", "ebsif", "ebsif-*-info")
_UNIT_TESTS = "tests/unit"
_EASYBLOCK_TESTS = "tests/easyblocks"
_DISTRIBUTION_TESTS = "tests/distribution"
# Tests of what no other Python runs: pages, shell scripts, this package and what it locks, the conda channel of the
# tests; and faults, which reach pathlib only since Python 3.11.
_SAME_ON_EACH_PYTHON = ("conda_channel", "distribution", "docs", "faults", "get_master", "readme", "workbench")
_OPTIONS = (
    *("-p", "no:cacheprovider", "--quiet", "--tb=short", "--show-capture=no", "--hypothesis-profile=few"),
    *(f"--ignore={_UNIT_TESTS}/test_{name}.py" for name in _SAME_ON_EACH_PYTHON),
)


@dataclass(frozen=True)
class Run:
    """A run of some tests.

    Parameters
    ----------
    name
        What differs from the main run.
    python
        The Python that runs pytest; None where this machine has none.
    tests
        The folders of the tests.
    """

    name: str
    python: Path | None
    tests: Sequence[str]

    def outcome(self) -> tuple[bool, str]:
        """Run the tests; return whether they have passed, and what is to be said."""
        if self.python is None:
            return True, f"{self.name}: not on this machine"
        words: list[str | Path] = [self.python, "-m", "pytest", *_OPTIONS, *self.tests]
        if _UNIT_TESTS not in self.tests:  # what those need of `tests` needs a newer Python, too
            words.append(f"--confcutdir={_EASYBLOCK_TESTS}")
        done = subprocess.run(words, cwd=easybuild.PROJECT, capture_output=True, text=True, check=False)
        lines = done.stdout.strip().splitlines()
        what = f"{self.name}: {' '.join(self.tests)}"
        if done.returncode == 0:
            return True, f"{what}: {lines[-1]}"
        return False, f"{what}: failed\n{done.stdout}{done.stderr}"


def run_tests(cache: Path) -> bool:
    """Run the unit tests under each Python and EasyBuild; tell the outcomes, and return whether all have passed."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        passed = True
        for good, text in pool.map(Run.outcome, list(_runs(cache))):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            passed = passed and good
    return passed


def _runs(cache: Path) -> Iterator[Run]:
    for version in VERSIONS:
        yield Run(f"Python {version}", find(cache, version), [_UNIT_TESTS, _EASYBLOCK_TESTS, _DISTRIBUTION_TESTS])
    yield Run(f"Python {OLDEST}", find(cache, OLDEST), [_EASYBLOCK_TESTS])
    for version in (*easybuild.VERSIONS, *easybuild.CHECKED_VERSIONS):
        if version != easybuild.DEFAULT:
            yield Run(f"EasyBuild {version}", easybuild.find(cache, version) / "bin" / "python", [_EASYBLOCK_TESTS])


def find(cache: Path, version: str) -> Path | None:
    """Return the Python of the virtual environment for a version; None if this machine has no such Python.

    Raises
    ------
    NotPreparedError
        When the machine has one, but the virtual environment has not been made.
    """
    original = find_original(version)
    if original is None:
        return None
    venv = _venv_path(cache, version)
    if venvs.state(venv) != _wanted(cache, version, original):
        raise NotPreparedError(f"Python {version} for the unit tests")
    return venv / "bin" / "python"


def find_original(version: str) -> Path | None:
    """Return this machine's Python of a version: the newest of pyenv, or that on PATH, or the system's, or None."""
    homes = [os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv", Path(pwd.getpwuid(os.geteuid()).pw_dir, ".pyenv")]
    found = [path for home in homes if home for path in Path(home, "versions").glob(f"{version}.*/bin/python")]
    found.sort(key=lambda path: [int(digits) for digits in re.findall("[0-9]+", path.parts[-3])], reverse=True)
    found += [Path(name) for name in (shutil.which(f"python{version}"), f"/usr/bin/python{version}") if name]
    return next((path for path in found if _is_version(path, version)), None)


def _is_version(python: Path, version: str) -> bool:
    # What is on PATH may be pyenv's stand-in for one that is not chosen.
    try:
        return run([python, "-c", _ITS_VERSION]).strip() == version
    except (CommandError, OSError):
        return False


def prepare(cache: Path, version: str, progress: Progress) -> None:
    """Make the virtual environment for a version of Python, if this machine has such a Python.

    EasyBuild and this project are those of the default virtual environment: they are the same for every Python.
    """
    original = find_original(version)
    if original is None:
        progress.note(f"Python {version}: not on this machine")
        return
    venv, wanted = _venv_path(cache, version), _wanted(cache, version, original)
    if venvs.state(venv) != wanted:
        with progress.step(f"Python {version}: installing what the unit tests need"):
            store.remove_tree(venv)
            venvs.create(venv, original, pip=False)
            _install(cache, version, venv)
            for source in _shared(cache):
                (venv / "lib" / f"python{version}" / "site-packages" / source.name).symlink_to(source)
            venvs.write_state(venv, wanted)
    progress.note(f"Python {version}: {venv / 'bin' / 'python'}")


def _venv_path(cache: Path, version: str) -> Path:
    return cache / f"python-{version}"


def _wanted(cache: Path, version: str, original: Path) -> list[str]:
    return [f"python {store.key(original.resolve(), _requirements(version), _shared(cache))}"]


def _requirements(version: str) -> Sequence[str]:
    if version == OLDEST:
        return _OLDEST_REQUIREMENTS
    settings = configparser.ConfigParser()
    settings.read(easybuild.PROJECT / "setup.cfg")
    needed = settings["options"]["install_requires"] + settings["options.extras_require"]["test"]
    return [line for line in needed.splitlines() if line]


def _shared(cache: Path) -> Sequence[Path]:
    packages = next(easybuild.venv_path(cache, easybuild.DEFAULT).glob("lib/python3*/site-packages"), cache)
    return sorted(path for pattern in _SHARED for path in packages.glob(pattern))


def _install(cache: Path, version: str, venv: Path) -> None:
    python = venv / "bin" / "python"
    pip: list[str | Path] = [easybuild.venv_path(cache, easybuild.DEFAULT) / "bin" / "python", "-m", "pip"]
    options = ["install", "--quiet", "--disable-pip-version-check", "--no-compile", *_requirements(version)]
    if version != OLDEST:
        run([*pip, "--python", python, *options])
        return
    with tempfile.TemporaryDirectory() as folder:
        run([*pip, "download", "--quiet", "--no-deps", "--python-version", version, "--dest", folder, _OLDEST_PIP])
        [wheel] = Path(folder).iterdir()
        run([python, wheel / "pip", *options])
