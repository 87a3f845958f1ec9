"""What can go wrong while a machine is prepared, as messages for its user."""

from collections.abc import Sequence

_SHOWN_LINES = 25


class WorkbenchError(Exception):
    """A machine cannot be prepared; the message says why, and what to do."""


class NotPreparedError(WorkbenchError):
    """Something that ``python3 -m workbench prepare`` makes is not there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not prepared on this machine, or out of date: run `python3 -m workbench prepare`")


class CommandError(WorkbenchError):
    """A program ended with an error; the message ends with the last lines that it printed."""

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        lines = output.strip().splitlines()[-_SHOWN_LINES:]
        said = "\n".join(f"    {line}" for line in lines) if lines else "    (it printed nothing)"
        super().__init__(f"`{' '.join(argv)}` ended with status {status}; its last lines:\n{said}")
        self.status = status
