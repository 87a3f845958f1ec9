"""Locking wheels: pip's own resolver finds, where they will be installed, which files there must be."""

import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.base.image import Base
from ebsif.console import Console
from ebsif.errors import ConflictError
from ebsif.lock.model import PIP, Lock, LockedFile, Solution
from ebsif.lock.pip.build import backend_requirements, build_system
from ebsif.lock.pip.download import download, formats, local_indexes
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.network import default_index
from ebsif.lock.pip.passed import passed_over
from ebsif.lock.pip.pip import Pip
from ebsif.lock.pip.place import pip_on
from ebsif.lock.pip.prepare import prepare, restore
from ebsif.lock.pip.report import Report, addresses, from_base, listed_at, locked_files, summary_of
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.summary import Summary
from ebsif.lock.target import BASE, Installed, Target, target_of
from ebsif.lock.tools import provide
from ebsif.runtime import Runtime

# Names of files in the folder that the container sees.
_REQUIREMENTS, _CONSTRAINTS, _WHEELS = "requirements.txt", "constraints.txt", "wheels"


@dataclass(frozen=True)
class Wheels:
    """The part of a lock that pip has found.

    Parameters
    ----------
    files
        What is installed.
    build
        What only serves to build the source packages among it.
    summary, warnings
        As in `Solution`.
    """

    files: tuple[LockedFile, ...] = ()
    build: tuple[LockedFile, ...] = ()
    summary: Summary = field(default_factory=Summary)
    warnings: tuple[str, ...] = ()

    @property
    def all(self) -> list[LockedFile]:
        """All files, by name."""
        return sorted([*self.files, *self.build], key=lambda file: file.key)


def resolve(
    request: PipRequest,
    base: Base,
    runtime: Runtime | None,
    folder: Path,
    console: Console,
    *,
    previous: Lock | None,
    upgrade: Sequence[str],
) -> Solution:
    """Find the files that a venv on a base needs, and put them into a folder; raises as `resolve_wheels` does."""
    target = target_of(base)
    wheels = resolve_wheels(request, target, runtime, folder, console, previous=previous, upgrade=upgrade)
    build = tuple(sorted(file.name for file in wheels.build))
    return Solution((PIP, *wheels.all), build, wheels.summary, wheels.warnings)


def resolve_wheels(
    request: PipRequest,
    target: Target,
    runtime: Runtime | None,
    folder: Path,
    console: Console,
    *,
    previous: Lock | None,
    upgrade: Sequence[str],
    by: str = "",
) -> Wheels:
    """Find the files that must be installed for a Python, and put them into a folder, with pip's own.

    Parameters
    ----------
    previous
        A lock whose versions to keep where that is possible.
    upgrade
        Packages whose versions not to keep.
    by
        As in `Summary.lines`.

    Raises
    ------
    ConflictError
        When no set of packages fits, with both sides.
    EbsifError
        When the package index cannot be reached, or the files cannot be written.
    """
    asked, there = request, _constraints(request, target)
    provide([PIP], folder)
    with pip_on(target, runtime, folder, local_indexes(request)) as pip:
        ready = prepare(pip, request, folder, console)
        request = ready.request
        kept = _kept(previous, {*(canonicalize_name(name) for name in upgrade), *there, *ready.files})
        with console.waiting("resolving packages"):
            report = _report(pip, request, list(there.values()), kept)
            while pip.learn(request.options.words()):
                report = _report(pip, request, list(there.values()), kept)
        warnings = tuple(passed_over(report, request, pip.log()))
        files = _locked_files(pip, report, request, ready.files)
        files += _instead_of_base(ready.files, files, request, target)
        _check_hashes(files, request)
        there_already = from_base(report, request, target, files)
        summary = summary_of(asked, report["environment"], target.packages, files, there_already)
        for line in summary.lines(by):
            console.note(line)
        download(pip, files, request, folder, console, addresses(report))
        build = _build_packages(pip, files, request, folder, console)
    return Wheels(tuple(files), tuple(build), summary, warnings)


def fetch(
    lock: Lock, request: PipRequest, base: Base, runtime: Runtime | None, folder: Path, console: Console
) -> None:
    """Put the files of the lock of a venv into a folder; raises as `resolve_wheels` does."""
    fetch_wheels(lock.files, request, target_of(base), runtime, folder, console)


def fetch_wheels(
    files: Iterable[LockedFile],
    request: PipRequest,
    target: Target,
    runtime: Runtime | None,
    folder: Path,
    console: Console,
) -> None:
    """Put the wheels of a lock into a folder; raises as `resolve_wheels` does."""
    provide([PIP], folder)
    wanted = list(files)
    with pip_on(target, runtime, folder, local_indexes(request)) as pip:
        restore(pip, wanted, request, folder, console)
        download(pip, wanted, request, folder, console)


def _constraints(request: PipRequest, target: Target) -> dict[str, str]:
    """Pin each package of the target by name, so that none is replaced but those that the recipe allows."""
    found: dict[str, str] = {}
    for package in target.packages:
        free = package.key == PIP.key or (package.owner == BASE and package.key in request.allow_base_packages)
        if not free and _can_be_pinned(package):
            found.setdefault(package.key, f"{package.name}=={package.version}")
    return found


def _can_be_pinned(package: Installed) -> bool:
    """Tell whether pip can compare a package that is there; old ones have other versions, and odd ones other names."""
    try:
        canonicalize_name(package.name, validate=True)
        Version(package.version)
    except (InvalidName, InvalidVersion):
        return False
    return True


def _kept(previous: Lock | None, free: set[str]) -> list[str]:
    """Pin each wheel of the previous lock, except the packages in `free`."""
    wheels = previous.pip if previous else []
    return [f"{file.name}=={file.version}" for file in wheels if file.key not in free]


def _report(pip: Pip, request: PipRequest, of_base: list[str], kept: list[str]) -> Report:
    """Return pip's report; the versions that should be kept give way if they must."""
    _write_requirements(pip, request)
    constraints = [*(line.text for line in request.constraints), *of_base]
    arguments = [*formats(request), *request.options.words(), "--requirement", pip.inside(_REQUIREMENTS)]
    arguments += ["--constraint", pip.inside(_CONSTRAINTS)]
    if kept:
        _write_lines(pip, _CONSTRAINTS, [*constraints, *kept])
        try:
            return pip.report(arguments)
        except ConflictError:
            pass  # then without them
    _write_lines(pip, _CONSTRAINTS, constraints)
    return pip.report(arguments, [*request.requirements, *request.constraints])


def _locked_files(
    pip: Pip, report: Report, request: PipRequest, ready: Mapping[str, LockedFile]
) -> list[LockedFile]:
    """Return the files in the last report of pip, each with its address where the default index does not list it."""
    default = default_index()
    elsewhere = request.options.elsewhere
    # An extra index that is this user's default one need not be that of others.
    if not elsewhere or default.rstrip("/") in {url.rstrip("/") for url in elsewhere}:
        return locked_files(report, request, frozenset(), ready)
    return locked_files(report, request, listed_at(default, pip.log()), ready)


def _instead_of_base(
    ready: Mapping[str, LockedFile], files: Sequence[LockedFile], request: PipRequest, target: Target
) -> list[LockedFile]:
    """Return the files that pip leaves out, since there is something of that name and version already."""
    left_out = [file for key, file in ready.items() if key not in {other.key for other in files}]
    for file in left_out:
        there = target.find(file.name)
        if file.key not in request.allow_base_packages:
            raise ConflictError(
                f"{there.owner if there else BASE} has {file.name} {file.version}, too: to replace it in the layer, "
                f"add {file.key} to `allow_base_packages`"
            )
    return left_out


def _write_requirements(pip: Pip, request: PipRequest) -> None:
    (pip.folder / _WHEELS).mkdir(exist_ok=True)
    for line in request.requirements:
        if line.file:
            shutil.copy(line.file, pip.folder / _WHEELS)
    _write_lines(pip, _REQUIREMENTS, [_as_pip_sees(line, pip) for line in request.requirements])


def _as_pip_sees(line: Line, pip: Pip) -> str:
    """Return a requirement, with the path that a local wheel has in the container."""
    if line.file is None:
        return line.text
    return line.text.replace(f"@ {line.file.name}", f"@ file://{quote(pip.inside(f'{_WHEELS}/{line.file.name}'))}")


def _write_lines(pip: Pip, name: str, lines: Iterable[str]) -> None:
    (pip.folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _check_hashes(files: Iterable[LockedFile], request: PipRequest) -> None:
    """Refuse a file that has none of the hashes which its requirement or constraint names."""
    locked = {file.key: file for file in files}
    for line in (*request.requirements, *request.constraints):
        file = locked.get(canonicalize_name(line.name)) if line.name else None
        if file and line.hashes and f"sha256:{file.sha256}" not in line.hashes:
            raise line.error(f"{file.filename} has SHA256 {file.sha256}, which is none of those asked for")


def _build_packages(
    pip: Pip,
    files: Sequence[LockedFile],
    request: PipRequest,
    folder: Path,
    console: Console,
) -> list[LockedFile]:
    """Return what else is needed to build the source packages among the files; all of it lies in the folder then."""
    archives = [file for file in files if not file.filename.endswith(".whl")]
    if not archives:
        return []
    _write_lines(pip, _CONSTRAINTS, [f"{file.name}=={file.version}" for file in files])
    systems = [build_system(folder / archive.filename, archive.start_dir) for archive in archives]
    needed = {requirement for system in systems for requirement in system.requires}
    found = _build_closure(pip, needed, request, folder, console)
    with console.waiting("asking build backends what they need"):
        asked = backend_requirements(pip, archives, found, folder)
    if asked - needed:
        first, found = found, _build_closure(pip, needed | asked, request, folder, console)
        for file in {*first} - {*found, *files}:
            (folder / file.filename).unlink()
    there = {file.key for file in files}
    return [file for file in found if file.key not in there]


def _build_closure(
    pip: Pip, needed: Set[str], request: PipRequest, folder: Path, console: Console
) -> list[LockedFile]:
    """Return the wheels of packages and of all that these depend on, which lie in the folder then."""
    arguments = ["--ignore-installed", "--only-binary", ":all:", *request.options.words()]
    arguments += ["--constraint", pip.inside(_CONSTRAINTS), *sorted(needed)]
    with console.waiting("resolving what source packages are built with"):
        if not needed:
            return []
        report = pip.report(arguments)
        found = _locked_files(pip, report, request, {})
    download(pip, found, request, folder, console, addresses(report))
    return found
