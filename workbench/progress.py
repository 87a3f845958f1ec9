"""Telling a person what is being done and how long it took."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_LONG = 1.0  # seconds from which on a duration is worth a word
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress:
    """Writes one line for each step; on a terminal the line lives while the step runs."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream

    def note(self, text: str) -> None:
        """Write a line about something that needs no work."""
        self._write(f"{text}\n")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Write a line about the work done in this context, with its duration and whether it failed."""
        start = time.monotonic()
        done = threading.Event()
        self._write(f"{text} …")
        painter = threading.Thread(target=self._spin, args=(text, start, done), daemon=True)
        if self._stream.isatty():
            painter.start()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            done.set()
            if painter.is_alive():
                painter.join()
            elapsed = time.monotonic() - start
            duration = f" in {elapsed:.0f} s" if elapsed >= _LONG else ""
            lead = f"\r\033[K{text} …" if self._stream.isatty() else ""
            self._write(f"{lead} {outcome}{duration}\n")

    def _spin(self, text: str, start: float, done: threading.Event) -> None:
        frame = 0
        while not done.wait(0.12):
            frame += 1
            self._write(f"\r\033[K{_FRAMES[frame % len(_FRAMES)]} {text} … {time.monotonic() - start:.0f} s")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
