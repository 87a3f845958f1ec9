"""Locking an environment of conda: its solver finds the packages, and pip those that come on top of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ebsif.base.image import Base
from ebsif.base.manifest import Manifest
from ebsif.console import Console
from ebsif.errors import ConflictError, EbsifError, InputError
from ebsif.inside.packages import MINIMUM_PYTHON, conda_platform, python_minor
from ebsif.lock.conda.download import download
from ebsif.lock.conda.packages import checked
from ebsif.lock.conda.prefix import has_python, installed
from ebsif.lock.conda.request import CondaRequest, error_at
from ebsif.lock.conda.solve import Solver
from ebsif.lock.conda.virtual import virtual_packages
from ebsif.lock.model import PIP, Lock, LockedFile, Solution
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.pip.resolve import Wheels, fetch_wheels, resolve_wheels
from ebsif.lock.sources import missing_files
from ebsif.lock.summary import Summary
from ebsif.lock.target import image_of
from ebsif.lock.tools import provide, rattler
from ebsif.runtime import Runtime


def resolve(
    request: CondaRequest,
    pip: PipRequest,
    base: Base,
    runtime: Runtime,
    folder: Path,
    console: Console,
    *,
    previous: Lock | None,
    upgrade: Sequence[str],
) -> Solution:
    """Find the files that a conda layer needs, and put them into a folder.

    Parameters
    ----------
    pip
        What comes on top of the environment.
    previous
        A lock whose versions to keep where that is possible.
    upgrade
        Packages whose versions not to keep.

    Raises
    ------
    ConflictError
        When no set of packages fits, with both sides.
    EbsifError
        When a channel cannot be reached, or the files cannot be written.
    """
    manifest = base.known()
    tool = rattler(manifest.machine)
    if pip.requirements:
        image_of(base)  # pip runs in it: refuse before anything is solved and downloaded
    # What pip brings on top of it is told apart.
    by = ("conda", "pip") if pip.requirements else ("", "")
    files, wheels = _environment(request, manifest, folder, console, _kept(previous, upgrade), by[0]), Wheels()
    if pip.requirements and not has_python(files):
        raise pip.requirements[0].error("packages of pip need a Python: add python to the environment")
    for file in files:
        if pip.requirements and file.name == "python":
            pip.check_python(file.version, "the environment")
    if pip.requirements or (request.stack and manifest.python and has_python(files)):
        with installed(files, folder, request, base, runtime) as target:
            if pip.requirements:
                wheels = resolve_wheels(
                    pip, target, runtime, folder, console, previous=previous, upgrade=upgrade, by=by[1]
                )
    tools = [tool, *([PIP] if wheels.files else [])]
    provide(tools, folder)
    build = tuple(sorted(file.name for file in (*tools, *wheels.build)))
    summary = conda_summary(request, files) + wheels.summary
    return Solution((*tools, *files, *wheels.all), build, summary, wheels.warnings)


def fetch(
    lock: Lock,
    request: CondaRequest,
    pip: PipRequest,
    base: Base,
    runtime: Runtime,
    folder: Path,
    console: Console,
) -> None:
    """Put the files of the lock of a conda layer into a folder; raises as `resolve` does."""
    tools = [file for file in lock.pip if file in (PIP, rattler(base.known().machine))]
    download(lock.conda, folder, console)
    provide(tools, folder)
    wheels = [file for file in lock.pip if file not in tools]
    if missing_files(wheels, folder):
        with installed(lock.conda, folder, request, base, runtime) as target:
            fetch_wheels(wheels, pip, target, runtime, folder, console)


def _environment(
    request: CondaRequest, base: Manifest, folder: Path, console: Console, kept: Sequence[LockedFile], by: str
) -> list[LockedFile]:
    """Return the files of the environment, which lie in the folder then."""
    platform, virtual = conda_platform(base.machine), virtual_packages(base, request.virtual_packages)
    python = base.python.minor if request.stack and base.python else None
    if request.pinned:
        _tell(request, [pinned.file for pinned in request.pinned], console, by)
        download([pinned.file for pinned in request.pinned], folder, console)
        files = checked(request.pinned, folder, platform, virtual)
        _check_python(files, request, python)
        return files
    with console.waiting("solving the environment"):
        files = asyncio.run(Solver(request, platform, virtual).solve(kept, python))
    _check_python(files, request, python)
    _tell(request, files, console, by)
    download(files, folder, console)
    return files


def conda_summary(request: CondaRequest, files: Sequence[LockedFile]) -> Summary:
    """Return what comes of a request."""
    layer = {file.name: file.version for file in files}
    return Summary(tuple(spec.text for spec in request.specs), layer=layer, ignored=request.ignored)


def _tell(request: CondaRequest, files: Sequence[LockedFile], console: Console, by: str) -> None:
    for line in conda_summary(request, files).lines(by):
        console.note(line)


def _check_python(files: Sequence[LockedFile], request: CondaRequest, below: str | None) -> None:
    """Refuse a Python that is too old, or another one than that of the base below, if there is one."""
    for file in (file for file in files if file.name == "python"):
        oldest, found = ".".join(map(str, MINIMUM_PYTHON)), python_minor(file.version)
        if found < MINIMUM_PYTHON:
            raise _error_about(file, request, f"Python {file.version} is too old: ebsif needs {oldest} or newer")
        if below and found != python_minor(below):
            what = f"the base has {below}, and this is {file.version}"
            raise _error_about(file, request, f"with `stack: true`, Python must be that of the base: {what}")


def _error_about(file: LockedFile, request: CondaRequest, message: str) -> EbsifError:
    """Return an error about a file of the environment, where somebody has asked for it or locked it."""
    locked = [pinned for pinned in request.pinned if pinned.file.filename == file.filename]
    asked = [spec for spec in request.specs if spec.name == file.name]
    if locked:
        return error_at(locked[0], message)
    return InputError(asked[0].path, [(asked[0].number, message)]) if asked else ConflictError(message)


def _kept(previous: Lock | None, upgrade: Sequence[str]) -> list[LockedFile]:
    """Return the files of conda in the previous lock, except those of the packages to upgrade."""
    free = {name.lower() for name in upgrade}
    return [file for file in (previous.conda if previous else []) if file.key not in free]
