"""TOML files that tools write: plain data, and the lines of the tables of a list for error messages."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ebsif.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


Kind = TypeVar("Kind", dict[str, Any], list[Any], str)
_WORDS = {"dict": "a table", "list": "a list", "str": "a text"}


@dataclass(frozen=True)
class Toml:
    """A TOML file.

    Parameters
    ----------
    path
        Where it was read from.
    data
        Its content.
    text
        Its text.
    """

    path: Path
    data: dict[str, Any]
    text: str

    def line_of(self, text: str) -> int | None:
        """Return the first line that has a text in it."""
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if text in line), None)

    def error(self, number: int | None, message: str) -> InputError:
        """Return an error about a line."""
        return InputError(self.path, [(number, message)])

    def tables(self, name: str) -> list[tuple[dict[str, Any], int | None]]:
        """Return the tables of a list, each with its line.

        Raises
        ------
        InputError
            When the list is not there, or holds something else.
        """
        found = self.data.get(name)
        if not (isinstance(found, list) and all(isinstance(item, dict) for item in found)):
            raise self.error(self.line_of(name), f"{name} must be a list of tables, as in [[{name}]]")
        header = re.compile(rf"\s*\[\[\s*{name}\s*\]\]")
        lines = [number for number, line in enumerate(self.text.splitlines(), 1) if header.match(line)]
        # Who writes the list in another way, or the header into a text, gets messages without lines.
        numbers = lines if len(lines) == len(found) else [None] * len(found)
        return list(zip(found, numbers, strict=True))

    def part(self, parent: Mapping[str, Any], key: str, kind: type[Kind], number: int | None = None) -> Kind:
        """Return a value of a kind in a table; an empty one where it is not there.

        Raises
        ------
        InputError
            When it is of another kind.
        """
        value = parent.get(key, kind())
        if not isinstance(value, kind):
            raise self.error(number or self.line_of(key), f"{key} must be {_WORDS[kind.__name__]}")
        return value


def parse_toml(text: str, path: Path) -> Toml:
    """Parse the text of a TOML file.

    Raises
    ------
    InputError
        When it is none.
    """
    try:
        return Toml(path, tomllib.loads(text), text)
    except RecursionError as error:
        raise InputError(path, [(None, "the file is nested too deeply")]) from error
    except ValueError as error:
        raise InputError(path, [(None, f"not TOML: {error}")]) from error
