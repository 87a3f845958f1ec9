"""Reading ``pylock.toml`` (PEP 751), the lock that several tools write, by the library that knows the format."""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package as Written
from packaging.pylock import (
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.utils import canonicalize_name

from ebsif.lock.pip.line import Line
from ebsif.lock.pip.locked import Destination, File, ForeignLock, Package, Source, file_of, nobody_needs
from ebsif.lock.pip.toml import Toml

# Where in a file the library has found something wrong.
_AT = re.compile(r"packages\[(?P<at>\d+)\]")


def is_pylock(toml: Toml) -> bool:
    """Tell whether a file is a ``pylock.toml``."""
    return "lock-version" in toml.data


def read_pylock(toml: Toml, extras: Sequence[str], groups: Sequence[str], destination: Destination) -> ForeignLock:
    """Return what a ``pylock.toml`` has for a base.

    Raises
    ------
    InputError
        With the line, for what is not valid, and for extras and groups that are not there.
    """
    lock, numbers = _valid(toml)
    declared = {"extra": lock.extras or (), "group": (*(lock.dependency_groups or ()), *(lock.default_groups or ()))}
    for word, names in (("extra", extras), ("group", groups)):
        known = {str(canonicalize_name(name)) for name in declared[word]}
        for name in names:
            if name not in known:
                raise toml.error(None, f"there is no {word} '{name}'; there are: {', '.join(sorted(known)) or 'none'}")
    # Unlike those of a project, these belong to what its maker wants installed.
    taken = {*(lock.default_groups or ()), *groups}
    chosen = [
        (package, number)
        for package, number in zip(lock.packages, numbers, strict=True)
        if package.marker is None or _holds(package.marker, toml, number, destination, extras, taken)
    ]
    if lock.environments and not any(_holds(mark, toml, None, destination) for mark in lock.environments):
        there = "; ".join(map(str, lock.environments))
        raise toml.error(
            toml.line_of("environments"), f"the lock is for other machines than that of the base: {there}"
        )
    needs = {
        str(package.name): {str(canonicalize_name(str(need.get("name")))) for need in package.dependencies or ()}
        for package, _ in chosen
    }
    first = nobody_needs(needs) if any(needs.values()) else needs.keys()
    packages = tuple(replace(_package(item, number), is_asked=item.name in first) for item, number in chosen)
    python = str(lock.requires_python or "")
    line = Line(python, toml.path, toml.line_of("requires-python")) if python else None
    left_out = {
        f"the {word} {name}": f"the recipe does not name it in `{word}s`"
        for word, names in (("extra", extras), ("group", taken))
        for name in declared[word]
        if name not in names
    }
    return ForeignLock(toml.path, packages, line, left_out)


def _valid(toml: Toml) -> tuple[Pylock, list[int | None]]:
    """Return what the library reads, and the line of each package."""
    numbers: list[int | None] = []
    try:
        numbers = [number for _, number in toml.tables("packages")]
        return Pylock.from_dict(toml.data), numbers
    except PylockUnsupportedVersionError as error:
        raise toml.error(toml.line_of("lock-version"), f"{error}: a newer ebsif may read it") from error
    except PylockValidationError as error:
        found = _AT.search(error.context or "")
        number = numbers[int(found["at"])] if found and int(found["at"]) < len(numbers) else None
        raise toml.error(number, f"not as pylock.toml must be (PEP 751): {error}") from error


def _holds(
    marker: Marker,
    toml: Toml,
    number: int | None,
    destination: Destination,
    extras: Sequence[str] = (),
    groups: Iterable[str] = (),
) -> bool:
    chosen: dict[str, Set[str]] = {"extras": frozenset(extras), "dependency_groups": frozenset(groups)}
    environment: dict[str, str | Set[str]] = {**destination.markers, **chosen}
    try:
        return marker.evaluate(environment, context="lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise toml.error(number, f"{str(marker)!r} cannot be judged: {error}") from error


def _package(written: Written, number: int | None) -> Package:
    written_files: list[PackageWheel | PackageSdist] = [*(written.wheels or ())]
    written_files += [written.sdist] if written.sdist else []
    files = tuple(map(_file, written_files))
    version = str(written.version) if written.version else None
    source = None
    if written.archive:
        place = written.archive.url or written.archive.path or ""
        source = Source("url" if written.archive.url else "path", place)
        digest = written.archive.hashes.get("sha256")
        files = (File(file_of(place), f"sha256:{digest}".lower() if digest else None),)
    elif written.vcs:
        place = written.vcs.url or written.vcs.path or ""
        kind, commit = written.vcs.type, written.vcs.commit_id
        source = Source(kind, f"{kind}+{place}@{commit}")
        if kind == "git":
            source = Source.of_git(place, commit, written.vcs.subdirectory)
    elif written.directory:
        source = Source("directory", written.directory.path)
    return Package(str(written.name), version, number, files, written.index, source)


def _file(written: PackageWheel | PackageSdist) -> File:
    digest = written.hashes.get("sha256")
    return File(written.filename, f"sha256:{digest}".lower() if digest else None, written.url, written.path)
