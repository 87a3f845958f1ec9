"""What can go wrong, as messages for the person at the terminal."""

from collections.abc import Sequence
from pathlib import Path


class EbsifError(Exception):
    """The command cannot be done; the message says what is wrong, where, and what to do."""


class InputError(EbsifError):
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
