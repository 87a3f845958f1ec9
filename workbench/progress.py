"""Telling a person what is being done and how long it took."""

import itertools
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_LONG = 1.0  # seconds from which on a duration is worth a word
_PAUSE = 0.12
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress:
    """Writes one line for each step; on a terminal a last line shows the steps that run, which may be several."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}

    def note(self, text: str) -> None:
        """Write a line about something that needs no work."""
        self._write(text)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Write a line about the work done in this context, with its duration and whether it failed."""
        start = time.monotonic()
        with self._lock:
            self._running[text] = start
            if self._stream.isatty() and len(self._running) == 1:
                threading.Thread(target=self._spin, daemon=True).start()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            with self._lock:
                del self._running[text]
            elapsed = time.monotonic() - start
            duration = f" in {elapsed:.0f} s" if elapsed >= _LONG else ""
            self._write(f"{text} … {outcome}{duration}")

    def _spin(self) -> None:
        for frame in itertools.cycle(_FRAMES):
            with self._lock:
                if not self._running:
                    return
                now = time.monotonic()
                steps = ", ".join(f"{text} … {now - start:.0f} s" for text, start in self._running.items())
                width = shutil.get_terminal_size().columns - 3
                self._stream.write(f"\r\033[K{frame} {steps[:width]}")
                self._stream.flush()
            time.sleep(_PAUSE)

    def _write(self, line: str) -> None:
        with self._lock:
            lead = "\r\033[K" if self._stream.isatty() else ""
            self._stream.write(f"{lead}{line}\n")
            self._stream.flush()
