"""The packages of a ``pyproject.toml``: the dependencies of the project, extras and groups that are asked for."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from ebsif.document import MAXIMUM_SIZE, Document
from ebsif.errors import FileError, InputError
from ebsif.files import read_text
from ebsif.lock.pip.line import Entry, Line
from ebsif.lock.pip.network import PYPI
from ebsif.lock.pip.requirements import named_line
from ebsif.lock.pip.toml import parse_toml
from ebsif.lock.pip.toolsources import placed, sources, without_credentials
from ebsif.recipe import Recipe


@dataclass(frozen=True)
class Project:
    """What a ``pyproject.toml`` asks for.

    Parameters
    ----------
    lines
        The packages.
    python
        The versions of Python that it allows, with their place; None for all.
    """

    lines: tuple[Line, ...]
    python: Line | None


def read_project(recipe: Recipe, document: Document, named: Set[str]) -> Project | None:
    """Return what the ``pyproject.toml`` of a recipe asks for; None when it names none.

    Parameters
    ----------
    named
        The packages whose file the recipe names itself, wherever the project's own tools take them from.

    Raises
    ------
    InputError
        When it cannot be read, or something in it cannot be locked.
    """
    if recipe.pyproject is None:
        return None
    path = document.path.parent / recipe.pyproject.file
    try:
        content = parse_toml(read_text(path, MAXIMUM_SIZE), path).data
    except InputError:
        raise
    except FileError as error:
        raise document.error(("pyproject", "file"), str(error)) from error
    project = _table(content, "project", path)
    if "dependencies" in project.get("dynamic", []):
        message = "the dependencies are dynamic, so that they are only known when the project is built"
        raise InputError(path, [(_line_of("dynamic", path), message)])
    if not ("dependencies" in project or recipe.pyproject.extras or recipe.pyproject.groups):
        raise InputError(path, [_without_dependencies(content, path)])
    texts = _texts(project.get("dependencies", []), "dependencies", path)
    for extra in recipe.pyproject.extras:
        texts += _extra(project, extra, path)
    for group in recipe.pyproject.groups:
        texts += _group(_table(content, "dependency-groups", path), group, path, ())
    lines = [named_line(Entry(text, path, _line_of(text, path))) for text in texts]
    tools = _table(content, "tool", path)
    indexes = {url.rstrip("/") for url in (recipe.index, *recipe.extra_indexes, PYPI) if url}
    _check_indexes(tools, indexes, path)
    elsewhere = sources(content, path)
    names = {str(item.get("name")): _url(item) for item in _indexes(tools, path)}
    found: list[Line] = []
    for line in _without_itself(lines, project, set(recipe.pyproject.extras), path):
        key = canonicalize_name(line.name or "")
        found += placed(line, () if key in named else elsewhere.get(key, ()), names, indexes)
    return Project(tuple(found), _python(project, path))


def _without_dependencies(content: Mapping[str, Any], path: Path) -> tuple[int | None, str]:
    """Return line and message of a file that does not say what its project depends on."""
    tools = _table(content, "tool", path)
    elsewhere = "write them into [project] as `dependencies`, or into a requirements file"
    for tool in sorted(name for name, table in tools.items() if isinstance(table, dict) and "dependencies" in table):
        return _line_of(f"[tool.{tool}.dependencies]", path), (
            f"the dependencies stand in [tool.{tool}.dependencies], which only {tool} reads: {elsewhere}"
        )
    others = [name for name in ("setup.py", "setup.cfg", "requirements.txt") if (path.parent / name).is_file()]
    if others:
        return None, f"there are no `dependencies` in [project], and there is {others[0]} beside it: {elsewhere}"
    parts = [*_table(_table(content, "project", path), "optional-dependencies", path)]
    groups = [*_table(content, "dependency-groups", path)]
    more = [f"its {what} ({', '.join(names)})" for what, names in (("extras", parts), ("groups", groups)) if names]
    ask = f"; or ask for {' or '.join(more)} in the recipe" if more else ""
    return None, f"there are no `dependencies` in [project], so that nothing would be installed: {elsewhere}{ask}"


def _python(project: Mapping[str, Any], path: Path) -> Line | None:
    """Return the versions of Python that a project allows."""
    text = project.get("requires-python")
    if text is None:
        return None
    line = Line(str(text), path, _line_of("requires-python", path))
    try:
        SpecifierSet(line.text)
    except InvalidSpecifier as error:
        raise line.error(f"requires-python: {text!r} is not a range of versions, as in '>=3.11'") from error
    return line


def _check_indexes(tools: Mapping[str, Any], indexes: Set[str], path: Path) -> None:
    """Refuse an index that uv or Poetry look for all packages in, and the recipe does not name."""
    for item in _indexes(tools, path):
        url = _url(item)
        if url and url not in indexes and not (item.get("explicit") or item.get("priority") == "explicit"):
            message = f"packages may come from the index {url}, too: add it to `extra_indexes`, or as `index`"
            raise InputError(path, [(_line_of(str(item["url"]), path), message)])


def _indexes(tools: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return the package indexes that uv and Poetry are told."""
    tables = ((_table(tools, "uv", path), "index"), (_table(tools, "poetry", path), "source"))
    return [item for table, key in tables for item in _list(table, key, path) if isinstance(item, dict)]


def _url(item: Mapping[str, Any]) -> str:
    """Return the address of an index as it is compared, and may be shown."""
    return without_credentials(str(item.get("url", ""))).rstrip("/")


def _table(parent: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    """Return a table in another one; an empty one where it is not there."""
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise InputError(path, [(_line_of(key, path), f"{key} must be a table")])
    return value


def _list(parent: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    """Return a list in a table; an empty one where it is not there."""
    value = parent.get(key, [])
    if not isinstance(value, list):
        raise InputError(path, [(_line_of(key, path), f"{key} must be a list")])
    return list(value)


def _texts(value: Any, what: str, path: Path) -> list[str]:
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise InputError(path, [(_line_of(what, path), f"{what} must be a list of texts")])
    return list(value)


def _extra(project: Mapping[str, Any], name: str, path: Path) -> list[str]:
    """Return the packages of an extra."""
    return _texts(_part(_table(project, "optional-dependencies", path), name, "extra", path), name, path)


def _without_itself(
    lines: Sequence[Line], project: dict[str, Any], extras: set[str], path: Path
) -> Iterator[Line]:
    """Yield requirements, with those on extras of the project itself replaced by what these name.

    An index may have another project of the same name, which must not be taken for it.

    Parameters
    ----------
    extras
        Those whose requirements are there already.
    """
    own = canonicalize_name(str(project.get("name", "")))
    waiting = list(lines)
    while waiting:
        line = waiting.pop(0)
        if not line.name or canonicalize_name(line.name) != own:
            yield line
            continue
        requirement = Requirement(line.text)
        if requirement.marker:
            raise line.error(f"{line.text!r} is the project itself with a marker: write out what its extras name")
        for extra in sorted({canonicalize_name(name) for name in requirement.extras} - extras):
            extras.add(extra)
            waiting += [named_line(Entry(text, path, _line_of(text, path))) for text in _extra(project, extra, path)]


def _part(parts: Mapping[str, Any], name: str, what: str, path: Path) -> Any:
    found = {canonicalize_name(key): value for key, value in parts.items()}
    if canonicalize_name(name) not in found:
        known = ", ".join(sorted(parts)) or "none"
        raise InputError(path, [(None, f"there is no {what} '{name}'; there are: {known}")])
    return found[canonicalize_name(name)]


def _group(groups: Mapping[str, Any], name: str, path: Path, within: tuple[str, ...]) -> Iterator[str]:
    """Yield the packages of a dependency group (PEP 735)."""
    if name in within:
        raise InputError(path, [(None, f"the dependency group '{name}' includes itself")])
    items = _part(groups, name, "dependency group", path)
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, dict) and item.keys() == {"include-group"}:
            yield from _group(groups, canonicalize_name(str(item["include-group"])), path, (*within, name))
        else:
            yield from _texts([item], name, path)


def _line_of(text: str, path: Path) -> int | None:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if text in line), None)
