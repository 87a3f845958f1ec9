"""Faults at every moment: what changes the disk fails, or all ends before it, for each change in turn.

Used with Python 3.6, too.
"""

import builtins
import errno
import io
import os
import signal
import threading
from typing import Any, Callable, Dict, List, Tuple, Type

# All that changes what is on the disk goes through these, and through `open`.
WRITES = ["fsync", "link", "mkdir", "rename", "replace", "symlink"]
REMOVALS = ["remove", "rmdir", "unlink"]  # which need no space

# Of each file that was written and is not on the disk yet: a descriptor, and its size on the disk.
_unsynced: Dict[Tuple[int, int], Tuple[int, int]] = {}


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lose_power() -> None:
    """What was not synced is lost, under whatever name it is by now: names are on the disk earlier."""
    # Another thread may have a file synced meanwhile.
    for descriptor, size in list(_unsynced.values()):
        os.ftruncate(descriptor, size)
    be_killed()


def have_no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def have_a_broken_disk() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def happened(
    work: Callable[[], Any],
    fault: Callable[[], None],
    number: int,
    error: Type[BaseException],
    *more: Tuple[Any, str],
    late: bool = False
) -> bool:
    """Work in another process, with a fault at a change, given its number; return whether there was such a change.

    The work may end in an error, of this kind or an OSError. `more` are other functions that change something: what has
    them, and their names. The fault comes before the change or, if it is late, behind it.
    """
    child = os.fork()
    if child == 0:
        names = WRITES + ([] if fault is have_no_space else REMOVALS)
        made = _count_changes(fault, number, [(os, name) for name in names] + list(more), late)
        status = 2
        try:
            work()
            status = len(made) >= number
        except (error, OSError):
            status = 1 if len(made) >= number else 2
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 1), "another error than the fault brings"
    return status != 0


def _count_changes(
    fault: Callable[[], None], number: int, functions: List[Tuple[Any, str]], late: bool
) -> List[str]:
    """Have a fault happen in this process at the change of a number; return the changes that were made."""
    made: List[str] = []
    counting = threading.Lock()

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with counting:
                made.append(function.__name__)
                this = len(made)
            if this == number and not late:
                fault()
            done = function(*arguments, **options)
            if function.__name__ == "fsync":
                _unsynced.pop(_file_of(*arguments), None)
            if this == number and late:
                fault()
            return done

        return call

    for owner, name in functions:
        setattr(owner, name, counted(getattr(owner, name)))
    opened = builtins.open
    for_writing, written = counted(opened), counted(lambda file: file)

    def open_file(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode.startswith("r"):
            return opened(path, mode, *arguments, **options)
        # What was there is gone when the first bytes are written.
        file = written(for_writing(path, mode, *arguments, **options))
        _note_unsynced(file.fileno())
        return file

    builtins.open = io.open = open_file  # type: ignore[assignment]
    return made


def _note_unsynced(descriptor: int) -> None:
    _unsynced.setdefault(_file_of(descriptor), (os.dup(descriptor), os.fstat(descriptor).st_size))


def _file_of(descriptor: int) -> Tuple[int, int]:
    info = os.fstat(descriptor)
    return info.st_dev, info.st_ino
