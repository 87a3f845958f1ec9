"""What commands find when they look at something for a person."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    what
        What was looked at.
    found
        What was found.
    level
        Whether it is in order, something to know, or an error.
    remedy
        What to do; None when nothing needs to be done, or when `found` says it.
    """

    what: str
    found: str
    level: Level = "ok"
    remedy: str | None = None
