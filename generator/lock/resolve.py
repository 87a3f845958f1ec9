"""Locking: pip's own resolver finds, where they will be installed, which files there must be."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.base.image import Base
from ebsif.console import Console
from ebsif.errors import ConflictError
from ebsif.lock.build import build_requirements
from ebsif.lock.download import download, formats, indexes
from ebsif.lock.ground import BASE, Ground, ground_of
from ebsif.lock.inputs import digest
from ebsif.lock.model import PIP, Lock, LockedFile
from ebsif.lock.pip import Pip, pip_on
from ebsif.lock.report import Report, from_base, host, locked_files
from ebsif.lock.requirements import Line, Wanted
from ebsif.recipe import Recipe
from ebsif.runtime import Runtime

# Names of files in the folder that the container sees.
_REQUIREMENTS, _CONSTRAINTS, _WHEELS = "requirements.txt", "constraints.txt", "wheels"


@dataclass(frozen=True)
class Resolved:
    """A lock, and what it does not need to hold.

    Parameters
    ----------
    lock
        The lock.
    from_base
        Version of each package that is asked for or depended on, and that the base has.
    """

    lock: Lock
    from_base: Mapping[str, str]


@dataclass(frozen=True)
class Wheels:
    """The part of a lock that pip has found.

    Parameters
    ----------
    files
        What is installed.
    build
        What only serves to build the source packages among it.
    from_base
        As in `Resolved`.
    """

    files: tuple[LockedFile, ...]
    build: tuple[LockedFile, ...]
    from_base: Mapping[str, str]

    @property
    def all(self) -> list[LockedFile]:
        """All files, by name."""
        return sorted([*self.files, *self.build], key=lambda file: canonicalize_name(file.name))


def resolve(
    wanted: Wanted,
    recipe: Recipe,
    base: Base,
    runtime: Runtime,
    sources: Path,
    console: Console,
    *,
    previous: Lock | None = None,
    upgrade: Sequence[str] = (),
) -> Resolved:
    """Find the files that a venv on a base needs, and put them into a folder; raises as `resolve_wheels` does."""
    ground = ground_of(base)
    wheels = resolve_wheels(
        wanted, recipe, ground, runtime, sources, console, previous=previous, upgrade=upgrade
    )
    build = tuple(sorted(file.name for file in wheels.build))
    return Resolved(Lock(digest(wanted, recipe, base.known()), (PIP, *wheels.all), build), wheels.from_base)


def resolve_wheels(
    wanted: Wanted,
    recipe: Recipe,
    ground: Ground,
    runtime: Runtime,
    sources: Path,
    console: Console,
    *,
    previous: Lock | None = None,
    upgrade: Sequence[str] = (),
) -> Wheels:
    """Find the files that must be installed beside what there is, and put them into a folder, with pip's own.

    Parameters
    ----------
    ground
        What they are put on.
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
        When the package index cannot be reached, or the files cannot be written.
    """
    there = _constraints(recipe, ground)
    kept = _kept(previous, {*(canonicalize_name(name) for name in upgrade), *there})
    with pip_on(ground, runtime, sources) as pip:
        with console.waiting("resolving packages"):
            report = _report(pip, wanted, recipe, list(there.values()), kept)
            default_host = _default_host(pip, wanted)
        files = locked_files(report, wanted, default_host)
        _check_hashes(files, wanted)
        download(pip, [PIP, *files], wanted, recipe, sources, console)
        build = _build_packages(pip, files, wanted, default_host, sources, console)
        download(pip, build, wanted, recipe, sources, console)
    return Wheels(tuple(files), tuple(build), from_base(report, wanted, ground, files))


def fetch(
    files: Iterable[LockedFile],
    wanted: Wanted,
    recipe: Recipe,
    ground: Ground,
    runtime: Runtime,
    sources: Path,
    console: Console,
) -> None:
    """Put the files of a lock into a folder; raises as `resolve_wheels` does."""
    with pip_on(ground, runtime, sources) as pip:
        download(pip, files, wanted, recipe, sources, console)


def _constraints(recipe: Recipe, ground: Ground) -> dict[str, str]:
    """Return the versions that are there, by name, so that nothing of it is replaced."""
    found: dict[str, str] = {}
    for package in ground.packages:
        name = canonicalize_name(package.name)
        free = name == PIP.name or (package.owner == BASE and name in recipe.allow_base_packages)
        if not free and _is_version(package.version):
            found.setdefault(name, f"{package.name}=={package.version}")
    return found


def _is_version(text: str) -> bool:
    """Tell whether pip can compare a version; old packages have others too."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _kept(previous: Lock | None, free: set[str]) -> list[str]:
    """Return the versions of a lock's wheels as constraints, but for those of some packages."""
    return [
        f"{file.name}=={file.version}"
        for file in (previous.files if previous else ())
        if not file.is_conda and canonicalize_name(file.name) not in free
    ]


def _report(pip: Pip, wanted: Wanted, recipe: Recipe, of_base: list[str], kept: list[str]) -> Report:
    """Return pip's report; the versions that should be kept give way if they must."""
    _write_requirements(pip, wanted)
    constraints = [*(line.text for line in wanted.constraints), *of_base]
    arguments = [*formats(recipe), *indexes(wanted), "--requirement", pip.inside(_REQUIREMENTS)]
    arguments += ["--constraint", pip.inside(_CONSTRAINTS)]
    if kept:
        _write_lines(pip, _CONSTRAINTS, [*constraints, *kept])
        try:
            return pip.report(arguments)
        except ConflictError:
            pass  # then without them
    _write_lines(pip, _CONSTRAINTS, constraints)
    return pip.report(arguments, [*wanted.requirements, *wanted.constraints])


def _default_host(pip: Pip, wanted: Wanted) -> str | None:
    """Return the host of the default package index's files, or the user's mirror: where pip's own file is."""
    if wanted.index or not wanted.extra_indexes:
        return None
    (item,) = pip.report(["--ignore-installed", "--no-deps", f"{PIP.name}=={PIP.version}"])["install"]
    return host(item)


def _write_requirements(pip: Pip, wanted: Wanted) -> None:
    (pip.folder / _WHEELS).mkdir(exist_ok=True)
    for line in wanted.requirements:
        if line.file:
            shutil.copy(line.file, pip.folder / _WHEELS)
    _write_lines(pip, _REQUIREMENTS, [_as_pip_sees(line, pip) for line in wanted.requirements])


def _as_pip_sees(line: Line, pip: Pip) -> str:
    """Return a requirement, with the path that a local wheel has in the container."""
    if line.file is None:
        return line.text
    return line.text.replace(f"@ {line.file.name}", f"@ file://{quote(pip.inside(f'{_WHEELS}/{line.file.name}'))}")


def _write_lines(pip: Pip, name: str, lines: Iterable[str]) -> None:
    (pip.folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _check_hashes(files: Iterable[LockedFile], wanted: Wanted) -> None:
    """Refuse a file that has none of the hashes which its requirement names."""
    locked = {canonicalize_name(file.name): file for file in files}
    for line in wanted.requirements:
        file = locked.get(canonicalize_name(line.name)) if line.name else None
        if file and line.hashes and f"sha256:{file.sha256}" not in line.hashes:
            raise line.error(f"{file.filename} has SHA256 {file.sha256}, which is none of those asked for")


def _build_packages(
    pip: Pip,
    files: Sequence[LockedFile],
    wanted: Wanted,
    default_host: str | None,
    sources: Path,
    console: Console,
) -> list[LockedFile]:
    """Return what else is needed to build the source packages among the files."""
    archives = [sources / file.filename for file in files if not file.filename.endswith(".whl")]
    needed = sorted({requirement for archive in archives for requirement in build_requirements(archive)})
    if not needed:
        return []
    _write_lines(pip, _CONSTRAINTS, [f"{file.name}=={file.version}" for file in files])
    arguments = ["--ignore-installed", "--only-binary", ":all:", *indexes(wanted)]
    with console.waiting("resolving what source packages are built with"):
        report = pip.report([*arguments, "--constraint", pip.inside(_CONSTRAINTS), *needed])
    there = {canonicalize_name(file.name) for file in files}
    found = locked_files(report, wanted, default_host)
    return [file for file in found if canonicalize_name(file.name) not in there]
