"""Where uv and Poetry take the packages of a project from, when that is no package index."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ebsif.document import MAXIMUM_SIZE
from ebsif.errors import FileError, InputError
from ebsif.files import read_text
from ebsif.lock.pip.line import Entry, Line
from ebsif.lock.pip.requirements import placed_line, url_on_disk
from ebsif.lock.pip.toml import parse_toml
from ebsif.lock.pip.tree import Tree

_CREDENTIALS = re.compile(r"//[^/@]*@")
# How ssh names a place, and other programs do not.
_SSH_PLACE = re.compile(r"(?P<host>[\w.-]+@[\w.-]+):(?!//)(?P<path>.+)")
_UV, _POETRY = "tool.uv.sources", "tool.poetry.dependencies"
# What names the place of a package, and what names an index.
_PLACES, _INDEXES = ("git", "path", "file", "workspace", "url"), ("index", "source")


@dataclass(frozen=True)
class Told:
    """One place that a tool takes a package from.

    Parameters
    ----------
    table
        What stands there.
    where
        The table in the file, for messages.
    path, number
        The file, and the line.
    """

    table: Mapping[str, Any]
    where: str
    path: Path
    number: int | None

    @property
    def kind(self) -> str | None:
        """Which of the keys counts."""
        return next((key for key in (*_PLACES, *_INDEXES) if self.table.get(key)), None)


def sources(content: Mapping[str, Any], path: Path) -> Mapping[str, Sequence[Told]]:
    """Return the places that the tools of a project, and of the workspace that it belongs to, take packages from.

    Parameters
    ----------
    content, path
        The ``pyproject.toml``, and its file.
    """
    root = _root(path)
    found = dict(_told(_read(root), root)) if root and root != path else {}
    return {**found, **dict(_told(content, path))}


def placed(line: Line, told: Sequence[Told], indexes: Mapping[str, str], allowed: Set[str]) -> Iterator[Line]:
    """Yield a requirement of a project, and the same with each place that a tool takes it from.

    Parameters
    ----------
    told
        Those places.
    indexes
        The addresses of indexes by the names that the tools have for them.
    allowed
        The addresses of the recipe's indexes.

    Raises
    ------
    InputError
        When it would come from an index that the recipe does not name, or the place is none.
    """
    # Its versions count wherever it comes from; and where the markers of all places leave it out, so does an index.
    yield line
    for each in told:
        if each.kind in _INDEXES:
            _check_index(line, each, indexes, allowed)
        elif each.kind:
            yield _from_place(line, each)


def _from_place(line: Line, told: Told) -> Line:
    requirement = Requirement(line.text)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    markers = [f"({marker})" for marker in (requirement.marker, told.table.get("marker")) if marker]
    shown, place = _place_of(requirement.name, told)
    entry = Entry(requirement.name + extras, told.path, told.number)
    return placed_line(entry, place, shown, " and ".join(markers))


def _place_of(name: str, told: Told) -> tuple[str, str]:
    """Return the place of a package as a person sees it, and as pip does."""
    table, value = told.table, told.table[str(told.kind)]
    within = f"#subdirectory={table['subdirectory']}" if table.get("subdirectory") else ""
    if told.kind == "git":
        ref = next((table[key] for key in ("rev", "tag", "branch") if table.get(key)), None)
        ssh = _SSH_PLACE.fullmatch(str(value))
        address = f"ssh://{ssh['host']}/{ssh['path']}" if ssh else str(value)
        place = f"git+{address.removeprefix('git+')}" + (f"@{ref}" if ref else "") + within
        return place, place
    if told.kind == "url":
        return str(value) + within, str(value) + within
    folder = _member(name, told) if told.kind == "workspace" else told.path.parent / str(value)
    shown = f"{folder.name}{within}" if told.kind == "workspace" else f"{value}{within}"
    return shown, url_on_disk(folder, Entry(name, told.path, told.number)) + within


def _check_index(line: Line, told: Told, indexes: Mapping[str, str], allowed: Set[str]) -> None:
    """Refuse an index that the recipe does not name: another may have a stranger's package of the same name."""
    value = str(told.table[str(told.kind)])
    url = indexes.get(value, "")
    if url and url in allowed:
        return
    message = f"{line.name} comes from {told.kind} {without_credentials(value)!r} ([{told.where}]), not any index"
    hint = "add the address of that index to `extra_indexes`" + (f" ({url})" if url else "")
    raise InputError(told.path, [(told.number, f"{message}: {hint}")])


def without_credentials(url: str) -> str:
    """Return an address as it may be shown."""
    return _CREDENTIALS.sub("//", url)


def _told(content: Mapping[str, Any], path: Path) -> Iterator[tuple[str, list[Told]]]:
    tools = _table(content, "tool")
    tables = {_POETRY: _table(_table(tools, "poetry"), "dependencies"), _UV: _table(_table(tools, "uv"), "sources")}
    lines = read_text(path, MAXIMUM_SIZE).splitlines()
    for where, table in tables.items():
        for name, value in table.items():
            number = next((at for at, line in enumerate(lines, 1) if f"{name} =" in line), None)
            places = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
            if places:
                yield canonicalize_name(name), [Told(each, where, path, number) for each in places]


def _root(path: Path) -> Path | None:
    """Return the ``pyproject.toml`` of the workspace of uv that a project belongs to."""
    above = [folder / "pyproject.toml" for folder in path.resolve().parents]
    candidates = [path, *above[1:]]
    return next((file for file in candidates if "workspace" in _table(_table(_read(file), "tool"), "uv")), None)


def _member(name: str, told: Told) -> Path:
    """Return the folder of a member of a workspace."""
    root = _root(told.path)
    workspace = _table(_table(_table(_read(root), "tool"), "uv"), "workspace") if root else {}
    patterns = [str(pattern) for pattern in workspace.get("members", [])] if root else []
    folders = [folder for pattern in patterns if root for folder in sorted(root.parent.glob(pattern))]
    for folder in [*folders, *([root.parent] if root else [])]:
        if canonicalize_name(Tree(folder).name or "") == canonicalize_name(name):
            return folder
    raise InputError(told.path, [(told.number, f"{name} comes from the workspace, which has no member of that name")])


def _read(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        return parse_toml(read_text(path, MAXIMUM_SIZE), path).data
    except (FileError, InputError):
        return {}  # who reads it for its own sake says what is wrong


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key, {})
    return value if isinstance(value, dict) else {}
