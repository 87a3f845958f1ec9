"""What a source package is built with."""

import json
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from ebsif.document import MAXIMUM_SIZE
from ebsif.errors import EbsifError
from ebsif.inside.packages import version_variables
from ebsif.lock.model import LockedFile
from ebsif.lock.pip.messages import backend_stuck
from ebsif.lock.pip.pip import Pip
from ebsif.lock.staging import taken
from ebsif.process import StuckError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SCRIPT = Path(__file__).with_name("backend.py")
# Folders within the one that the container sees.
_SOURCES, _PACKAGES = "source-packages", "build-packages"


@dataclass(frozen=True)
class BuildSystem:
    """What a source package says of how it is built; by default as PEP 517 and 518 have it.

    Parameters
    ----------
    requires
        The packages that its backend needs to run.
    backend, path
        The backend, and the folders of the source package that it lies in.
    """

    requires: tuple[str, ...] = ("setuptools >= 40.8.0",)
    backend: str = "setuptools.build_meta:__legacy__"
    path: tuple[str, ...] = ()


def build_system(archive: Path, start_dir: str | None = None) -> BuildSystem:
    """Return what a source package says of how it is built.

    Parameters
    ----------
    start_dir
        The folder in it that the package lies in; None for the top.

    Raises
    ------
    EbsifError
        When the file is no source package.
    """
    try:
        text = _pyproject(archive, start_dir)
        table = (tomllib.loads(text) if text else {}).get("build-system", {})
        default = BuildSystem()
        return BuildSystem(
            tuple(table.get("requires", default.requires)),
            table.get("build-backend", default.backend),
            tuple(table.get("backend-path", default.path)),
        )
    except (OSError, EOFError, LZMAError, tarfile.TarError, zipfile.BadZipFile, ValueError) as error:
        raise EbsifError(f"{archive} is not a source package: {error}") from error


def backend_requirements(
    pip: Pip, archives: Sequence[LockedFile], wheels: Iterable[LockedFile], folder: Path
) -> set[str]:
    """Return the packages that the build backends of source packages ask for only when they run.

    Parameters
    ----------
    wheels
        The packages that the backends need to run.
    folder
        The folder that all of them lie in.

    Raises
    ------
    EbsifError
        When a backend fails.
    """
    for name, files in ((_SOURCES, archives), (_PACKAGES, wheels)):
        (pip.folder / name).mkdir()
        for file in files:
            taken(file, folder, pip.folder / name)
    installed = pip.inside("build-environment")
    names = [pip.inside(f"{_PACKAGES}/{file.name}") for file in sorted((pip.folder / _PACKAGES).iterdir())]
    if names:
        pip.run(["install", "--no-index", "--no-deps", "--no-compile", "--target", installed, *names])
    found: set[str] = set()
    for archive in sorted(archives, key=lambda file: file.filename):
        system = build_system(pip.folder / _SOURCES / archive.filename, archive.start_dir)
        place = [pip.inside(f"{_SOURCES}/{archive.filename}"), archive.start_dir or ""]
        try:
            words = [*place, installed, system.backend, json.dumps(system.path)]
            done = pip.script(_SCRIPT, words, version_variables(archive.version))
        except StuckError as error:
            raise backend_stuck(archive.filename, error.seconds) from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise EbsifError(
                f"{archive.filename} cannot be locked from source, because its build backend {system.backend} does not "
                f"tell what it needs: {reason}; look for a version with a wheel, or build one"
            )
        found |= set(json.loads(done.stdout.splitlines()[-1]))
    return found


def _pyproject(archive: Path, start_dir: str | None) -> str | None:
    """Return the text of the ``pyproject.toml`` of an archive."""
    wanted = PurePosixPath(start_dir or "", "pyproject.toml").parts
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            found = [name for name in packed.namelist() if PurePosixPath(name).parts[1:] == wanted]
            return packed.open(found[0]).read(MAXIMUM_SIZE).decode() if found else None
    with tarfile.open(archive) as packed:
        members = [member for member in packed.getmembers() if PurePosixPath(member.name).parts[1:] == wanted]
        file = packed.extractfile(members[0]) if members else None
        return file.read(MAXIMUM_SIZE).decode() if file else None
