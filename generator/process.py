"""Running a program, and ending one that does not go on."""

import os
import selectors
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from ebsif.errors import EbsifError, ToolError

PATIENCE = "EBSIF_PATIENCE"
_SECONDS = 600
# Bytes that have to arrive within that time from an index or a channel; pip tells when as many have.
LEAST = 1 << 18
_TICK = 0.5  # seconds between looks at the clock


class StuckError(ToolError):
    """A program was ended because it did not go on.

    Parameters
    ----------
    program
        The program.
    seconds
        How long it was waited for.
    """

    def __init__(self, program: str, seconds: float) -> None:
        super().__init__(f"{program} takes too long: it has not gone on for {seconds:g} seconds")
        self.seconds = seconds


def patience() -> float:
    """Return the seconds after which a package index, a channel or a script of a package is given up.

    Raises
    ------
    EbsifError
        When the user has set something that is no such number.
    """
    text = os.environ.get(PATIENCE) or str(_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise EbsifError(f"{PATIENCE} is {text!r}: set it to a number of seconds, such as {_SECONDS}")
    return seconds


def in_vain(seconds: float) -> str:
    """Return how long something was waited for, and what to do where it is only slow."""
    return f"within {seconds:g} seconds; if it is only slow, set {PATIENCE} to more"


def nothing_is_news(_: str) -> bool:
    """Tell that whatever a program writes, it may take no longer."""
    return False


def run(
    words: Sequence[str],
    env: Mapping[str, str],
    *,
    seconds: float | None = None,
    is_news: Callable[[str], bool] = nothing_is_news,
) -> "subprocess.CompletedProcess[str]":
    """Run a program, and return its status, output and error output.

    Parameters
    ----------
    seconds
        How long it may take without news; None for as long as it takes.
    is_news
        Tells of something that it has written whether that counts as news; by default, nothing does.

    Raises
    ------
    StuckError
        When it was ended.
    """
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(words, env=dict(env), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as process,
        selectors.DefaultSelector() as open_pipes,
    ):
        assert process.stdout
        assert process.stderr
        said: dict[int, bytearray] = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr)}
        output, errors = said.values()
        for number in said:
            open_pipes.register(number, selectors.EVENT_READ)
        last = monotonic()
        try:
            while open_pipes.get_map():
                for key, _ in open_pipes.select(_TICK):
                    block = os.read(key.fd, 1 << 16)
                    said[key.fd] += block
                    if not block:
                        open_pipes.unregister(key.fd)
                    elif is_news(_text(block)):
                        last = monotonic()
                if seconds is not None and monotonic() - last >= seconds:
                    raise StuckError(words[0], seconds)
            # It has closed both, and may run on.
            process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise StuckError(words[0], error.timeout) from error
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(list(words), process.returncode, _text(output), _text(errors))


def attempt(
    words: Sequence[str | Path], env: Mapping[str, str] | None = None, seconds: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run a program to see whether it works.

    One that cannot start, or does not end within the seconds, counts as failed; the reason is its error output.

    Parameters
    ----------
    env
        Its environment; None for that of this process.
    """
    argv = [str(word) for word in words]
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
    try:
        return subprocess.run(argv, env=env, timeout=seconds, check=False, **options)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 1, "", f"it did not end within {seconds:.0f} seconds")
    except OSError as error:
        return subprocess.CompletedProcess(argv, 1, "", error.strerror or str(error))


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the last line that a program has written, which mostly is the reason why it failed."""
    return (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]


def _text(said: bytes | bytearray) -> str:
    """Return what a program has written as `subprocess` does with ``text=True``."""
    return said.decode(errors="surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
