"""Locking an environment of conda: its solver finds the packages, and pip what comes on top of them."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from ebsif.base.image import Base
from ebsif.base.manifest import Manifest
from ebsif.conda.asked import Asked, error_at
from ebsif.conda.download import download, staged
from ebsif.conda.inputs import digest
from ebsif.conda.packages import checked
from ebsif.conda.prefix import has_python, installed
from ebsif.conda.solve import Solver
from ebsif.conda.virtual import platform_of, virtual_packages
from ebsif.console import Console
from ebsif.lock import resolve as pip
from ebsif.lock.model import PIP, Lock, LockedFile
from ebsif.lock.requirements import Wanted
from ebsif.lock.resolve import Resolved, Wheels, resolve_wheels
from ebsif.lock.sources import missing_files
from ebsif.lock.tools import provide, rattler
from ebsif.recipe import Recipe
from ebsif.runtime import Runtime


def resolve(
    asked: Asked,
    wanted: Wanted | None,
    recipe: Recipe,
    base: Base,
    runtime: Runtime,
    sources: Path,
    console: Console,
    *,
    previous: Lock | None = None,
    upgrade: Sequence[str] = (),
) -> Resolved:
    """Find the files that a conda layer needs, and put them into a folder: all of them, or none.

    Parameters
    ----------
    sources
        The folder for the files.
    previous
        A lock whose versions to keep where that is possible.
    upgrade
        Packages whose versions not to keep.

    Raises
    ------
    ConflictError
        When there is no set of packages that fits, with both sides.
    EbsifError
        When a channel cannot be reached, or the files cannot be written.
    """
    manifest = base.known()
    tool = rattler(manifest.machine)
    with staged(sources) as folder:
        files = _environment(asked, recipe, manifest, folder, console, _kept(previous, upgrade))
        wheels = Wheels((), (), {})
        if wanted and not has_python(files):
            raise wanted.requirements[0].error("packages of pip need a Python: add python to the environment")
        if wanted or (recipe.stack and manifest.python and has_python(files)):
            with installed(files, folder, recipe, base, runtime) as there:
                if wanted:
                    wheels = resolve_wheels(
                        wanted, recipe, there, runtime, folder, console, previous=previous, upgrade=upgrade
                    )
        tools = [tool, *([PIP] if wheels.files else [])]
        provide_missing(tools, folder)
    build = tuple(sorted(file.name for file in (*tools, *wheels.build)))
    inputs = digest(asked, wanted, recipe, manifest)
    return Resolved(Lock(inputs, (*tools, *files, *wheels.all), build), wheels.from_base)


def fetch(
    lock: Lock,
    wanted: Wanted | None,
    recipe: Recipe,
    base: Base,
    runtime: Runtime,
    sources: Path,
    console: Console,
) -> None:
    """Put the files of a lock into a folder; raises as `resolve` does."""
    wheels = [file for file in lock.files if not file.is_conda]
    tools = [file for file in wheels if file in (PIP, rattler(base.known().machine))]
    with staged(sources) as folder:
        download(lock.conda, folder, console)
        provide_missing(tools, folder)
        rest = [file for file in wheels if file not in tools]
        if wanted and missing_files(Lock("", tuple(rest)), folder):
            with installed(lock.conda, folder, recipe, base, runtime) as ground:
                pip.fetch(rest, wanted, recipe, ground, runtime, folder, console)


def provide_missing(tools: Iterable[LockedFile], folder: Path) -> None:
    """Put those of the tools into a folder that are not there yet."""
    for tool in missing_files(Lock("", tuple(tools)), folder):
        (folder / tool.filename).unlink(missing_ok=True)  # something else under its name
        provide(tool, folder, folder)


def _environment(
    asked: Asked, recipe: Recipe, base: Manifest, folder: Path, console: Console, kept: Sequence[LockedFile]
) -> list[LockedFile]:
    """Return the files of the environment, which lie in the folder then."""
    platform, virtual = platform_of(base), virtual_packages(base, recipe.virtual_packages)
    python = base.python.minor if recipe.stack and base.python else None
    if asked.pinned:
        download([pinned.file for pinned in asked.pinned], folder, console)
        files = checked(asked.pinned, folder, platform, virtual)
        _check_python(files, asked, python)
        return files
    with console.waiting("solving the environment"):
        files = asyncio.run(Solver(asked, platform, virtual).solve(kept, python))
    download(files, folder, console)
    return files


def _check_python(files: Sequence[LockedFile], asked: Asked, python: str | None) -> None:
    """Refuse another Python than that of the base below, if there is one."""
    for file in files:
        if python and file.name == "python" and file.version.split(".")[:2] != python.split("."):
            place = next(pinned for pinned in asked.pinned if pinned.file.filename == file.filename)
            what = f"the base has {python}, and this is {file.version}"
            raise error_at(place, f"with `stack: true`, Python must be that of the base: {what}")


def _kept(previous: Lock | None, upgrade: Sequence[str]) -> list[LockedFile]:
    """Return the files of conda in a lock, but for those of some packages."""
    free = {name.lower() for name in upgrade}
    return [file for file in (previous.conda if previous else []) if file.name not in free]
