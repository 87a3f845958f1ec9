"""The container runtime: running programs in a container, untouched by the user's own settings."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ebsif import process
from ebsif.errors import ToolError
from ebsif.inside.runtime import RUNTIMES, container_command, container_environment


class CommandFailedError(ToolError):
    """A program in a container ended with a status that is not 0.

    Parameters
    ----------
    message
        What was tried.
    done
        How it ended, with its output.
    """

    def __init__(self, message: str, done: "subprocess.CompletedProcess[str]") -> None:
        super().__init__(f"{message}: {done.stderr.strip() or done.stdout.strip() or f'status {done.returncode}'}")
        self.done = done


@dataclass(frozen=True)
class Inside:
    """How a program is run in a container.

    Parameters
    ----------
    verb
        ``exec``, or ``run`` to go through the image's own runscript.
    binds
        Bind specifications.
    env
        Environment variables in the container; their values arrive as they are.
    timeout
        Seconds without news after which the program is ended; None for as long as it takes.
    is_news
        Tells of something that it has written whether that counts as news.
    scratch
        A folder for the program's temporary files, where it is not ours: then it sees nothing of the host but this and
        the binds. None leaves it what the runtime's own configuration binds, such as ``/tmp``.
    """

    verb: Literal["exec", "run"] = "exec"
    binds: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    is_news: Callable[[str], bool] = process.nothing_is_news
    scratch: Path | None = None


@dataclass(frozen=True)
class Runtime:
    """The runtime of this machine.

    Parameters
    ----------
    path
        Its program.
    """

    path: Path

    def run(
        self, image: Path, command: Sequence[str], inside: Inside | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program in a container of an image, and return its status, output and error output.

        Nothing of the environment of the host is there.

        Raises
        ------
        StuckError
            When it takes longer than it may.
        """
        inside = inside or Inside()
        scratch = str(inside.scratch) if inside.scratch else None
        words = container_command(str(self.path), str(image), command, inside.verb, inside.binds, scratch)
        environment = container_environment(str(self.path), inside.env)
        return process.run(words, environment, seconds=inside.timeout, is_news=inside.is_news)

    def output(self, image: Path, command: Sequence[str], inside: Inside | None = None) -> str:
        """Run a program that must succeed, and return its output.

        Raises
        ------
        CommandFailedError
            With its error output, when its status is not 0.
        """
        done = self.run(image, command, inside)
        if done.returncode != 0:
            raise CommandFailedError(f"{command[0]} failed in a container of {image}", done)
        return done.stdout


def find_runtime() -> Runtime:
    """Return the runtime that is on ``PATH``.

    Raises
    ------
    ToolError
        When there is none.
    """
    for name in RUNTIMES:
        found = shutil.which(name)
        if found:
            return Runtime(Path(found))
    raise ToolError(
        "neither apptainer nor singularity is on PATH: install one of them, or load the module that provides it"
    )
