"""EasyBuild in virtual environments, each with this project installed beside it as a user would install it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workbench import debian, store
from workbench.errors import NotPreparedError, WorkbenchError
from workbench.process import run
from workbench.progress import Progress

DEFAULT = "5.4.1"
VERSIONS = (DEFAULT, "5.1.2")

PROJECT = Path(__file__).resolve().parents[1]
_PARTS = ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "easyblocks", "easyconfigs", "generator")
_COMPANIONS = ("archspec", "pycodestyle", "wheel")
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_MARK = "prepared"


def own_program(cache: Path) -> Path | None:
    """Return the machine's own `eb`, if it has one."""
    found = shutil.which("eb")
    return Path(found) if found and not Path(found).is_relative_to(cache) else None


def find(cache: Path, version: str) -> Path:
    """Return the virtual environment with an EasyBuild version and this project as it stands.

    Raises
    ------
    NotPreparedError
        When it has not been made, or the project has changed since.
    """
    venv = venv_path(cache, version)
    if _state(venv) != _wanted(version):
        raise NotPreparedError(f"EasyBuild {version} with this project")
    return venv


def prepare(cache: Path, version: str, progress: Progress) -> None:
    """Make the virtual environment of an EasyBuild version, and install the project in it if that has changed."""
    venv, wanted = venv_path(cache, version), _wanted(version)
    found = _state(venv)
    if found[:1] != wanted[:1]:
        with progress.step(f"EasyBuild {version}: installing"):
            store.remove_tree(venv)
            create_venv(venv)
            install(venv, [f"easybuild-framework=={version}", f"easybuild-easyblocks=={version}", *_COMPANIONS])
            _write_state(venv, wanted[:1])
    if found != wanted:
        with progress.step(f"EasyBuild {version}: installing this project beside it"):
            _write_state(venv, wanted[:1])
            _install_project(venv)
            _write_state(venv, wanted)
    progress.note(f"EasyBuild {version}: {venv / 'bin' / 'eb'}")


def create_venv(folder: Path) -> None:
    """Make a virtual environment whose Python every user of the machine can run."""
    python = Path(sys.executable).resolve()
    if os.geteuid() == 0 and _SYSTEM_PYTHON.exists():  # root's may lie in a folder that only root can enter
        python = _SYSTEM_PYTHON
        version = run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
        debian.ensure({f"/usr/lib/python{version}/ensurepip/__init__.py": f"python{version}-venv"}, "EasyBuild")
    run([python, "-m", "venv", folder])


def install(venv: Path, arguments: Sequence[str | Path]) -> None:
    """Run ``pip install`` in a virtual environment."""
    run([venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def venv_path(cache: Path, version: str) -> Path:
    """Return where the virtual environment of an EasyBuild version is, or will be."""
    # One name for good, not one for each key: scripts in a virtual environment hold its path, so it cannot be
    # renamed when it is complete. A file that is written last and says what is inside does the same service.
    return cache / f"easybuild-{version}"


def _wanted(version: str) -> list[str]:
    if not (PROJECT / "setup.cfg").exists():
        raise WorkbenchError(f"{PROJECT} is not a complete copy of this project: it has no setup.cfg")
    project = store.tree_key(PROJECT, [PROJECT / name for name in _PARTS])
    return [f"easybuild {store.key(version, *_COMPANIONS)}", f"project {project}"]


def _state(venv: Path) -> list[str]:
    mark = venv / _MARK
    return mark.read_text().splitlines() if mark.exists() else []


def _write_state(venv: Path, state: Sequence[str]) -> None:
    (venv / _MARK).write_text("".join(f"{line}\n" for line in state))


def _install_project(venv: Path) -> None:
    """Install from a copy: building writes into the folder that it builds from."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "ebsif")
        copy.mkdir()
        for name in _PARTS:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            elif source.exists():
                shutil.copy(source, copy / name)
        install(venv, [f"{copy}[dev]"])
