"""Requirements files, and single lines written as in one, as pip reads them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pip_requirements_parser import (
    InstallationError,
    InstallRequirement,
    InvalidRequirementLine,
    RequirementsFile,
)

from ebsif.errors import InputError
from ebsif.files import is_there, temporary_folder
from ebsif.lock.pip.line import Entry, Line, check_url
from ebsif.lock.pip.options import Options, joined, read_options
from ebsif.lock.pip.source import REMOTE, Source, read_origin
from ebsif.lock.pip.tree import Tree

_REASON = re.compile(r"^(Invalid requirement: |: |pip_requirements_parser: error: )+")
# name=version=build, as `conda list --export` writes it.
_OF_CONDA = re.compile(r"[\w.-]+=[\w.!+]+(=\w+)?")
_INCLUDED = 100  # files that a requirements file may include, together


@dataclass(frozen=True)
class Requirements:
    """What stands in requirements files.

    Parameters
    ----------
    requirements, constraints
        The packages to have, and what else their versions must fit.
    options
        Where they say that packages come from.
    ignored
        What is not taken over, and why.
    """

    requirements: tuple[Line, ...] = ()
    constraints: tuple[Line, ...] = ()
    options: Options = field(default_factory=Options)
    ignored: Mapping[str, str] = field(default_factory=dict)

    def as_constraints(self) -> "Requirements":
        """Return what stands there as something that versions must fit."""
        return Requirements((), (*self.requirements, *self.constraints), self.options)


def together(parts: Iterable[Requirements]) -> Requirements:
    """Return several as one."""
    read = list(parts)
    return Requirements(
        tuple(line for part in read for line in part.requirements),
        tuple(line for part in read for line in part.constraints),
        joined(part.options for part in read),
        {what: why for part in read for what, why in part.ignored.items()},
    )


def read_file(entry: Entry) -> Requirements:
    """Read a requirements file, with all that it includes.

    Raises
    ------
    InputError
        With file and line, when something in it cannot be locked.
    """
    path = entry.path.parent / entry.text
    try:
        _check_nesting(entry, path.resolve(), [], Counter())
        read = RequirementsFile.from_file(str(path), include_nested=True)
    except InstallationError as error:
        raise InputError(path, [(None, str(error).replace("|n", ": "))]) from error
    except UnicodeDecodeError as error:
        raise InputError(path, [(None, "the file is not UTF-8 text")]) from error
    for wrong in read.invalid_lines:
        message = f"pip cannot read {wrong.line!r}: {_reason(wrong)}"
        raise InputError(Path(wrong.filename or path), [(wrong.line_number, message)])
    lines = [(_converted(entry, _place(entry)), bool(entry.is_constraint)) for entry in read.requirements]
    return Requirements(
        tuple(line for line, is_constraint in lines if not is_constraint),
        tuple(line for line, is_constraint in lines if is_constraint),
        read_options(read),
    )


def read_entry(entry: Entry) -> Requirements:
    """Read a line that stands elsewhere as in a requirements file: a package, an option of pip, or another file.

    Raises
    ------
    InputError
        When it cannot be locked.
    """
    read = _alone(entry.text)
    if read.requirements or read.invalid_lines:
        return Requirements((read_line(entry),))
    files = {
        name: [read_file(replace(entry, text=file)) for each in read.options for file in each.options.get(name, ())]
        for name in ("requirements", "constraints")
    }
    constraints = [part.as_constraints() for part in files["constraints"]]
    own = Requirements(options=read_options(read, Line(entry.text, entry.path, entry.number)))
    return together([own, *files["requirements"], *constraints])


def read_line(entry: Entry) -> Line:
    """Read a requirement that stands in a recipe, or wherever else people write one as in a requirements file.

    Raises
    ------
    InputError
        When it cannot be locked.
    """
    line = Line(entry.text, entry.path, entry.number, hashes=entry.hashes)
    try:
        requirement = Requirement(entry.text)
        if requirement.url is None:
            return replace(line, text=str(requirement), name=requirement.name)
    except InvalidRequirement:
        pass  # it may be an address, or a file
    read = _alone(entry.text)
    for wrong in read.invalid_lines:
        said = _reason(wrong)
        raise line.error(f"{entry.text!r} is not a package with a version, as in 'numpy>=2': {said}")
    if not read.requirements:
        raise line.error(f"{entry.text!r} is not a package: options of pip belong into a requirements file")
    (found,) = read.requirements
    converted = _converted(found, line)
    return replace(converted, hashes=(*entry.hashes, *converted.hashes))


def url_on_disk(path: Path, entry: Entry) -> str:
    """Return the ``file:`` URL of a file or folder that a package comes from.

    Raises
    ------
    InputError
        When it is not there.
    """
    if not is_there(path):
        message = f"there is no file or folder {path}, where {entry.text} comes from"
        raise InputError(entry.path, [(entry.number, message)])
    return path.resolve().as_uri()


def placed_line(entry: Entry, place: str, shown: str, marker: str = "") -> Line:
    """Read a package that comes from a place, an address or a ``file:`` URL; raises as `read_line` does.

    Parameters
    ----------
    entry
        The package, perhaps with extras.
    shown
        The place as a person sees it, which is the same on all machines.
    """
    text = f"{entry.text} @ {place}" + (f" ; {marker}" if marker else "")
    found = read_line(replace(entry, text=text))
    return replace(found, text=found.text.replace(place, shown))


def named_line(entry: Entry) -> Line:
    """Read a requirement that must begin with a name; raises as `read_line` does."""
    check_url(entry.text, Line(entry.text, entry.path, entry.number))
    try:
        Requirement(entry.text)
    except InvalidRequirement as error:
        message = f"{entry.text!r} is not a package with a version, as in 'numpy>=2': {str(error).splitlines()[0]}"
        raise InputError(entry.path, [(entry.number, message)]) from error
    return read_line(entry)


def _alone(text: str) -> RequirementsFile:
    """Return what the library reads in one line."""
    with temporary_folder() as folder:
        path = folder / "requirements.txt"
        path.write_text(text, encoding="utf-8")
        return RequirementsFile.from_file(str(path), include_nested=False)


def _reason(wrong: InvalidRequirementLine) -> str:
    """Return why the library cannot read a line."""
    if _OF_CONDA.fullmatch(str(wrong.line)):
        return (
            "it is a list of conda packages: write one by `conda list --explicit --sha256`, and name that by "
            "`environment` (`ebsif new -f`)"
        )
    said = _REASON.sub("", str(wrong.error_message).splitlines()[0])
    return "the file includes itself" if "recursion" in said else said


def _local(text: str, line: Line, *, extras: Sequence[str], marker: str) -> Line:
    """Return the line of a wheel on this machine, named relative to the file that it stands in."""
    url = urlsplit(text) if text.startswith("file:") else None
    file = line.path.parent / (unquote(url.path) if url else text)
    line = replace(line, text=file.name)
    if not is_there(file, Path.is_file):
        raise line.error(f"there is no file {file}")
    try:
        name = parse_wheel_filename(file.name)[0]
    except InvalidWheelFilename as error:
        raise line.error(f"{file.name} is not how a wheel is called, as in 'hello-1.0-py3-none-any.whl'") from error
    package = f"{name}[{','.join(sorted(extras))}]" if extras else name
    hashes = (url.fragment.replace("=", ":"),) if url and url.fragment.startswith("sha256=") else ()
    text = f"{package} @ {file.name}" + (f" ; {marker}" if marker else "")
    return replace(line, text=text, name=name, file=file, hashes=hashes)


def _check_nesting(entry: Entry, path: Path, above: list[Path], seen: "Counter[Path]") -> None:
    """Refuse files that include each other for ever, or so often that reading them has no end.

    Parameters
    ----------
    above
        The files that include this one.
    seen
        How often each file is included.
    """
    if not is_there(path, Path.is_file):
        message = f"there is no file {entry.path.parent / entry.text}"
        if REMOTE.match(entry.text):
            message = f"{entry.text} is an address: download the file, and name that"
        raise InputError(entry.path, [(entry.number, message)])
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


def _place(entry: InstallRequirement) -> Line:
    place = entry.requirement_line
    return Line(place.line, Path(place.filename), place.line_number)


def _converted(entry: InstallRequirement, line: Line) -> Line:
    """Return a requirement that the library has read, given its text and place."""
    url = str(entry.link.url) if entry.link else ""
    hashes, extras, marker = _hashes(entry, line), sorted(entry.extras), str(entry.marker or "")
    if url:
        check_url(url, replace(line, name=entry.name))
        is_folder = url.startswith("file:") and not entry.is_wheel
        if entry.name and is_folder and not is_there(Path(unquote(urlsplit(url).path))):
            raise line.error(
                f"{url} is where somebody has built {entry.name}, as packages of conda say, and is not there: write "
                f"{entry.name}==VERSION; `pip list --format=freeze` lists all so"
            )
        try:
            origin = read_origin(url, line.path.parent)
        except ValueError as error:
            raise line.error(str(error)) from error
        if origin is None and not REMOTE.match(url):
            local = _local(url, line, extras=extras, marker=marker)
            return replace(local, hashes=hashes or local.hashes)
        package = entry.name or (origin.name if isinstance(origin, Tree) else None)
        name = f"{package}[{','.join(extras)}]" if extras else package
        text = (f"{name} @ {url}" if package else url) + (f" ; {marker}" if marker else "")
        source = Source(origin, tuple(extras), marker) if origin else None
        return replace(line, text=text, name=package, hashes=hashes, source=source)
    text = str(entry.req) + (f" ; {marker}" if marker and ";" not in str(entry.req) else "")
    return replace(line, text=text, name=entry.name, hashes=hashes)


def _hashes(entry: InstallRequirement, line: Line) -> tuple[str, ...]:
    hashes = tuple(entry.hash_options or ())
    if hashes and not any(value.startswith("sha256:") for value in hashes):
        raise line.error("a lock has SHA256 only, and this line has only other hashes: add one with --hash=sha256:…")
    return hashes
