"""The cache: where prepared things lie, how they are named, and how they come to be there whole or not at all."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.process import run

_UNFINISHED = ".unfinished-"


def cache_root() -> Path:
    """Return the cache folder: ``$EBSIF_CACHE``, else the system's for root and the user's for anybody else."""
    chosen = os.environ.get("EBSIF_CACHE")
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/ebsif")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebsif"


def key(*parts: object) -> str:
    """Return a short hash of everything that defines a thing; any change of any part changes it."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        digest.update(b"%d:" % len(text))
        digest.update(text)
    return digest.hexdigest()[:12]


def tree_key(top: Path, paths: Iterable[Path]) -> str:
    """Return a short hash of files and folders below `top`: names, contents, links and what is executable.

    Parameters
    ----------
    top
        The folder that the hashed names are relative to.
    paths
        Files and folders in it; one that does not exist counts as absent.
    """
    parts: list[str] = []
    for path in sorted(_files_below(paths)):
        executable = bool(path.lstat().st_mode & 0o100)
        content = str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        parts += [str(path.relative_to(top)), str(executable), content]
    return key(*parts)


def _files_below(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            if path.name != "__pycache__" and not path.name.endswith(".egg-info"):
                yield from _files_below(path.iterdir())
        elif path.exists() or path.is_symlink():
            yield path


@contextmanager
def published(final: Path) -> Iterator[Path]:
    """Give a new folder to work in, and rename it to `final` when the work has succeeded.

    A process killed half-way leaves nothing under the final name; `remove_unfinished` tidies up after it.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=final.parent) as scratch:
        work = Path(scratch, final.name)
        work.mkdir(mode=0o755)
        yield work
        work.rename(final)


def remove_unfinished(cache: Path) -> None:
    """Remove what a killed process has left in the cache; only for the holder of the lock."""
    for path in cache.glob(f"{_UNFINISHED}*"):
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, but nothing that another file system has mounted there."""
    run(["rm", "-rf", "--one-file-system", "--", path])


@contextmanager
def locked(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache's lock; if another process has it, say so and wait for that process to end.

    The programs that this process runs hold the lock too: when this process is killed, they may go on for a while.
    """
    try:
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except PermissionError as error:
        raise WorkbenchError(
            f"This user cannot write to the cache {cache}: let its owner run this command, or set EBSIF_CACHE to a "
            "folder of your own"
        ) from error
    with lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process prepares {cache}; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_open_to_others(cache: Path) -> None:
    """Raise an error if other users of the machine cannot enter the cache."""
    for folder in (cache, *cache.parents):
        if not folder.stat().st_mode & 0o001:
            raise WorkbenchError(
                f"The tests also run as an unprivileged user, who cannot enter {folder}: "
                f"set EBSIF_CACHE to a folder that every user can read, not {cache}"
            )
