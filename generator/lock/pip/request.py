"""What a recipe asks pip for: its own packages, requirements files as pip reads them, and ``pyproject.toml``."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from pip_requirements_parser import InstallationError, InstallRequirement, RequirementLine, RequirementsFile

from ebsif.document import Document
from ebsif.errors import InputError
from ebsif.lock.pip.line import Entry, Line, check_url, named_line
from ebsif.lock.pip.project import read_project
from ebsif.recipe import Recipe
from ebsif.values import index_url

_REASON = re.compile(r"^(Invalid requirement: |: |pip_requirements_parser: error: )+")
_REMOTE = re.compile(r"https?://")
_FILE_OPTION = re.compile(r"(?P<option>-r|-c|--requirement|--constraint)[ =]*(?P<file>\S.*)")
_INCLUDED = 100  # files that a requirements file may include, together
# Options in requirements files that change nothing in a lock; whatever else is not an index is refused.
_HARMLESS = ("requirements", "constraints", "prefer_binary", "require_hashes")


@dataclass(frozen=True)
class PipRequest:
    """All that a recipe asks pip for.

    Parameters
    ----------
    requirements, constraints
        The packages to have, and what else their versions must fit.
    index
        The package index to use instead of the default one.
    extra_indexes
        Those to use as well.
    allow_base_packages
        The packages of the base that may be replaced.
    allow_source
        The packages that may be built from source.
    python
        The versions of Python that the project of a ``pyproject.toml`` allows.
    """

    requirements: tuple[Line, ...]
    constraints: tuple[Line, ...] = ()
    index: str | None = None
    extra_indexes: tuple[str, ...] = ()
    allow_base_packages: tuple[str, ...] = ()
    allow_source: tuple[str, ...] = ()
    python: Line | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The packages that are asked for, as written."""
        return tuple(dict.fromkeys(line.name or line.text for line in self.requirements))

    def check_python(self, version: str, owner: str) -> None:
        """Refuse a Python that a project does not allow, as pip refuses to install the project.

        Parameters
        ----------
        version, owner
            The full version, and who has it.
        """
        if self.python and not SpecifierSet(self.python.text).contains(version, prereleases=True):
            raise self.python.error(f"the project needs Python {self.python.text}, and {owner} has {version}")

    def inputs(self) -> dict[str, Any]:
        """Return the request as data, the same for all ways to write the same."""
        return {
            "requirements": sorted(map(_compared, self.requirements)),
            "constraints": sorted(map(_compared, self.constraints)),
            "index": self.index,
            "extra_indexes": list(self.extra_indexes),
            "allow_source": sorted(self.allow_source),
        }


def request(recipe: Recipe, document: Document, section: Sequence[Entry] = ()) -> PipRequest:
    """Return all that a recipe asks pip for.

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
    requirements = [*map(_line, entries)]
    constraints = [line for read in more for line in (*read.requirements, *read.constraints)]
    for read in files:
        requirements += read.requirements
        constraints += read.constraints
    project = read_project(recipe, document)
    if project:
        project.check_sources({canonicalize_name(line.name) for line in requirements if line.name and line.is_file})
        requirements += project.lines
    for line in requirements:
        _check_format(line, recipe)
    if recipe.has_packages and not requirements:
        key = "requirements" if recipe.requirements else "pyproject"
        raise document.error((key,), "no package is named there: to get a layer that you fill yourself, leave that out")
    return PipRequest(
        tuple(requirements),
        tuple(constraints),
        next((read.index for read in reversed(files) if read.index), recipe.index),
        tuple(dict.fromkeys([*recipe.extra_indexes, *(url for read in files for url in read.extra_indexes)])),
        tuple(recipe.allow_base_packages),
        tuple(recipe.allow_source),
        project.python if project else None,
    )


def _compared(line: Line) -> str:
    """Return a requirement as it is compared; of a file on this machine, its content counts."""
    hashes = [f"sha256:{hashlib.sha256(line.file.read_bytes()).hexdigest()}"] if line.file else line.hashes
    return " ".join([line.text, *sorted(hashes)])


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
    line = (_local if is_file else named_line)(entry.text, entry.path, entry.number)
    return replace(line, hashes=entry.hashes)


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
    package = f"{name}[{','.join(sorted(extras))}]" if extras else name
    return Line(f"{package} @ {file.name}" + (f" ; {marker}" if marker else ""), path, number, name, file=file)


def _check_format(line: Line, recipe: Recipe) -> None:
    """Refuse a URL of a source package, which pip would build without further ado."""
    url = re.search(r"https?://[^\s;#]+", line.text)
    if url is None or urlsplit(url[0]).path.endswith(".whl"):
        return
    if line.name is None:
        raise line.error(f"{url[0]} is not a wheel: write it as 'name @ URL', and add the name to `allow_source`")
    if canonicalize_name(line.name) not in recipe.allow_source:
        raise line.error(f"{url[0]} is not a wheel: add {line.name} to `allow_source`")


def _read(entry: Entry) -> PipRequest:
    """Read a requirements file, with all that it includes."""
    path = entry.path.parent / entry.text
    if not path.is_file():
        raise InputError(entry.path, [(entry.number, f"there is no file {path}")])
    try:
        _check_nesting(entry, path.resolve(), [], Counter())
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
    return PipRequest(
        tuple(line for line, is_constraint in lines if not is_constraint),
        tuple(line for line, is_constraint in lines if is_constraint),
        index,
        tuple(extra),
    )


def _check_nesting(entry: Entry, path: Path, above: list[Path], seen: "Counter[Path]") -> None:
    """Refuse files that include each other for ever, or so often that reading them has no end.

    Parameters
    ----------
    above
        The files that include this one.
    seen
        How often each file is included.
    """
    if not path.is_file():
        raise InputError(entry.path, [(entry.number, f"there is no file {path}")])
    seen[path] += 1
    if path in above:
        raise InputError(entry.path, [(entry.number, "the file includes itself")])
    if seen.total() > _INCLUDED:
        raise InputError(entry.path, [(entry.number, f"more than {_INCLUDED} files are included")])
    for option in RequirementsFile.from_file(str(path), include_nested=False).options:
        for name in ("requirements", "constraints"):
            for file in option.options.get(name, ()):
                inner = Entry(file, path, option.requirement_line.line_number)
                _check_nesting(inner, (path.parent / file).resolve(), [*above, path], seen)


def _options(read: RequirementsFile) -> tuple[str | None, Sequence[str]]:
    """Return the package indexes that a requirements file names; refuse what a lock cannot keep."""
    index, extra = None, []
    for entry in read.options:
        line = entry.requirement_line
        for name, value in entry.options.items():
            if name == "index_url":
                index = _index(value, line)
            elif name == "extra_index_urls":
                extra += [_index(url, line) for url in value]
            elif name not in _HARMLESS:
                option = f"--{name.replace('_', '-')}"
                hint = {"no_binary": "; write the package into `allow_source` of the recipe"}.get(name, "")
                raise InputError(Path(line.filename), [(line.line_number, f"{option} cannot be locked{hint}")])
    return index, extra


def _index(url: str, line: RequirementLine) -> str:
    try:
        return index_url(url)
    except ValueError as error:
        raise InputError(Path(line.filename), [(line.line_number, str(error))]) from error


def _converted(entry: InstallRequirement) -> Line:
    """Return a requirement that the library has read."""
    place = entry.requirement_line
    line = Line(place.line, Path(place.filename), place.line_number)
    if entry.link:
        check_url(str(entry.link.url), line)
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
