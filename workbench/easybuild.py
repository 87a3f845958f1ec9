"""EasyBuild in virtual environments, each with this project installed beside it as a user would install it."""

import shutil
import tempfile
from pathlib import Path

from workbench import store, venvs
from workbench.errors import NotPreparedError, WorkbenchError
from workbench.process import run
from workbench.progress import Progress

DEFAULT = "5.4.1"
# All tests of what EasyBuild does run with these.
VERSIONS = (DEFAULT, "5.1.2")
# Only the unit tests of the easyblocks run with these, too.
CHECKED_VERSIONS = ("5.2.1",)

PROJECT = Path(__file__).resolve().parents[1]
_PARTS = ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "easyblocks", "easyconfigs", "generator")
_COMPANIONS = ("archspec", "hypothesis", "pycodestyle", "pytest", "wheel")


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
    if venvs.state(venv) != _wanted(version):
        raise NotPreparedError(f"EasyBuild {version} with this project")
    return venv


def prepare(cache: Path, version: str, progress: Progress) -> None:
    """Make the virtual environment of an EasyBuild version, and install the project in it if that has changed."""
    venv, wanted = venv_path(cache, version), _wanted(version)
    found = venvs.state(venv)
    if found[:1] != wanted[:1]:
        with progress.step(f"EasyBuild {version}: installing"):
            store.remove_tree(venv)
            venvs.create(venv)
            venvs.install(venv, [f"easybuild-framework=={version}", f"easybuild-easyblocks=={version}", *_COMPANIONS])
            venvs.write_state(venv, wanted[:1])
    if found != wanted:
        with progress.step(f"EasyBuild {version}: installing this project beside it"):
            venvs.write_state(venv, wanted[:1])
            wheel = project_wheel(cache)
            venvs.install(venv, ["--force-reinstall", "--no-deps", wheel])
            if version == DEFAULT:
                venvs.install(venv, [f"{wheel}[dev]"])
            venvs.write_state(venv, wanted)
    progress.note(f"EasyBuild {version}: {venv / 'bin' / 'eb'}")


def venv_path(cache: Path, version: str) -> Path:
    """Return where the virtual environment of an EasyBuild version is, or will be."""
    return cache / f"easybuild-{version}"


def prepare_project(cache: Path, progress: Progress) -> None:
    """Build the project's archive, and from that its wheel, unless they have been built as the project stands."""
    folder = _project_folder(cache)
    if folder.exists():
        return
    for old in cache.glob("project-*"):
        store.remove_tree(old)
    with (
        progress.step("This project: building"),
        store.published(folder) as work,
        tempfile.TemporaryDirectory() as scratch,
    ):
        # From a copy: building writes into the folder that it builds from.
        copy = Path(scratch, "ebsif")
        copy.mkdir()
        for name in _PARTS:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            elif source.exists():
                shutil.copy(source, copy / name)
        venv = Path(scratch, "venv")
        venvs.create(venv)
        venvs.install(venv, ["build"])
        run([venv / "bin" / "python", "-m", "build", "--outdir", work, copy])


def project_wheel(cache: Path) -> Path:
    """Return the project's wheel; raises as `project_files` does."""
    return next(path for path in project_files(cache) if path.suffix == ".whl")


def project_files(cache: Path) -> list[Path]:
    """Return the project's archive and wheel.

    Raises
    ------
    NotPreparedError
        When they have not been built, or the project has changed since.
    """
    folder = _project_folder(cache)
    if not folder.exists():
        raise NotPreparedError("The archive of this project")
    return sorted(folder.iterdir())


def _project_folder(cache: Path) -> Path:
    return cache / f"project-{_project_key()}"


def _project_key() -> str:
    if not (PROJECT / "setup.cfg").exists():
        raise WorkbenchError(f"{PROJECT} is not a complete copy of this project: it has no setup.cfg")
    return store.tree_key(PROJECT, [PROJECT / name for name in _PARTS])


def _wanted(version: str) -> list[str]:
    return [f"easybuild {store.key(version, *_COMPANIONS)}", f"project {_project_key()}"]
