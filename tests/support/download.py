"""Files of the package index that tests need."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from workbench import store


def fetch_wheel(name: str, requirement: str, folder: Path) -> None:
    """Put one wheel into a folder; the index is asked for it once per machine, since the workbench's cache keeps it.

    Parameters
    ----------
    name
        Its file name.
    requirement
        The line that a requirements file would have for it, with its hash.
    folder
        Where to put it.
    """
    sha256 = requirement.rpartition("--hash=sha256:")[2]
    kept = store.cache_root() / "downloads" / name
    if _is_whole(kept, sha256):
        shutil.copy(kept, folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        downloaded = _download(name, requirement, Path(temporary))
        shutil.copy(downloaded, folder)
        _keep(downloaded, kept)


def _is_whole(file: Path, sha256: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def _keep(file: Path, kept: Path) -> None:
    """Put a file into the cache, if this user may; another process may do the same at this time."""
    if not os.access(kept.parents[1], os.W_OK):
        return
    kept.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as unfinished:
        Path(shutil.copy(file, unfinished)).replace(kept)


def _download(name: str, requirement: str, folder: Path) -> Path:
    python, abi, platforms = name.removesuffix(".whl").split("-")[-3:]
    tags = [word for platform in platforms.split(".") for word in ("--platform", platform)]
    if python.startswith("cp"):  # cp311: an extension module for Python 3.11
        tags += ["--python-version", f"{python[2]}.{python[3:]}", "--abi", abi]
    lines = folder / "requirements.txt"
    lines.write_text(f"{requirement}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", *tags]
    words = [sys.executable, "-m", "pip", "download", *options, "--requirement", str(lines), "--dest", str(folder)]
    subprocess.run(words, check=True)
    return folder / name
