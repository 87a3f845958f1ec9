"""The command line of ``ebsif``."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ebsif.commands import COMMANDS
from ebsif.errors import EbsifError
from ebsif.parser import command_module, make_parser

# The signals that ask a process to end.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run() -> NoReturn:
    """Run the command that this process was started for, and end the process."""
    # What was begun is removed, and what runs in a container is ended. What nohup ignores, stays so.
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    status = main()
    if "rattler" in sys.modules:
        # rattler's threads outlive its calls and may crash a Python that ends in the ordinary way (seen with 0.28).
        os._exit(status)
    sys.exit(status)


def _interrupt(number: int, _: object) -> NoReturn:
    # No second one while what was begun is removed.
    for ending in _ENDING:
        signal.signal(ending, signal.SIG_IGN)
    # Ended here: subprocess waits for a program that it has just started (for Ctrl-C alone, not for long).
    _kill_children()
    raise InterruptedBySignal(number)


def _kill_children() -> list[int]:
    """Kill the processes that this one has started and not yet waited for; return their numbers."""
    numbers = [int(word) for file in Path("/proc/self/task").glob("*/children") for word in file.read_text().split()]
    for number in numbers:
        # A thread may have waited for it meanwhile.
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return numbers


class InterruptedBySignal(KeyboardInterrupt):
    """A signal that asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit status.

    Parameters
    ----------
    arguments
        Without the program's name; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    named = next((word for word in words if not word.startswith("-")), None)
    options = make_parser(*([named] if named in COMMANDS else [])).parse_args(words)
    # Imported late: it imports the libraries.
    from ebsif.console import Console, printable
    from ebsif.scratch import use_scratch

    try:
        use_scratch()
        status = int(command_module(options.command).run(options, Console(quiet=options.quiet)))
        sys.stdout.flush()
        return status
    except EbsifError as error:
        for line in str(error).splitlines():
            print(f"ebsif: {printable(line)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of the output has gone: Python must not write anything more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # Some errors, such as a full disk, name no file.
        place = f"cannot use {error.filename}: " if error.filename else ""
        print(f"ebsif: {printable(f'{place}{error.strerror or error}')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        # One that was just being started, or was started in a thread since.
        for child in _kill_children():
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
        print("ebsif: interrupted", file=sys.stderr)
        return 128 + (interrupt.number if isinstance(interrupt, InterruptedBySignal) else signal.SIGINT)
