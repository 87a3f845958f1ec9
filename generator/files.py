"""Reading, hashing, copying and writing files: a file is written whole, or not at all."""

import codecs
import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ebsif.console import Console
from ebsif.errors import EbsifError, FileError, InputError
from ebsif.inside.copying import BLOCK, copy_and_hash, lay_out
from ebsif.inside.room import shortage


def is_there(path: Path, test: Callable[[Path], bool] = Path.exists) -> bool:
    """Tell whether something is at a path that stands in somebody's file, which may be longer than any can be.

    Parameters
    ----------
    test
        What else must be true of it, such as `Path.is_file`.
    """
    try:
        return test(path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading. A FIFO or a device is refused: reading it may block, or never end.

    Raises
    ------
    FileError
        When the file cannot be opened or read, or is no regular file.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO waits for somebody who writes to it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileError(f"cannot read {path}: it is not a regular file")
            yield file
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from error


def sha256(path: Path, console: Console) -> str:
    """Return the SHA256 of a file.

    Raises
    ------
    FileError
        When it cannot be read.
    """
    with opened(path) as file, console.progress(f"SHA256 of {path.name}", os.fstat(file.fileno()).st_size) as advance:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
            advance(len(block))
        return digest.hexdigest()


def read_text(path: Path, maximum: int) -> str:
    """Return the text of a file that a person has written.

    Parameters
    ----------
    maximum
        The bytes that it may have.

    Raises
    ------
    InputError
        When it is larger, or neither UTF-8 nor UTF-16 that says so.
    FileError
        When it cannot be read.
    """
    with opened(path) as file:
        content = file.read(maximum + 1)
    if len(content) > maximum:
        raise InputError(path, [(None, f"the file is larger than {maximum} bytes: is it the right one?")])
    # Windows writes both, before UTF-8 and as the way to tell UTF-16.
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        # Universal newlines, as in Python's text mode.
        return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(path, [(None, "the file is not UTF-8 text")]) from error


def write_atomically(target: Path, content: bytes, mode: int) -> None:
    """Write a file under a temporary name, and rename it when it is complete.

    Raises
    ------
    EbsifError
        When it cannot be written; then what was there before is still there.
    """
    with unfinished(target) as temporary:
        temporary.write_bytes(content)
        sync(temporary)
        temporary.chmod(mode)
        temporary.replace(target)


def write_new(target: Path, content: bytes, mode: int) -> None:
    """Write a file to a name that is free.

    Raises
    ------
    EbsifError
        When the name is taken, or the file cannot be written; then nothing is left behind.
    """
    with new_file(target, mode) as temporary:
        temporary.write_bytes(content)


@contextmanager
def new_file(target: Path, mode: int) -> Iterator[Path]:
    """Give a temporary name for a file that gets its own name, if that is free, at the end; raises as `write_new`."""
    with unfinished(target) as temporary:
        yield temporary
        sync(temporary)
        temporary.chmod(mode)
        _name_new(temporary, target)


def sync(path: Path) -> None:
    """Have a file on the disk, as it must be before it gets its name: a full disk or quota may turn out only now."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def copied(source: Path, target: Path, console: Console, mode: int = 0o444) -> Iterator[tuple[Path, str]]:
    """Copy a file, and give the path and the SHA256 of the copy, which gets its name, if that is free, at the end.

    Parameters
    ----------
    mode
        The permissions of the copy.

    Raises
    ------
    EbsifError
        When the name is taken, or the file cannot be written; then nothing is left behind, nor when an error is raised
        while the copy is looked at.
    """
    with unfinished(target) as temporary:
        problem = lay_out(str(temporary), source.stat().st_size)
        if problem:
            console.warn(f"{target} will not be striped: {problem}")
        with console.progress(f"copying {source.name}", source.stat().st_size) as advance:
            found = copy_and_hash(str(source), str(temporary), advance)
        temporary.chmod(mode)
        yield temporary, found
        _name_new(temporary, target)


def _name_new(temporary: Path, target: Path) -> None:
    try:
        # Unlike renaming, this never replaces a file.
        os.link(temporary, target)
    except FileExistsError as error:
        raise EbsifError(f"{target} is there already, and was not replaced") from error


def cache_path(*names: str) -> Path:
    """Return a path in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").joinpath("ebsif", *names)


def make_cache(*names: str) -> Path:
    """Return a folder in the user's cache, which is made if it is not there.

    Raises
    ------
    EbsifError
        When it cannot be made.
    """
    folder = cache_path(*names)
    make_folder(folder, "set EBSIF_SCRATCH, or XDG_CACHE_HOME, to another one")
    return folder


def make_folder(folder: Path, instead: str) -> None:
    """Make a folder, if it is not there.

    Parameters
    ----------
    instead
        What a person can do when it cannot be made.

    Raises
    ------
    EbsifError
        When it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EbsifError(f"cannot make the folder {folder}: {error.strerror}; {instead}") from error


def check_room(folder: Path, size: int, number: int, instead: str) -> None:
    """Refuse to begin with files that a folder has no room for.

    Parameters
    ----------
    size, number
        The bytes of all of them together, and how many they are.
    instead
        What a person can do.

    Raises
    ------
    EbsifError
        When it lacks room.
    """
    problem = shortage(str(folder), size, number)
    if problem:
        raise EbsifError(f"there is no room: {problem}; {instead}")


def size_of(folder: Path) -> int:
    """Return the size of all files in a folder, some of which may be going away."""
    sizes = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            sizes.append(path.lstat().st_size)
    return sum(sizes)


def can_write(folder: Path) -> bool:
    """Return whether this user can write to a folder, or make it."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Give a temporary name beside a file; whatever is left under it afterwards is removed.

    Raises
    ------
    EbsifError
        When the folder cannot be written to, or what is done with the file fails.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with _gone_afterwards(temporary, _remove_file):
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            advice = "choose a folder that you may write in"
            raise EbsifError(f"cannot write {target}: {error.strerror}; {advice}") from error
        try:
            yield temporary
        except OSError as error:
            raise EbsifError(f"cannot write {target}: {error.strerror}") from error


@contextmanager
def temporary_folder(
    above: Path | None = None, instead: str = "set EBSIF_SCRATCH, or TMPDIR, to a folder that you may write in"
) -> Iterator[Path]:
    """Give a folder of this user alone, which is removed afterwards.

    Parameters
    ----------
    above
        The folder to make it in, hidden; by default that for temporary files.
    instead
        What a person can do when it cannot be made.

    Raises
    ------
    EbsifError
        When it cannot be made.
    """
    name = f"ebsif-{secrets.token_hex(4)}"
    folder = above / f".{name}" if above else Path(tempfile.gettempdir(), name)
    with _gone_afterwards(folder, _remove_folder):
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise EbsifError(f"cannot write {folder.parent}: {error.strerror}; {instead}") from error
        yield folder


@contextmanager
def _gone_afterwards(path: Path, remove: Callable[[Path], None]) -> Iterator[None]:
    """Remove what was made under a name that is known before, so that a signal finds it at any moment."""
    try:
        yield
    finally:
        try:
            remove(path)
        finally:
            # The signal that ends this process may come while it is removed; there is no second one.
            remove(path)


def _remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_folder(path: Path) -> None:
    # What a build has made may be closed to us.
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = Path(folder, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
    if path.exists():
        shutil.rmtree(path)
