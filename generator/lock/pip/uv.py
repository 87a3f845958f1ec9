"""Reading ``uv.lock``: what the project needs on the base, found by following who needs whom."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from packaging.utils import canonicalize_name

from ebsif.lock.pip.line import Line
from ebsif.lock.pip.locked import Destination, File, ForeignLock, Package, Source, file_of, sha256_of
from ebsif.lock.pip.toml import Toml

# What a project may have beside its dependencies, and how people call that.
_PARTS = {"optional-dependencies": "extra", "dev-dependencies": "group"}


def is_uv(toml: Toml) -> bool:
    """Tell whether a file is a ``uv.lock``."""
    return {"version", "requires-python"} <= toml.data.keys()


def read_uv(toml: Toml, extras: Sequence[str], groups: Sequence[str], destination: Destination) -> ForeignLock:
    """Return what a ``uv.lock`` has for a base.

    Raises
    ------
    InputError
        With the line, for what cannot be read, and for extras and groups that are not there.
    """
    if toml.data.get("version") != 1:
        raise toml.error(toml.line_of("version"), "only version 1 of uv.lock can be read: lock again with a newer uv")
    if toml.data.get("conflicts"):
        raise toml.error(
            toml.line_of("conflicts"),
            "some extras or groups of the project exclude each other: `uv export --format pylock.toml -o pylock.toml`, "
            "with the --extra or --group to have, writes a lock of one choice, which can be named instead",
        )
    graph = _Graph(toml, destination)
    wanted = {"optional-dependencies": extras, "dev-dependencies": groups}
    for root in graph.roots(wanted):
        graph.follow(root)
    python = toml.part(toml.data, "requires-python", str)
    line = Line(python, toml.path, toml.line_of("requires-python")) if python else None
    return ForeignLock(toml.path, tuple(graph.found()), line, graph.left_out(wanted))


@dataclass(frozen=True)
class _Need:
    """A package that another one, or the project, needs.

    Parameters
    ----------
    table
        As the lock has it.
    number
        The line of who needs it.
    """

    table: Mapping[str, Any]
    number: int | None


class _Graph:
    """The packages of a lock, and which of them are needed."""

    def __init__(self, toml: Toml, destination: Destination) -> None:
        self._toml = toml
        self._destination = destination
        self._entries = toml.tables("package")
        self._by_name: dict[str, list[int]] = {}
        for at, (table, number) in enumerate(self._entries):
            key = canonicalize_name(self._text(table, "name", number))
            self._by_name.setdefault(key, []).append(at)
        # By place in the file: the extras that are needed, and whether the project itself asks for it.
        self._extras: dict[int, set[str]] = {}
        self._asked: set[int] = set()

    def roots(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[_Need]:
        """Yield what the project needs, and its extras and groups that are asked for.

        Parameters
        ----------
        wanted
            Names of these, by the key that they stand under.
        """
        projects = self._projects()
        for kind, names in wanted.items():
            known = {part for table, number in projects for part in self._parts(table, kind, number)}
            for name in names:
                if name not in known:
                    there = ", ".join(sorted(known)) or "none"
                    raise self._toml.error(None, f"there is no {_PARTS[kind]} '{name}'; there are: {there}")
        for table, number in projects:
            yield from self._needs(table, "dependencies", number)
            for kind, names in wanted.items():
                parts = self._parts(table, kind, number)
                for name in names:
                    yield from parts.get(name, ())
        # A script is no package.
        yield from self._needs(self._manifest, "requirements", self._toml.line_of("requirements"))

    def follow(self, need: _Need) -> None:
        """Find a package that the project needs, and all that it needs itself."""
        waiting = [(need, True)]
        while waiting:
            need, is_asked = waiting.pop()
            if not self._holds(need.table.get("marker"), need.number):
                continue
            at = self._entry(need)
            table, number = self._entries[at]
            extras = {canonicalize_name(str(extra)) for extra in self._toml.part(need.table, "extra", list, number)}
            is_new, known = at not in self._extras, self._extras.setdefault(at, set())
            parts = self._parts(table, "optional-dependencies", number)
            inner = self._needs(table, "dependencies", number) if is_new else []
            inner += [found for extra in extras - known for found in parts.get(extra, ())]
            # What an own package needs, the project needs.
            waiting += [(found, self._is_own(at)) for found in inner]
            known |= extras
            if is_asked:
                self._asked.add(at)

    def found(self) -> Iterator[Package]:
        """Yield the packages that are needed, in the order of the file."""
        for at in sorted(self._extras):
            if not self._is_own(at):
                extras = tuple(sorted(self._extras[at]))
                yield replace(self._package(*self._entries[at]), extras=extras, is_asked=at in self._asked)

    def left_out(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Return what of the project is not taken, and why."""
        said = {}
        for table, number in self._projects():
            said[f"{table.get('name')} itself"] = "of the project, only what it needs is taken"
            for kind, names in wanted.items():
                for name in self._parts(table, kind, number).keys() - set(names):
                    said[f"the {_PARTS[kind]} {name}"] = f"the recipe does not name it in `{_PARTS[kind]}s`"
        return said

    @property
    def _manifest(self) -> dict[str, Any]:
        return dict(self._toml.part(self._toml.data, "manifest", dict))

    def _projects(self) -> list[tuple[dict[str, Any], int | None]]:
        """Return the project; of a workspace whose root is none, all its members."""
        return [self._entries[at] for at in self._own]

    @cached_property
    def _own(self) -> list[int]:
        at_root = [at for at, entry in enumerate(self._entries) if "." in self._source(*entry).values()]
        members = self._toml.part(self._manifest, "members", list)
        return at_root or [at for name in members for at in self._by_name.get(canonicalize_name(str(name)), ())]

    def _is_own(self, at: int) -> bool:
        """Tell whether a package is the project itself, or another of its workspace that is never installed."""
        return at in self._own or "virtual" in self._source(*self._entries[at])

    def _entry(self, need: _Need) -> int:
        """Return the place of the package that fits what is needed."""
        name = self._text(need.table, "name", need.number)
        version, source = need.table.get("version"), need.table.get("source")
        found = [
            at
            for at in self._by_name.get(canonicalize_name(name), ())
            if version in (None, self._entries[at][0].get("version"))
            and source in (None, self._entries[at][0].get("source"))
            and self._fits(*self._entries[at])
        ]
        if len(found) == 1:
            return found[0]
        what = f"{len(found)} packages" if found else "no package"
        raise self._toml.error(need.number, f"{what} {name} for this base: lock again with `uv lock`")

    def _fits(self, table: Mapping[str, Any], number: int | None) -> bool:
        marks = self._toml.part(table, "resolution-markers", list, number)
        return not marks or any(self._holds(mark, number) for mark in marks)

    def _holds(self, marker: Any, number: int | None) -> bool:
        try:
            return self._destination.holds(None if marker is None else str(marker))
        except ValueError as error:
            raise self._toml.error(number, str(error)) from error

    def _needs(self, table: Mapping[str, Any], key: str, number: int | None) -> list[_Need]:
        items = self._toml.part(table, key, list, number)
        return [_Need(item if isinstance(item, dict) else {}, number) for item in items]

    def _parts(self, table: Mapping[str, Any], kind: str, number: int | None) -> dict[str, list[_Need]]:
        """Return the extras or groups of a package."""
        parts = self._toml.part(table, kind, dict, number)
        return {str(canonicalize_name(name)): self._needs(parts, name, number) for name in parts}

    def _package(self, table: Mapping[str, Any], number: int | None) -> Package:
        name = self._text(table, "name", number)
        version = self._toml.part(table, "version", str, number) or None
        source = self._source(table, number)
        kind, value = next(iter(source.items()))
        files = tuple(self._files(table, number, value if kind == "registry" else ""))
        index = value if kind == "registry" and "://" in value else None
        elsewhere = Source.of_git_url(value) if kind == "git" else Source(kind, value) if kind != "registry" else None
        return Package(name, version, number, files, index, elsewhere)

    def _source(self, table: Mapping[str, Any], number: int | None) -> dict[str, str]:
        source = table.get("source")
        if not (isinstance(source, dict) and source and all(isinstance(value, str) for value in source.values())):
            raise self._toml.error(number, "the package does not say where it comes from (`source`), as uv writes it")
        return source

    def _files(self, table: Mapping[str, Any], number: int | None, registry: str) -> Iterator[File]:
        """Yield the files of a package.

        Parameters
        ----------
        registry
            The index, or the folder of files that serves as one.
        """
        sdist = self._toml.part(table, "sdist", dict, number)
        for item in [*self._toml.part(table, "wheels", list, number), *([sdist] if sdist else [])]:
            if not isinstance(item, dict):
                raise self._toml.error(number, "wheels must be a list of tables")
            url, path, name = (self._toml.part(item, key, str, number) for key in ("url", "path", "filename"))
            beside = posixpath.join(registry, path) if path else None
            called = name or posixpath.basename(path) or file_of(url)
            yield File(called, sha256_of(item.get("hash")), url or None, beside)

    def _text(self, table: Mapping[str, Any], key: str, number: int | None) -> str:
        value = table.get(key)
        if not (isinstance(value, str) and value):
            raise self._toml.error(number, f"a package without {key}: this is not as uv writes it")
        return value
