"""Folders of the user that hold a Python project: their files, and the digest by which they are known."""

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebsif.document import MAXIMUM_SIZE
from ebsif.errors import FileError, InputError
from ebsif.files import read_text
from ebsif.lock.pip import git
from ebsif.lock.pip.toml import parse_toml

# What a folder must have one of, to be a project.
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
# What programs leave behind, where no git tells: anywhere, and at the top.
_LEFT = re.compile(
    r"\.(git|hg|svn|venv|tox|nox|eggs|coverage|idea|vscode|ipynb_checkpoints|\w+_cache)|__pycache__|.*\.(pyc|egg-info)"
)
_LEFT_AT_TOP = ("build", "dist")
_VENV = "pyvenv.cfg"
# What ebsif makes, or works on, and may lie there.
_OURS = (".eb", ".sif", ".manifest.json")
# The first day that a wheel can hold.
EPOCH = 315532800


@dataclass(frozen=True)
class Tree:
    """A folder with a project.

    Parameters
    ----------
    folder
        The folder.
    recipe
        A file that is none of its own, though it may lie there.
    """

    folder: Path
    recipe: Path | None = None

    @property
    def name(self) -> str | None:
        """The package, where that is written down and not worked out by a program."""
        tables = self._pyproject()
        tools = tables.get("tool")
        named = [tables.get("project"), tools.get("poetry") if isinstance(tools, dict) else None]
        names = [table.get("name") for table in named if isinstance(table, dict)]
        return next((name for name in [*names, self._name_in_setup_cfg()] if isinstance(name, str)), None)

    def files(self) -> list[str]:
        """Return the paths of the files that belong to it, relative to the folder.

        These are the files that git tracks, and those that it would; without git, all but what programs leave behind.
        Recipes, easyconfigs and images beside them do not count: else each new easyconfig would be a change.
        """
        listed = git.output(["ls-files", "-z", "--cached", "--others", "--exclude-standard"], self.folder)
        # A folder that git leaves out altogether is no part of a repository.
        names = [name for name in (listed or "").split("\0") if name] or list(self._walked(self.folder))
        return sorted({name for name in names if self._counts(self.folder / name)})

    def digest(self) -> str:
        """Return a SHA256 of its files: their paths, what they hold, and whether they can be run."""
        found = hashlib.sha256()
        for name in self.files():
            path = self.folder / name
            kind = "link" if path.is_symlink() else "program" if _is_program(path) else "file"
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            found.update(os.fsencode(f"{kind} {name}\0{hashlib.sha256(content).hexdigest()}\0"))
        return found.hexdigest()

    def copy(self, target: Path) -> None:
        """Copy its files into a folder that is not there yet, as they would be for anybody."""
        for name in self.files():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, path, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o755 if _is_program(self.folder / name) else 0o644)
                os.utime(path, (EPOCH, EPOCH))

    def version(self) -> str | None:
        """Return the version that the tags of its repository give; None where there is none."""
        if git.output(["rev-parse", "--verify", "HEAD"], self.folder) is None:
            return None
        return git.version_of(self.folder, "--dirty")

    def _counts(self, path: Path) -> bool:
        if path.name.endswith(_OURS) or not (path.is_symlink() or path.is_file()):
            return False
        return not (self.recipe and path.name == self.recipe.name and path.resolve() == self.recipe.resolve())

    def _pyproject(self) -> dict[str, Any]:
        try:
            path = self.folder / "pyproject.toml"
            return parse_toml(read_text(path, MAXIMUM_SIZE), path).data
        except (FileError, InputError):
            return {}  # its build says what is wrong

    def _name_in_setup_cfg(self) -> str | None:
        parser = ConfigParser(interpolation=None)
        try:
            parser.read_string(read_text(self.folder / "setup.cfg", MAXIMUM_SIZE))
        except (FileError, ConfigError):
            return None
        return parser.get("metadata", "name", fallback=None)

    def _walked(self, folder: Path) -> Iterator[str]:
        for path in sorted(folder.iterdir()):
            at_top = folder == self.folder and path.name in _LEFT_AT_TOP
            if _LEFT.fullmatch(path.name) or at_top or (path / _VENV).exists():
                continue
            if path.is_dir() and not path.is_symlink():
                yield from self._walked(path)
            else:
                yield str(path.relative_to(self.folder))


def is_project(folder: Path) -> bool:
    """Tell whether a folder holds a project that pip could build."""
    return any((folder / name).is_file() for name in PROJECT_FILES)


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)
