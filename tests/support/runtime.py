"""The container runtime on PATH: the prepared one, or one that counts."""

from dataclasses import dataclass
from pathlib import Path

import pytest

import workbench


def use_runtime(machine: workbench.Machine, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the runtime on PATH, and use no cache of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PATH", str(machine.runtime.parent), prepend=":")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


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


def with_variable(folder: Path, runtime: Path, assignment: str) -> Path:
    """Make a program in the place of the runtime, which runs each image as if that set a variable."""
    setting = folder / "95-set.sh"
    setting.write_text(f"export {assignment}\n")
    program = folder / "apptainer"
    bind = f"{setting}:/.singularity.d/env/95-set.sh"
    program.write_text(f'#!/bin/sh\nexport APPTAINER_BIND={bind}\nexec {runtime} "$@"\n')
    program.chmod(0o755)
    return program
