"""Fuzzing: the property tests, with new seeds until the time is over."""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

_PROJECT = Path(__file__).parents[1]
# What hypothesis marks, and what it says of each of them.
_TESTS = ["-m", "hypothesis", "tests/unit"]
_EXAMPLES = re.compile(r"(\d+) passing, (\d+) failing, and (\d+) invalid test cases")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S.*?)(?: - .*)?$", re.MULTILINE)
# A round takes a minute. One that takes so long hangs, or is still at making what has failed smaller.
_ROUND_SECONDS = 420
_LAST_SECONDS = 5


def fuzz(seconds: float, tests: Sequence[str] = tuple(_TESTS), round_seconds: float = _ROUND_SECONDS) -> bool:
    """Run tests with new seeds until the time is over, whatever they find; return whether all is well.

    Parameters
    ----------
    seconds
        How long.
    tests
        pytest's arguments that choose them.
    round_seconds
        How long one seed may take.
    """
    end, total, found = monotonic() + seconds, 0, list[int]()
    while (left := end - monotonic()) > 0:
        seed = random.SystemRandom().randrange(2**32)
        output, status = _round(seed, tests, min(left, round_seconds))
        examples = sum(sum(map(int, counts)) for counts in _EXAMPLES.findall(output))
        total += examples
        failed = [match["test"] for match in _FAILED.finditer(output)]
        if status is None:
            said = "cut at the end of the time" if left < round_seconds else f"not done in {round_seconds:g} s"
        else:
            said = "well" if status == 0 else f"status {status}"
        print(f"seed {seed}: {examples} examples, {said}", *failed, sep="\n  ", flush=True)
        if status or failed or (status is None and left >= round_seconds):
            print(output, flush=True)
            found.append(seed)
    print(f"{total} examples in {seconds:g} s; seeds with a failure: {', '.join(map(str, found)) or 'none'}")
    if found:
        print(f"again: python -m pytest --hypothesis-seed={found[0]} {' '.join(tests)}")
    return not found


def _round(seed: int, tests: Sequence[str], seconds: float) -> tuple[str, int | None]:
    """Run the tests with a seed; return their output, and their status, or None when they were ended."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-show-statistics"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+", errors="replace") as output:
        # Without the examples that a round before has kept: each looks for others.
        env = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": folder}
        with subprocess.Popen(
            [*words, f"--hypothesis-seed={seed}", *tests], cwd=_PROJECT, env=env, stdout=output, stderr=output
        ) as process:
            status: int | None
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
                # Then pytest tells what was done until now.
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LAST_SECONDS)
                process.kill()
        output.seek(0)
        return output.read(), status
