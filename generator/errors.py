"""What can go wrong, as messages for the person at the terminal."""

from collections.abc import Sequence
from pathlib import Path


class EbsifError(Exception):
    """The command cannot be done; the message says what is wrong, where, and what to do."""


class FileError(EbsifError):
    """A file cannot be read, or does not hold what it should."""


class OutdatedError(FileError):
    """An older version of ebsif wrote a file, in a format that this version does not read."""


class InputError(FileError):
    """Something that a person wrote cannot be used.

    Parameters
    ----------
    path
        The file that it stands in.
    problems
        Line (from 1; None where it concerns the whole file) and message of each problem.
    """

    def __init__(self, path: Path, problems: Sequence[tuple[int | None, str]]) -> None:
        self.path = path
        self.problems = list(problems)
        places = [(f"{path}:{line}" if line else str(path), message) for line, message in self.problems]
        super().__init__("\n".join(f"{place}: {message}" for place, message in places))


class ConflictError(EbsifError):
    """Packages contradict each other, or what the base has."""


class ToolError(EbsifError):
    """A program that ebsif needs, such as a container runtime or `eb`, is missing or fails."""
