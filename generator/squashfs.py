"""Packing a folder into a SquashFS file, always in the same bytes, and unpacking one."""

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ebsif.errors import FileError, ToolError
from ebsif.inside.squashfs import COMPRESSORS, mksquashfs_command, mksquashfs_environment


def pack(folder: Path, target: Path) -> None:
    """Pack a folder by the best compressor that `mksquashfs` here can use.

    Raises
    ------
    ToolError
        When there is no `mksquashfs`, or it fails.
    """
    program = _program("mksquashfs")
    # Found out by using it, on an empty folder.
    empty = target.with_name(f"{target.name}.empty")
    empty.mkdir()
    for compressor in COMPRESSORS:
        if _mksquashfs(program, empty, target, compressor).returncode == 0:
            break
    empty.rmdir()
    done = _mksquashfs(program, folder, target, compressor)
    if done.returncode != 0:
        raise ToolError(f"mksquashfs could not pack {folder}: {_said(done)}")


def unpack(image: Path, folder: Path) -> Mapping[str, int]:
    """Unpack a SquashFS file into a new folder, all of which we can read; return the modes that were changed for that.

    Raises
    ------
    ToolError
        When there is no `unsquashfs`.
    FileError
        When the file cannot be unpacked, or not all of it.
    """
    words = [_program("unsquashfs"), "-no-progress", "-quiet", "-no-xattrs", "-dest", str(folder), str(image)]
    done = _run(words, os.environ)
    if done.returncode != 0:
        raise FileError(f"cannot read {image}: unsquashfs says {_said(done)}")
    return _opened_up(folder)


def _opened_up(root: Path) -> dict[str, int]:
    """Let ourselves read all in a folder of ours; return the mode that each path had where that was changed."""
    modes = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            wanted = mode | (stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR)
            if wanted != mode and not stat.S_ISLNK(mode):
                modes[str(path.relative_to(root))] = mode
                path.chmod(stat.S_IMODE(wanted))
    return modes


def _mksquashfs(program: str, folder: Path, target: Path, compressor: str) -> "subprocess.CompletedProcess[str]":
    processors = len(os.sched_getaffinity(0))
    return _run(
        mksquashfs_command(program, str(folder), str(target), compressor, processors), mksquashfs_environment()
    )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not on PATH: install squashfs-tools, or ask your site for it")
    return found


def _run(words: Sequence[str], env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, env=dict(env), capture_output=True, text=True, errors="backslashreplace", check=False)


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the first line of what a program has complained of."""
    return "".join((done.stderr or done.stdout).strip().splitlines()[:1]) or "nothing"
