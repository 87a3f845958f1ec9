"""Running programs, with their output kept for the error message."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.errors import CommandError


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a program to its end and return what it printed on its standard output.

    Parameters
    ----------
    argv
        The program and its arguments.
    env
        Variables to set on top of the present environment.
    cwd
        The folder to run in.

    Raises
    ------
    CommandError
        When the program's exit status is not 0.
    """
    words = [str(word) for word in argv]
    done = subprocess.run(
        words,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        close_fds=False,  # so that the program holds the cache's lock
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(words, done.returncode, done.stdout + done.stderr)
    return done.stdout
