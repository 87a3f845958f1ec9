"""One requirement as a person wrote it, with the place where it stands."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ebsif.errors import InputError
from ebsif.lock.pip.source import Archive, Source
from ebsif.lock.pip.tree import Tree
from ebsif.values import NO_SECRET, holds_secret

_OTHER_SYSTEM = re.compile(r"(?:^|[\s@])(?P<name>hg|svn|bzr)\+")
# Those who log in by a key have a name that is none of their own.
_SSH_USER = re.compile(r"(?<=git\+ssh://)[A-Za-z0-9_.-]+@")


@dataclass(frozen=True)
class Entry:
    """One requirement written in a recipe or an ``environment.yml``, not in a requirements file.

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
    source
        What it means that must be built.
    """

    text: str
    path: Path
    number: int | None = None
    name: str | None = None
    hashes: tuple[str, ...] = ()
    file: Path | None = None
    source: Source | None = None

    @property
    def is_file(self) -> bool:
        """Whether it names a file, or what one is made of, and not what an index has."""
        return bool(self.file or self.source) or "://" in self.text

    @property
    def local(self) -> Path | None:
        """The wheel, the archive or the folder on this machine that it names as a whole."""
        if self.source is None:
            return self.file
        origin = self.source.origin
        if isinstance(origin, Tree):
            return origin.folder
        if isinstance(origin, Archive) and isinstance(origin.place, Path) and origin.start_dir is None:
            return origin.place
        return None

    def error(self, message: str) -> InputError:
        """Return an error about this line."""
        return InputError(self.path, [(self.number, message)])


def check_url(url: str, line: Line) -> None:
    """Refuse what is no URL, the URL of a version control system that EasyBuild cannot use, and one with a secret."""
    other = _OTHER_SYSTEM.search(url)
    if other:
        raise line.error(
            f"{line.name or 'a package'} comes from a repository of {other['name']}, and EasyBuild makes source files "
            "of those of git only: name an archive of it, or build a wheel, and name that"
        )
    try:
        urlsplit(url)
    except ValueError as error:
        raise line.error(f"the address of {line.name or 'a package'} is no URL: {error}") from error
    if holds_secret(_SSH_USER.sub("", url)):
        raise line.error(f"the address of {line.name or 'a package'} {NO_SECRET}")
