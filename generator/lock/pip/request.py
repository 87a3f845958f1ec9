"""What a recipe asks pip for: its own packages, requirements files as pip reads them, and ``pyproject.toml``."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ebsif.base.manifest import Manifest
from ebsif.document import Document
from ebsif.lock.pip.foreign import lock_text, read_lock
from ebsif.lock.pip.line import Entry, Line
from ebsif.lock.pip.locked import destination_of
from ebsif.lock.pip.options import Options
from ebsif.lock.pip.project import read_project
from ebsif.lock.pip.requirements import Requirements, read_entry, read_file, read_line, together
from ebsif.lock.pip.source import Archive
from ebsif.lock.pip.tree import Tree
from ebsif.recipe import LockFile, Recipe


@dataclass(frozen=True)
class PipRequest:
    """All that a recipe asks pip for.

    Parameters
    ----------
    requirements, constraints
        The packages to have, and what else their versions must fit.
    options
        Where packages come from.
    allow_base_packages
        The packages of the base that may be replaced.
    allow_source
        The packages that may be built from source.
    python
        The versions of Python that the project of a ``pyproject.toml`` allows.
    ignored
        What of all that the recipe names is not taken over, and why.
    """

    requirements: tuple[Line, ...]
    constraints: tuple[Line, ...] = ()
    options: Options = field(default_factory=Options)
    allow_base_packages: tuple[str, ...] = ()
    allow_source: tuple[str, ...] = ()
    python: Line | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)

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
            "allow_source": sorted(self.allow_source),
            **self.options.inputs(),
        }


def request(
    recipe: Recipe, document: Document, section: Sequence[Entry] = (), base: Manifest | None = None
) -> PipRequest:
    """Return all that a recipe asks pip for.

    Parameters
    ----------
    section
        What its environment of conda leaves to pip.
    base
        What is known of its base, for which packages of locks are chosen.

    Raises
    ------
    InputError
        With file and line, when a file is missing, or something in it cannot be used.
    """
    def place(key: str, at: int, name: str) -> Entry:
        return Entry(name, document.path, document.line((key, at)))

    own = [place("packages", at, text) for at, text in enumerate(recipe.packages)]
    parts = [
        Requirements(options=Options(recipe.index, tuple(recipe.extra_indexes))),
        *map(read_entry, section),
        Requirements(tuple(map(read_line, own))),
    ]
    locks: list[tuple[str, Entry, LockFile]] = []
    for at, named in enumerate(recipe.requirements):
        wanted = named if isinstance(named, LockFile) else LockFile(file=named)
        entry = place("requirements", at, wanted.file)
        text = lock_text(entry)
        if text is None and named != wanted.file:
            raise document.error(("requirements", at), f"{wanted.file} is no lock, of which parts could be taken")
        if text is None:
            parts.append(read_file(entry))
        elif recipe.layer == "conda":
            raise document.error(
                ("requirements", at),
                f"packages of {wanted.file} are chosen for the Python of the base, and a layer of conda has its own: "
                "take a venv, or write a requirements file, as `uv export --format requirements.txt` does",
            )
        else:
            locks.append((text, entry, wanted))
    parts += [
        read_file(place("constraints", at, name)).as_constraints() for at, name in enumerate(recipe.constraints)
    ]
    named_files = {line.name for part in parts for line in part.requirements if line.name and line.is_file}
    files = {str(canonicalize_name(name)) for name in named_files}
    allowed = set(recipe.allow_base_packages)
    for text, entry, wanted in locks:
        parts.append(read_lock(text, entry, wanted, destination_of(base), allowed=allowed, named=files))
    asked = together(parts)
    requirements = list(asked.requirements)
    placed = {canonicalize_name(line.name) for line in requirements if line.name and line.is_file}
    project = read_project(recipe, document, placed)
    requirements += project.lines if project else ()
    requirements = [_beside(document.path, line) for line in requirements]
    if recipe.has_packages and not requirements:
        key = "requirements" if recipe.requirements else "pyproject"
        raise document.error((key,), "no package is named there: to get a layer that you fill yourself, leave that out")
    return PipRequest(
        tuple(requirements),
        asked.constraints,
        asked.options,
        tuple(recipe.allow_base_packages),
        tuple(recipe.allow_source),
        project.python if project else None,
        asked.ignored,
    )


def _compared(line: Line) -> str:
    """Return a requirement as it is compared; of what lies on this machine, its content counts."""
    origin = line.source.origin if line.source else None
    file = origin.place if isinstance(origin, Archive) and isinstance(origin.place, Path) else line.file
    hashes = [f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"] if file else line.hashes
    return " ".join([line.text, *sorted([f"tree:{origin.digest()}"] if isinstance(origin, Tree) else hashes)])


def _beside(recipe: Path, line: Line) -> Line:
    """Return a requirement, whose folder may have the recipe in it, which is no part of its project."""
    if line.source is None or not isinstance(line.source.origin, Tree):
        return line
    return replace(line, source=replace(line.source, origin=replace(line.source.origin, recipe=recipe)))
