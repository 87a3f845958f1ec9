"""Where EasyBuild looks for the files of a layer."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ebsif.console import Console
from ebsif.errors import ToolError
from ebsif.files import sha256
from ebsif.lock.model import LockedFile
from ebsif.names import easyconfig_folder

# EasyBuild puts files of extensions there, below the folder of the software (easyblock.py: obtain_file).
_EXTENSIONS = "extensions"


def source_path(software: str) -> Path:
    """Return the folder in which EasyBuild looks for the files of a software's extensions.

    Raises
    ------
    ToolError
        When EasyBuild does not tell.
    """
    return _source_paths()[0] / easyconfig_folder(software) / _EXTENSIONS


def image_folders(software: str) -> list[Path]:
    """Return the folders in which EasyBuild looks for the image of a software; raises as `source_path` does."""
    within = (easyconfig_folder(software), Path(software), Path())
    return [path / folder for path in _source_paths() for folder in within]


def _source_paths() -> list[Path]:
    told = os.environ.get("EASYBUILD_SOURCEPATH") or _default_source_path()
    return [Path(path).expanduser() for path in told.split(":")]


def _default_source_path() -> str:
    eb = shutil.which("eb")
    if eb is None:
        # As EasyBuild has it without any configuration.
        return str(Path(os.environ.get("EASYBUILD_PREFIX") or "~/.local/easybuild") / "sources")
    return _ask_easybuild(eb, tuple(sorted(os.environ.items())))


@cache
def _ask_easybuild(eb: str, environment: tuple[tuple[str, str], ...]) -> str:
    """Return what EasyBuild says, which takes seconds: in the same environment, it is asked once."""
    words = [eb, "--show-config"]
    done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, check=False)
    found = re.search(r"^sourcepath\s+\(.\) = (.+)$", done.stdout, re.MULTILINE)
    if found is None:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ToolError(f"`eb --show-config` tells no sourcepath: give one with --sources ({''.join(reason)})")
    return found.group(1)


def missing_files(files: Iterable[LockedFile], folder: Path) -> list[LockedFile]:
    """Return those of the files that are not in a folder; one with another content there counts as missing."""
    quiet = Console(quiet=True)
    return [
        file
        for file in files
        if not (folder / file.filename).is_file() or sha256(folder / file.filename, quiet) != file.sha256
    ]
