"""One requirement as a person wrote it, with the place where it stands."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ebsif.errors import InputError
from ebsif.values import NO_SECRET, holds_secret


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
    """

    text: str
    path: Path
    number: int | None = None
    name: str | None = None
    hashes: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def is_file(self) -> bool:
        """Whether it names a file, and not what an index has."""
        return self.file is not None or "://" in self.text

    def error(self, message: str) -> InputError:
        """Return an error about this line."""
        return InputError(self.path, [(self.number, message)])


def check_url(url: str, line: Line) -> None:
    """Refuse what is no URL, the URL of a version control system, and one with a secret."""
    if url.startswith(("git+", "hg+", "svn+", "bzr+")):
        raise line.error(
            f"{url} names a version control system, which has no file with a SHA256: build a wheel, and name that"
        )
    try:
        urlsplit(url)
    except ValueError as error:
        raise line.error(f"the address of {line.name or 'a package'} is no URL: {error}") from error
    if holds_secret(url):
        raise line.error(f"the address of {line.name or 'a package'} {NO_SECRET}")
