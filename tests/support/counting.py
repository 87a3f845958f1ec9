"""A container runtime that counts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CountedRuntime:
    """A program in the place of the runtime, which does the same, and notes each time that it is started.

    Parameters
    ----------
    folder
        Where it lies; to be put in front of PATH.
    """

    folder: Path

    def starts(self) -> list[str]:
        """Return the arguments of each start so far."""
        return (self.folder / "starts").read_text().splitlines()


def counted_runtime(folder: Path, runtime: Path) -> CountedRuntime:
    """Make such a program, which every user may run, in a new folder below that one."""
    counted = CountedRuntime(folder / "counted")
    counted.folder.mkdir()
    notes = counted.folder / "starts"
    notes.touch()
    notes.chmod(0o666)
    for name in ("apptainer", "singularity"):
        program = counted.folder / name
        program.write_text(f'#!/bin/sh\necho "$*" >>"{notes}"\nexec "{runtime}" "$@"\n')
        program.chmod(0o755)
    return counted
