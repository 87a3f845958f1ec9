"""What a lock of another tool has for the Python of a base, whichever tool has written it."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.tags import Tag, compatible_tags, cpython_tags, create_compatible_tags_selector
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ebsif.base.manifest import Manifest
from ebsif.lock.pip.line import Line
from ebsif.lock.target import Elsewhere, markers, platforms, python_of

_SHA256 = "sha256:"


@dataclass(frozen=True)
class Destination:
    """The Python that packages of a lock are chosen for.

    Parameters
    ----------
    markers
        What environment markers are compared with.
    tags
        The wheels that fit, the best ones first.
    packages
        Name and version of each package that is there already, by the name by which they are compared.
    is_known
        Whether anybody knows that Python; else what is chosen does not count.
    """

    markers: Mapping[str, str]
    tags: Sequence[Tag]
    packages: Mapping[str, tuple[str, str]]
    is_known: bool = True

    def holds(self, marker: str | None, extras: Iterable[str] = ()) -> bool:
        """Tell whether an environment marker holds, without extras or with one of those given.

        Raises
        ------
        ValueError
            When it is no marker.
        """
        if not marker:
            return True
        try:
            found = Marker(marker)
            return any(found.evaluate({**self.markers, "extra": extra}) for extra in ("", *extras))
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
            raise ValueError(f"{marker!r} is no environment marker: {str(error).splitlines()[0]}") from error


@dataclass(frozen=True)
class File:
    """A file of a package.

    Parameters
    ----------
    name
        How it is called.
    sha256
        Its SHA256, as ``sha256:…``; None where the lock has another hash, or none.
    url
        Where it lies; None where the lock leaves that to an index.
    path
        Where it lies beside the lock.
    """

    name: str
    sha256: str | None = None
    url: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a package comes from that no index has.

    Parameters
    ----------
    kind
        How the lock calls that: ``url``, ``path``, ``git``, ``directory`` and so on.
    value
        The address or path; of a repository as pip writes it: ``git+https://…@commit#subdirectory=…``.
    """

    kind: str
    value: str

    @classmethod
    def of_git(cls, url: str, commit: str, subdirectory: str | None = None) -> "Source":
        """Return a commit of a repository."""
        within = f"#subdirectory={quote(subdirectory)}" if subdirectory else ""
        return cls("git", f"git+{url}@{commit}{within}")

    @classmethod
    def of_git_url(cls, address: str) -> "Source":
        """Return a commit of a repository that uv and pixi write as one address, ``https://…?rev=main#commit``."""
        url, _, commit = address.removeprefix("git+").partition("#")
        url, _, query = url.partition("?")
        said = dict(part.partition("=")[::2] for part in query.split("&"))
        return cls.of_git(url, commit, unquote(said.get("subdirectory", "")) or None)


@dataclass(frozen=True)
class Package:
    """A package of a lock.

    Parameters
    ----------
    name, version
        As the lock has them; the version is None for sources that have none.
    number
        The line that it begins at.
    files
        Its files.
    index
        The address of the index that it comes from; None where the lock does not say that.
    source
        Where it comes from instead of an index.
    extras
        Those of its extras that are asked for.
    is_asked
        Whether the project itself asks for it, as far as the lock tells; else another package needs it.
    """

    name: str
    version: str | None
    number: int | None
    files: tuple[File, ...] = ()
    index: str | None = None
    source: Source | None = None
    extras: tuple[str, ...] = ()
    is_asked: bool = True

    @property
    def key(self) -> str:
        """The name by which packages are compared."""
        return canonicalize_name(self.name)

    @property
    def hashes(self) -> tuple[str, ...]:
        """The SHA256 of its files, one of which it must have."""
        return tuple(dict.fromkeys(file.sha256 for file in self.files if file.sha256))


@dataclass(frozen=True)
class ForeignLock:
    """What a lock has for a base.

    Parameters
    ----------
    path
        Its file.
    packages
        The packages, but for the project itself.
    python
        The versions of Python that it is for, with their place; None where it does not say that.
    ignored
        What of it is not taken, and why.
    """

    path: Path
    packages: tuple[Package, ...]
    python: Line | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)


def destination_of(base: Manifest | None) -> Destination:
    """Return what packages are chosen for: the Python of a base."""
    python = python_of(base) if base else None
    if base is None or python is None:
        # A recipe for such a base is refused when all that it names has been read.
        return _destination(Elsewhere("3.12.0", "x86_64", ""), {}, is_known=False)
    packages = {str(canonicalize_name(name)): (name, version) for name, version in base.packages.items()}
    return _destination(python, packages, is_known=True)


def _destination(
    python: Elsewhere, packages: Mapping[str, tuple[str, str]], *, is_known: bool
) -> Destination:
    major, minor = (int(part) for part in python.version.split(".")[:2])
    interpreter, there = f"cp{major}{minor}", list(platforms(python)) if python.glibc else []
    tags = [*cpython_tags((major, minor), [interpreter], there), *compatible_tags((major, minor), interpreter, there)]
    return Destination(markers(python), tags, packages, is_known)


def best_wheel(package: Package, destination: Destination) -> File | None:
    """Return the wheel of a package that fits best; None where there is none."""
    found = []
    for file in package.files:
        try:
            found.append((file, parse_wheel_filename(file.name)[3]))
        except InvalidWheelFilename:
            continue  # a source package
    return next(create_compatible_tags_selector(destination.tags)(found), None)


def file_of(url: str) -> str:
    """Return the name of the file that an address ends in; an empty text for what is no address."""
    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""


def sha256_of(value: Any) -> str | None:
    """Return a hash as it is compared; None for one of another kind."""
    return value.lower() if isinstance(value, str) and value.startswith(_SHA256) else None


def nobody_needs(needs: Mapping[str, Set[str]]) -> set[str]:
    """Return the packages that no other one needs; of those that only need each other, all.

    Parameters
    ----------
    needs
        What each package needs.
    """
    needed = {name for key, names in needs.items() for name in names if name != key}
    first = {key for key in needs if key not in needed}
    seen, waiting = set(first), list(first)
    while waiting:
        for name in needs.get(waiting.pop(), frozenset()) - seen:
            seen.add(name)
            waiting.append(name)
    return first | (needs.keys() - seen)
