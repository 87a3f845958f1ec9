"""Printing: results on standard output, everything else on standard error."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

Advance = Callable[[int], None]

_UNLIMITED = 100_000  # columns


class Console:
    """Results, notes and progress; progress only on a terminal, so that logs stay readable.

    Parameters
    ----------
    quiet
        Whether to leave out notes and progress.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        # A file name may not be valid UTF-8.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        # A program that reads a table wants whole values: without a terminal, lines are not wrapped.
        width = None if sys.stdout.isatty() else _UNLIMITED
        self._out = RichConsole(highlight=False, soft_wrap=True, markup=False, emoji=False, width=width)
        self._err = RichConsole(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def say(self, text: str) -> None:
        """Write a line of the result."""
        self._out.print(printable(text))

    def write(self, text: str) -> None:
        """Write text of the result that another program may read; no character in it is hidden or obeyed."""
        text = printable(text)
        sys.stdout.write(text)
        sys.stdout.flush()

    def json(self, data: Any) -> None:
        """Write the result as JSON."""
        self.write(as_json(data))

    def table(self, headings: list[str], rows: list[list[str]]) -> None:
        """Write a result of several columns."""
        table = Table(box=None, pad_edge=False, show_edge=False)
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*map(printable, row))
        self._out.print(table)

    def note(self, text: str) -> None:
        """Say what ebsif does or has done."""
        if not self._quiet:
            self._err.print(printable(text))

    def warn(self, text: str) -> None:
        """Warn of something."""
        self._err.print(f"ebsif: warning: {printable(text)}", style="yellow")

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Advance]:
        """Show a bar for work on a known number of bytes; the function given tells of more bytes done."""
        columns = [TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeElapsedColumn()]
        with Progress(*columns, console=self._err, transient=True, disable=not self._shows) as bars:
            task = bars.add_task(printable(text), total=total)
            yield lambda count: bars.advance(task, count)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner for work of unknown length."""
        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
        with Progress(*columns, console=self._err, transient=True, disable=not self._shows) as bars:
            bars.add_task(printable(text), total=None)
            yield

    @property
    def _shows(self) -> bool:
        return self._err.is_terminal and not self._quiet


def printable(text: str) -> str:
    """Escape what a terminal would obey or hide, also marks of the direction of text; line breaks and tabs stay."""
    return "".join(char if char in "\n\t" or char.isprintable() else repr(char)[1:-1] for char in text)


def as_json(data: Any) -> str:
    """Return data as JSON that is readable, with what is not printable escaped."""
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False)
    return "".join(char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1] for char in text) + "\n"
