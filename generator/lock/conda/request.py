"""What a recipe asks conda for: packages to solve for, or files that somebody has locked before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import rattler
from rattler.exceptions import InvalidMatchSpecError

from ebsif import document
from ebsif.base.manifest import Manifest
from ebsif.document import Document, Location
from ebsif.errors import InputError
from ebsif.files import is_there, read_text
from ebsif.lock.conda.environment import (
    NODEFAULTS,
    WITHOUT_MEANING,
    CondaEnvironment,
    PipSection,
    read_environment,
)
from ebsif.lock.conda.foreign import MAXIMUM_SIZE, Pinned, is_conda_lock, is_explicit, read_conda_lock, read_explicit
from ebsif.lock.conda.pixi import is_pixi, read_pixi
from ebsif.lock.conda.virtual import virtual_packages
from ebsif.lock.pip.line import Entry
from ebsif.recipe import Recipe
from ebsif.values import channels_of


@dataclass(frozen=True)
class Spec:
    """A package to solve for.

    Parameters
    ----------
    text
        As it was written.
    path, number
        The file that it stands in, and the line.
    name
        The package.
    canonical
        The same for all ways to write the same.
    """

    text: str
    path: Path
    number: int | None
    name: str
    canonical: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.path}:{self.number}" if self.number else str(self.path)


@dataclass(frozen=True)
class CondaRequest:
    """All that a recipe asks conda for: either packages and channels, or files.

    Parameters
    ----------
    specs
        The packages to solve for.
    channels
        Where to look for them, the first before the others.
    pinned
        The files.
    pip
        What is left to pip.
    variables
        What the environment sets.
    name
        The name of the environment.
    stack
        Whether it sees the packages of the base.
    allow_base_packages
        The packages of the base that it may replace.
    virtual_packages
        What the solver is told of the machine, beside what the base tells.
    ignored
        What of the environment is not taken over, and why.
    """

    specs: tuple[Spec, ...] = ()
    channels: tuple[str, ...] = ()
    pinned: tuple[Pinned, ...] = ()
    pip: tuple[Entry, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    stack: bool = False
    allow_base_packages: tuple[str, ...] = ()
    virtual_packages: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The packages that are asked for by name."""
        return list(dict.fromkeys(spec.name for spec in self.specs))

    def inputs(self, base: Manifest) -> dict[str, Any]:
        """Return the request, and what the solver sees of the base, as data, the same for all ways to write the same.

        The order of packages does not matter; that of channels does.
        """
        virtual = virtual_packages(base, self.virtual_packages)
        return {
            "specs": sorted(spec.canonical for spec in self.specs),
            "channels": self.channels,
            "files": sorted([pinned.file.filename, pinned.file.sha256] for pinned in self.pinned),
            "virtual": {name: "=".join(parts) for name, parts in virtual.items()},
        }


def request(recipe: Recipe, written: Document, platform: str | None) -> CondaRequest:
    """Return all that a recipe asks conda for.

    Parameters
    ----------
    platform
        What conda calls the machine of the base, of whose packages those in a lock for several are taken; None when the
        base is not at hand.

    Raises
    ------
    InputError
        With file and line, when a file is missing, or something in it cannot be used.
    """
    return replace(
        _environment(recipe, written, platform),
        name=recipe.layer_name,
        stack=recipe.stack,
        allow_base_packages=tuple(recipe.allow_base_packages),
        virtual_packages=recipe.virtual_packages,
    )


def _environment(recipe: Recipe, written: Document, platform: str | None) -> CondaRequest:
    """Return what the environment of a recipe names, wherever that is written."""
    if isinstance(recipe.environment, CondaEnvironment):
        return _of_environment(recipe.environment, written, ("environment",))
    path = written.path.parent / str(recipe.environment)
    if not is_there(path, Path.is_file):
        raise written.error(("environment",), f"there is no file {path}")
    text = read_text(path, MAXIMUM_SIZE)
    if is_explicit(text):
        pinned, pip = read_explicit(text, path, platform)
        return CondaRequest(pinned=tuple(pinned), pip=tuple(pip))
    if is_pixi(text):
        pinned, pip = read_pixi(text, path, platform, recipe.pixi_environment)
        return CondaRequest(pinned=tuple(pinned), pip=tuple(pip))
    if recipe.pixi_environment is not None:
        raise written.error(("pixi_environment",), f"{path.name} is no lock of pixi, whose environments have names")
    content = document.parse(text, path)
    if is_conda_lock(content):
        pinned, pip = read_conda_lock(content, platform)
        return CondaRequest(pinned=tuple(pinned), pip=tuple(pip))
    return _of_environment(*read_environment(text, path), ())


def _of_environment(environment: CondaEnvironment, written: Document, inside: Location) -> CondaRequest:
    specs, twice = _once(_specs(environment, written, (*inside, "dependencies")))
    if not specs and any(isinstance(item, PipSection) and item.pip for item in environment.dependencies):
        message = "packages of pip need a Python: add python to `dependencies`"
        raise written.error((*inside, "dependencies"), message)
    if not specs:
        raise written.error((*inside, "dependencies"), "the environment names no package: list them in `dependencies`")
    channels = [channel for channel in environment.channels if channel != NODEFAULTS]
    channels += [channel for _, channel in specs if channel and channel not in channels]
    if not channels:
        raise written.error(inside, "the environment names no channel: list them in `channels`, as in [conda-forge]")
    pip = tuple(_pip(environment, written, (*inside, "dependencies")))
    ignored = {f"`{key}`": why for key, why in WITHOUT_MEANING.items() if getattr(environment, key)} | twice
    return CondaRequest(
        tuple(spec for spec, _ in specs), tuple(channels), pip=pip, variables=environment.variables, ignored=ignored
    )


def _specs(
    environment: CondaEnvironment, written: Document, inside: Location
) -> Iterator[tuple[Spec, str | None]]:
    """Yield the packages, each with the channel that it names itself."""
    for at, text in enumerate(environment.dependencies):
        if isinstance(text, PipSection):
            continue
        try:
            # As conda is, not strict: `=1.0=h123_0` is how it writes an exact package.
            spec = rattler.MatchSpec(text)
            name, canonical = spec.name.normalized, spec.to_canonical_string()
            if len((spec.build or "").split()) > 1:
                raise InvalidMatchSpecError(f"a build is one word, and not {spec.build!r}")
        except InvalidMatchSpecError as error:
            reason = "templates are not read: write it out" if "{{" in text else str(error)
            message = f"{text!r} is not a package of conda, as in 'ffmpeg >=7': {reason}"
            raise written.error((*inside, at), message) from error
        channel = _without_subdir(next(reversed(channels_of(text)), None), spec)
        yield Spec(text, written.path, written.line((*inside, at)), name, canonical), channel


def _once(specs: Iterable[tuple[Spec, str | None]]) -> tuple[list[tuple[Spec, str | None]], dict[str, str]]:
    """Return packages without those that are there already, and these with why they are left out."""
    found: dict[str, tuple[Spec, str | None]] = {}
    ignored = {}
    for spec, channel in specs:
        first, _ = found.setdefault(spec.canonical, (spec, channel))
        if first is not spec:
            ignored[f"{spec.text} ({spec.place})"] = f"it is asked for already ({first.place})"
    return list(found.values()), ignored


def _without_subdir(channel: str | None, spec: rattler.MatchSpec) -> str | None:
    return channel.rstrip("/").removesuffix(f"/{spec.subdir}") if channel and spec.subdir else channel


def _pip(environment: CondaEnvironment, written: Document, inside: Location) -> Iterator[Entry]:
    """Yield what is left to pip."""
    for at, section in enumerate(environment.dependencies):
        if isinstance(section, PipSection):
            for index, text in enumerate(section.pip):
                yield Entry(text.strip(), written.path, written.line((*inside, at, "pip", index)))


def places(specs: Sequence[Spec]) -> str:
    """Return where packages are asked for, for a message."""
    return ", ".join(f"{spec.text} ({spec.place})" for spec in specs)


def error_at(pinned: Pinned, message: str) -> InputError:
    """Return an error about a file that somebody has locked."""
    return InputError(pinned.path, [(pinned.number, message)])
