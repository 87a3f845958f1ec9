"""Measuring what programs cost: time, processor time, memory, operations on files."""

import ctypes
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError

_SET_CHILD_SUBREAPER = 36
_PAUSE = 0.02
_HIGHEST = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_TAIL = 3000


@dataclass(frozen=True)
class Cost:
    """What running one or several programs cost.

    Parameters
    ----------
    wall
        Seconds from the start of the first to the end of the last.
    processor
        Seconds of processors, user and system, with all that they started.
    """

    wall: float
    processor: float


def cost(arguments: Mapping[str, Any], times: int = 1) -> Cost:
    """Run a program, or several of the same at once, to the end, and return what that cost.

    Parameters
    ----------
    arguments
        Those of `subprocess.Popen`.
    times
        How many at once.

    Raises
    ------
    BenchmarkError
        When one of them fails.
    """
    # What mounts the images lives on for a moment when the program has ended: then it becomes ours, and counts, too.
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "start_new_session": True}
        start = time.monotonic()
        processes = [subprocess.Popen(**{**arguments, **options}) for _ in range(times)]
        try:
            statuses = [process.wait() for process in processes]
        except BaseException:
            # What goes on would write into a folder that is being removed.
            for process in processes:
                os.killpg(process.pid, signal.SIGKILL)
            _wait_for_orphans()
            raise
        wall = time.monotonic() - start
        _wait_for_orphans()
        _check(arguments, statuses, output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def peak_memory(arguments: Mapping[str, Any]) -> float:
    """Run a program to its end; return the most memory that it had itself, without what it starts, in MiB."""
    peak = 0
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(**{**arguments, "stdin": subprocess.DEVNULL, "stdout": output, "stderr": output})
        # The kernel keeps the highest value: only what comes in the last moment is missed.
        while process.poll() is None:
            found = _HIGHEST.search(Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(found[1]) if found else 0)
            time.sleep(_PAUSE)
        _check(arguments, [process.returncode], output)
    return peak / 1024


def forget(paths: Iterable[Path]) -> None:
    """Have the kernel forget what it keeps in memory of files, and of those in folders: the next reads the disk."""
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as handle:
                    os.fdatasync(handle.fileno())  # what is not written yet cannot be forgotten
                    os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _wait_for_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _check(arguments: Mapping[str, Any], statuses: Sequence[int], output: Any) -> None:
    for status in statuses:
        if status != 0:
            output.seek(0)
            words = " ".join(arguments["args"])
            raise BenchmarkError(f"status {status} of: {words}\n{output.read()[-_TAIL:]}")
