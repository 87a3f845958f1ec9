"""What EasyBuild's configuration says: its variables first, then EasyBuild itself, which takes seconds."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ebsif.errors import ToolError
from ebsif.files import temporary_folder


def find_eb() -> str:
    """Return the path of `eb`.

    Raises
    ------
    ToolError
        When it is not on PATH.
    """
    eb = shutil.which("eb")
    if eb is None:
        raise ToolError("eb is not on PATH: load the module of EasyBuild, or install EasyBuild")
    return eb


@contextmanager
def leaving_nothing(environment: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """Give variables for an `eb` that is only asked: what it leaves among temporary files is removed afterwards.

    Parameters
    ----------
    environment
        The variables that it has otherwise; None for those of this process.
    """
    with temporary_folder() as folder:
        given = os.environ if environment is None else environment
        yield {**given, "TMPDIR": str(folder), "EASYBUILD_TMPDIR": str(folder)}


def source_paths() -> list[Path]:
    """Return the folders in which EasyBuild looks for files.

    Raises
    ------
    ToolError
        When EasyBuild does not tell.
    """
    told = os.environ.get("EASYBUILD_SOURCEPATH") or _told("sourcepath", "give one with --sources")
    return [Path(path).expanduser() for path in (told or str(_prefix() / "sources")).split(":")]


def software_folder() -> Path:
    """Return the folder with EasyBuild's installations.

    Raises
    ------
    ToolError
        When EasyBuild does not tell.
    """
    return _installation_folder("software")


def module_folder() -> Path:
    """Return the folder with EasyBuild's modules; raises as `software_folder` does."""
    return _installation_folder("modules")


def _installation_folder(kind: str) -> Path:
    named = os.environ.get(f"EASYBUILD_INSTALLPATH_{kind.upper()}")
    if named:
        return Path(named).expanduser()
    subfolder = os.environ.get(f"EASYBUILD_SUBDIR_{kind.upper()}") or kind
    top = os.environ.get("EASYBUILD_INSTALLPATH") or _told("installpath", "set EASYBUILD_INSTALLPATH")
    return Path(top or _prefix()).expanduser() / subfolder


def _prefix() -> Path:
    """Return the prefix that EasyBuild has without any configuration."""
    return Path(os.environ.get("EASYBUILD_PREFIX") or "~/.local/easybuild")


def _told(setting: str, instead: str) -> str | None:
    """Return what EasyBuild says of a setting; None where there is no EasyBuild."""
    eb = shutil.which("eb")
    if eb is None:
        return None
    done = _configuration(eb, tuple(sorted(os.environ.items())))
    found = re.search(rf"^{setting}\s+\(.\) = (.+)$", done.stdout, re.MULTILINE)
    if found is None:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ToolError(f"`eb --show-config` tells no {setting}: {instead} ({''.join(reason)})")
    return found.group(1)


@cache
def _configuration(eb: str, environment: tuple[tuple[str, str], ...]) -> "subprocess.CompletedProcess[str]":
    """Have EasyBuild tell its configuration; in the same environment, it is asked once."""
    with leaving_nothing(dict(environment)) as env:
        return subprocess.run([eb, "--show-config"], env=env, capture_output=True, text=True, check=False)
