"""What a requirement names that is no wheel, so that it is built: a repository, an archive, or a folder."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ebsif.files import is_there
from ebsif.lock.commit import subfolder
from ebsif.lock.pip.git import Repository, fragment, read_repository
from ebsif.lock.pip.tree import PROJECT_FILES, Tree, is_project

REMOTE = re.compile(r"https?:/")
# The archives that can be built from, and what EasyBuild and we call each.
_ARCHIVES = {".tar.gz": ".tar.gz", ".tgz": ".tar.gz", ".zip": ".zip", ".tar.xz": ".tar.xz"}


@dataclass(frozen=True)
class Archive:
    """A source package that somebody has made.

    Parameters
    ----------
    place
        Its address, or its path on this machine.
    start_dir
        The folder in it that holds the package; None for the top.
    """

    place: str | Path
    start_dir: str | None = None

    @property
    def name(self) -> str:
        """What it is called there."""
        path = str(self.place) if isinstance(self.place, Path) else unquote(urlsplit(self.place).path)
        return path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """What it is called at the end among the sources."""
        return next(known for suffix, known in _ARCHIVES.items() if self.name.endswith(suffix))

    @property
    def stem(self) -> str:
        """What it is called without that."""
        return next(self.name.removesuffix(suffix) for suffix in _ARCHIVES if self.name.endswith(suffix))


Origin = Repository | Archive | Tree


@dataclass(frozen=True)
class Source:
    """What is built, and what of it is asked for.

    Parameters
    ----------
    origin
        Where it comes from.
    extras, marker
        Those of the requirement.
    """

    origin: Origin
    extras: tuple[str, ...] = ()
    marker: str = ""


def read_origin(text: str, folder: Path) -> Origin | None:
    """Return what a requirement names by its address or path; None for a wheel.

    Parameters
    ----------
    folder
        What paths are relative to.

    Raises
    ------
    ValueError
        When nothing can be built of it, with the reason.
    """
    if text.startswith("git+"):
        return read_repository(text)
    parts = urlsplit(text if REMOTE.match(text) or text.startswith("file:") else "")
    within = fragment(parts.fragment, "subdirectory")
    start_dir = subfolder(within.strip("/")) if within else None
    if REMOTE.match(text):
        if parts.path.endswith(".whl"):
            return None
        if parts.query:
            raise ValueError("the address of a package must not have a question mark: EasyBuild finds it by its name")
        return _archive(parts._replace(fragment="").geturl(), start_dir)
    path = folder / (unquote(parts.path) or text)
    if path.name.endswith(".whl"):
        return None
    if is_there(path, Path.is_dir):
        if not is_project(path):
            raise ValueError(f"there is no Python project in {path}: it has none of {', '.join(PROJECT_FILES)}")
        return Tree(path)
    if not is_there(path, Path.is_file):
        raise ValueError(f"there is no file or folder {path}")
    return _archive(path, start_dir)


def _archive(place: str | Path, start_dir: str | None) -> Archive:
    archive = Archive(place, start_dir)
    if not archive.name.endswith(tuple(_ARCHIVES)):
        raise ValueError(
            f"{archive.name} is neither a wheel nor an archive ({', '.join(_ARCHIVES)}): forges have one of each tag "
            "and commit, as in https://…/archive/v1.0.tar.gz"
        )
    return archive
