"""Putting the files of a lock into the folder of sources: all of them or none, each whole and the right one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import check_room, make_folder, sha256, sync, temporary_folder, unfinished
from ebsif.inside.copying import copy_and_hash
from ebsif.lock.model import LockedFile

_INSTEAD = "choose another one with --sources"


@contextmanager
def staged(sources: Path, *, keep: bool = True) -> Iterator[Path]:
    """Give a folder that shows all files of another; files that are put there get into that one only at the end.

    So a lock that cannot be made leaves no file behind.

    Parameters
    ----------
    keep
        Whether they get there; else that folder need not exist, and is left as it is.

    Raises
    ------
    EbsifError
        When the folder cannot be written to.
    """
    if keep:
        make_folder(sources, _INSTEAD)
    with temporary_folder(sources, _INSTEAD) if keep else temporary_folder() as folder:
        for path in sources.iterdir() if sources.is_dir() else ():
            if path.is_file():
                (folder / path.name).symlink_to(path.absolute())
        yield folder
        if not keep:
            return
        new = [path for path in folder.iterdir() if not path.is_symlink()]
        for path in new:
            sync(path)
            # Whatever the umask: who may use the folder may use the files.
            path.chmod(0o644)
        for path in new:
            path.replace(sources / path.name)


def sources_of(folder: Path) -> Path | None:
    """Return the folder whose files a staged one shows; None when there are none."""
    return next((path.readlink().parent for path in folder.iterdir() if path.is_symlink()), None)


def check_room_for(sizes: Sequence[int], folder: Path) -> None:
    """Refuse to begin with files that the folder of sources has no room for; raises EbsifError.

    Parameters
    ----------
    sizes
        Their bytes, as far as that is known.
    folder
        A folder as `staged` gives it.
    """
    check_room(folder.parent, sum(sizes), len(sizes), _INSTEAD)


def taken(file: LockedFile, folder: Path, target: Path) -> Path:
    """Copy a file that is run, whatever is done to a folder that others share, and return the copy.

    Parameters
    ----------
    folder
        The folder that the file lies in.
    target
        The folder for the copy.

    Raises
    ------
    EbsifError
        When the copy has another SHA256 than the lock says.
    """
    copy = target / file.filename
    if copy_and_hash(str(folder / file.filename), str(copy)) != file.sha256:
        copy.unlink()
        raise EbsifError(f"{file.filename} was replaced while ebsif was running: who else can write to the sources?")
    return copy


@contextmanager
def stored(file: LockedFile, folder: Path) -> Iterator[Path]:
    """Give a temporary name to write a file to, which gets its own name in the folder once it is the right one.

    Raises
    ------
    EbsifError
        When it has another SHA256 than the lock says, or cannot be written.
    """
    with unfinished(folder / file.filename) as temporary:
        yield temporary
        digest = sha256(temporary, Console(quiet=True))
        if digest != file.sha256:
            origin = f" from {file.source_url}" if file.source_url else ""
            hint = f"; `ebsif generate --upgrade {file.name}` takes what is there now" if file.remote_name else ""
            raise EbsifError(
                f"{file.filename}{origin} has SHA256 {digest}, not {file.sha256}: the download broke off, or the file "
                f"was changed{hint}"
            )
        sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(folder / file.filename)
