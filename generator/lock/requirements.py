"""What a recipe asks for: its own list of packages, requirements files as pip reads them, and ``pyproject.toml``."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from pip_requirements_parser import InstallationError, InstallRequirement, RequirementsFile

from ebsif.document import Document
from ebsif.errors import InputError
from ebsif.recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REASON = re.compile(r"^(Invalid requirement: |: |pip_requirements_parser: error: )+")
_REMOTE = re.compile(r"https?://")
_FILE_OPTION = re.compile(r"(?P<option>-r|-c|--requirement|--constraint)[ =]*(?P<file>\S.*)")
# Options in requirements files that change nothing in a lock; whatever else is not an index is refused.
_HARMLESS = ("requirements", "constraints", "prefer_binary", "require_hashes")


@dataclass(frozen=True)
class Entry:
    """A line of a list of requirements that is no file of its own.

    Parameters
    ----------
    text
        As it was written.
    path, number
        The file that it stands in, and the line.
    hashes
        As in `Line`.
    """

    text: str
    path: Path
    number: int | None = None
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One requirement or constraint.

    Parameters
    ----------
    text
        As pip reads it, without hashes; a wheel on this machine stands there as ``name @ file name``.
    path, number
        The file that it stands in, and the line.
    name
        The package; None for a URL that does not tell.
    hashes
        Those that its file must have one of, as ``sha256:…``.
    file
        The wheel on this machine that it means.
    """

    text: str
    path: Path
    number: int | None = None
    name: str | None = None
    hashes: tuple[str, ...] = ()
    file: Path | None = None

    def error(self, message: str) -> InputError:
        """Return an error about this line."""
        return InputError(self.path, [(self.number, message)])


@dataclass(frozen=True)
class Wanted:
    """All that a recipe asks for.

    Parameters
    ----------
    requirements, constraints
        The packages to have, and what else their versions must fit.
    index
        The package index to use instead of the default one.
    extra_indexes
        Those to use as well.
    """

    requirements: tuple[Line, ...]
    constraints: tuple[Line, ...] = ()
    index: str | None = None
    extra_indexes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The packages that are asked for, as written."""
        return tuple(dict.fromkeys(line.name or line.text for line in self.requirements))

    @property
    def indexes(self) -> tuple[str, ...]:
        """All package indexes that were named."""
        return (*([self.index] if self.index else []), *self.extra_indexes)


def wanted_packages(recipe: Recipe, document: Document, section: Sequence[Entry] = ()) -> Wanted:
    """Return all that a recipe asks for.

    Parameters
    ----------
    section
        What its environment of conda leaves to pip.

    Raises
    ------
    InputError
        With file and line, when a file is missing, or something in it cannot be used.
    """
    entries, named = _divided(section)
    for key, names in (("requirements", recipe.requirements), ("constraints", recipe.constraints)):
        named[key] += [Entry(file, document.path, document.line((key, at))) for at, file in enumerate(names)]
    files, more = ([_read(entry) for entry in named[key]] for key in ("requirements", "constraints"))
    entries += [Entry(text, document.path, document.line(("packages", at))) for at, text in enumerate(recipe.packages)]
    requirements = [*map(_line, entries), *_of_project(recipe, document)]
    constraints = [line for wanted in more for line in (*wanted.requirements, *wanted.constraints)]
    for wanted in files:
        requirements += wanted.requirements
        constraints += wanted.constraints
    for line in requirements:
        _check_format(line, recipe)
    index = next((wanted.index for wanted in reversed(files) if wanted.index), recipe.index)
    extra = [*recipe.extra_indexes, *(url for wanted in files for url in wanted.extra_indexes)]
    return Wanted(tuple(requirements), tuple(constraints), index, tuple(dict.fromkeys(extra)))


def _divided(section: Sequence[Entry]) -> tuple[list[Entry], dict[str, list[Entry]]]:
    """Return the packages in a section, and the files that it names."""
    packages: list[Entry] = []
    named: dict[str, list[Entry]] = {"requirements": [], "constraints": []}
    for entry in section:
        option = _FILE_OPTION.fullmatch(entry.text)
        if option:
            key = "requirements" if option["option"] in ("-r", "--requirement") else "constraints"
            named[key].append(replace(entry, text=option["file"]))
        elif entry.text.startswith("-"):
            hint = "of pip's options, -r and -c can stand here, and an index belongs into the recipe (`index`)"
            message = f"{entry.text!r} cannot be locked: {hint}"
            raise InputError(entry.path, [(entry.number, message)])
        else:
            packages.append(entry)
    return packages, named


def _line(entry: Entry) -> Line:
    """Return the line of a package that stands in the recipe itself, or in its environment of conda."""
    is_file = entry.text.endswith(".whl") and "@" not in entry.text and "://" not in entry.text
    line = (_local if is_file else _named)(entry.text, entry.path, entry.number)
    return replace(line, hashes=entry.hashes)


def _named(text: str, path: Path, number: int | None) -> Line:
    """Return the line of a requirement that begins with a name."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        message = f"{text!r} is not a package with a version, as in 'numpy>=2': {str(error).splitlines()[0]}"
        raise InputError(path, [(number, message)]) from error
    if requirement.url:
        _check_url(requirement.url, Line(text, path, number))
    return Line(str(requirement), path, number, requirement.name)


def _local(text: str, path: Path, number: int | None, *, extras: Sequence[str] = (), marker: str = "") -> Line:
    """Return the line of a wheel on this machine, named relative to the file that it stands in."""
    file = path.parent / text.removeprefix("file:").removeprefix("//")
    line = Line(file.name, path, number)
    if not file.is_file():
        raise line.error(f"there is no file {file}")
    try:
        name = parse_wheel_filename(file.name)[0]
    except InvalidWheelFilename as error:
        raise line.error(f"{file.name} is not how a wheel is called, as in 'hello-1.0-py3-none-any.whl'") from error
    wanted = f"{name}[{','.join(sorted(extras))}]" if extras else name
    return Line(f"{wanted} @ {file.name}" + (f" ; {marker}" if marker else ""), path, number, name, file=file)


def _check_url(url: str, line: Line) -> None:
    if url.startswith(("git+", "hg+", "svn+", "bzr+")):
        raise line.error(
            f"{url} names a version control system, which has no file with a SHA256: build a wheel, and name that"
        )


def _check_format(line: Line, recipe: Recipe) -> None:
    """Refuse a URL of a source package, which pip would build without further ado."""
    url = re.search(r"https?://[^\s;#]+", line.text)
    if url is None or urlsplit(url[0]).path.endswith(".whl"):
        return
    if line.name is None:
        raise line.error(f"{url[0]} is not a wheel: write it as 'name @ URL', and add the name to `allow_source`")
    if canonicalize_name(line.name) not in recipe.allow_source:
        raise line.error(f"{url[0]} is not a wheel: add {line.name} to `allow_source`")


def _of_project(recipe: Recipe, document: Document) -> Iterator[Line]:
    """Yield what a ``pyproject.toml`` names: the project's dependencies, and extras and groups that are asked for."""
    if recipe.pyproject is None:
        return
    path = document.path.parent / recipe.pyproject.file
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise document.error(("pyproject", "file"), f"cannot read {path}: {error.strerror}") from error
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
    lines = [_named(str(text), path, _line_of(text, path)) for text in texts]
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
            waiting += [_named(str(text), path, _line_of(text, path)) for text in texts]


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


def _read(entry: Entry) -> Wanted:
    """Read a requirements file, with all that it includes."""
    path = entry.path.parent / entry.text
    if not path.is_file():
        raise InputError(entry.path, [(entry.number, f"there is no file {path}")])
    try:
        read = RequirementsFile.from_file(str(path), include_nested=True)
    except InstallationError as error:
        raise InputError(path, [(None, str(error).replace("|n", ": "))]) from error
    except UnicodeDecodeError as error:
        raise InputError(path, [(None, "the file is not UTF-8 text")]) from error
    for wrong in read.invalid_lines:
        reason = _REASON.sub("", str(wrong.error_message).splitlines()[0])
        if "recursion" in reason:
            reason = "the file includes itself"
        message = f"pip cannot read {wrong.line!r}: {reason}"
        raise InputError(Path(wrong.filename or path), [(wrong.line_number, message)])
    index, extra = _options(read)
    lines = [(_converted(entry), bool(entry.is_constraint)) for entry in read.requirements]
    return Wanted(
        tuple(line for line, is_constraint in lines if not is_constraint),
        tuple(line for line, is_constraint in lines if is_constraint),
        index,
        tuple(extra),
    )


def _options(read: RequirementsFile) -> tuple[str | None, Sequence[str]]:
    """Return the package indexes that a requirements file names; refuse what a lock cannot keep."""
    index, extra = None, []
    for entry in read.options:
        line = entry.requirement_line
        for name, value in entry.options.items():
            if name == "index_url":
                index = value
            elif name == "extra_index_urls":
                extra += value
            elif name not in _HARMLESS:
                option = f"--{name.replace('_', '-')}"
                hint = {"no_binary": "; write the package into `allow_source` of the recipe"}.get(name, "")
                raise InputError(Path(line.filename), [(line.line_number, f"{option} cannot be locked{hint}")])
    return index, extra


def _converted(entry: InstallRequirement) -> Line:
    """Return a requirement that the library has read."""
    place = entry.requirement_line
    line = Line(place.line, Path(place.filename), place.line_number)
    if entry.link and entry.is_vcs_url:
        _check_url(str(entry.link.url), line)
    is_here = bool(entry.link) and not _REMOTE.match(str(entry.link.url))
    if entry.is_editable or (is_here and not entry.is_wheel):
        raise line.error(f"{place.line!r} is a source tree, which cannot be locked: build a wheel of it, and name that")
    hashes = _hashes(entry, line)
    extras, marker = sorted(entry.extras), str(entry.marker or "")
    if is_here:
        local = _local(str(entry.link.url), line.path, line.number, extras=extras, marker=marker)
        return replace(local, hashes=hashes)
    if entry.link:
        name = f"{entry.name}[{','.join(extras)}]" if extras else entry.name
        text = f"{name} @ {entry.link.url}" if entry.name else str(entry.link.url)
        return replace(line, text=text + (f" ; {marker}" if marker else ""), name=entry.name, hashes=hashes)
    text = str(entry.req) + (f" ; {marker}" if marker and ";" not in str(entry.req) else "")
    return replace(line, text=text, name=entry.name, hashes=hashes)


def _hashes(entry: InstallRequirement, line: Line) -> tuple[str, ...]:
    hashes = tuple(entry.hash_options or ())
    if hashes and not any(value.startswith("sha256:") for value in hashes):
        raise line.error("a lock has SHA256 only, and this line has only other hashes: add one with --hash=sha256:…")
    return hashes
