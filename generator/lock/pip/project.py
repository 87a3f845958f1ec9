"""The packages of a ``pyproject.toml``: the dependencies of the project, extras and groups that are asked for."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ebsif.document import MAXIMUM_SIZE, Document
from ebsif.errors import FileError, InputError
from ebsif.files import read_text
from ebsif.lock.pip.line import Line, named_line
from ebsif.recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def project_lines(recipe: Recipe, document: Document) -> Iterator[Line]:
    """Yield what the ``pyproject.toml`` of a recipe names.

    Raises
    ------
    InputError
        When it cannot be read, or something in it cannot be locked.
    """
    if recipe.pyproject is None:
        return
    path = document.path.parent / recipe.pyproject.file
    try:
        content = tomllib.loads(read_text(path, MAXIMUM_SIZE))
    except InputError:
        raise
    except FileError as error:
        raise document.error(("pyproject", "file"), str(error)) from error
    except ValueError as error:
        raise InputError(path, [(None, f"not TOML: {error}")]) from error
    project = content.get("project", {})
    if "dependencies" in project.get("dynamic", []):
        message = "the dependencies are dynamic, so that they are only known when the project is built"
        raise InputError(path, [(_line_of("dynamic", path), message)])
    texts = list(project.get("dependencies", []))
    for extra in recipe.pyproject.extras:
        texts += _part(project.get("optional-dependencies", {}), extra, "extra", path)
    for group in recipe.pyproject.groups:
        texts += _group(content.get("dependency-groups", {}), group, path, ())
    lines = [named_line(str(text), path, _line_of(text, path)) for text in texts]
    yield from _without_itself(lines, project, set(recipe.pyproject.extras), path)


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
            texts = _part(project.get("optional-dependencies", {}), extra, "extra", path)
            waiting += [named_line(str(text), path, _line_of(text, path)) for text in texts]


def _part(parts: dict[str, Any], name: str, what: str, path: Path) -> list[Any]:
    found = {canonicalize_name(key): value for key, value in parts.items()}
    if canonicalize_name(name) not in found:
        known = ", ".join(sorted(parts)) or "none"
        raise InputError(path, [(None, f"there is no {what} '{name}'; there are: {known}")])
    return list(found[canonicalize_name(name)])


def _group(groups: dict[str, Any], name: str, path: Path, within: tuple[str, ...]) -> Iterator[str]:
    """Yield the packages of a dependency group (PEP 735)."""
    if name in within:
        raise InputError(path, [(None, f"the dependency group '{name}' includes itself")])
    for item in _part(groups, name, "dependency group", path):
        if isinstance(item, dict):
            yield from _group(groups, canonicalize_name(str(item.get("include-group"))), path, (*within, name))
        else:
            yield item


def _line_of(text: str, path: Path) -> int | None:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if text in line), None)
