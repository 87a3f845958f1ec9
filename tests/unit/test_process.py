"""A program, an index or a channel that does not go on is ended and named; one that is only slow is not."""

import asyncio
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebsif import process
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.lock.conda.channel import going_on
from ebsif.lock.conda.download import download
from ebsif.lock.conda.request import CondaRequest, Spec
from ebsif.lock.conda.solve import Solver
from ebsif.lock.model import LockedFile
from ebsif.lock.pip.messages import stuck
from ebsif.lock.pip.pip import is_news
from ebsif.process import LEAST, StuckError, run
from tests.support.index import Answer, answering

QUIET = Console(quiet=True)
ENV = {"PATH": "/usr/bin:/bin"}


def gone(number: int) -> bool:
    return not Path(f"/proc/{number}").exists()


# --- programs ---


@pytest.mark.parametrize("script", ["exec sleep 10000", "exec sleep 10000 >&- 2>&-", "while echo noise; do :; done"])
def test_a_program_that_does_not_go_on_is_ended(script: str, tmp_path: Path) -> None:
    noted = tmp_path / "number"
    with pytest.raises(StuckError, match=r"bash takes too long: it has not gone on for 0\.3 seconds"):
        run(["bash", "-c", f"echo $$ > {noted}; {script}"], ENV, seconds=0.3)
    assert gone(int(noted.read_text()))


def test_a_program_with_news_may_take_as_long_as_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(process, "monotonic", lambda: clock[-1])

    def an_hour_later(_: str) -> bool:
        clock.append(clock[-1] + 3600)
        return True

    done = run(["bash", "-c", "echo one; echo two >&2; exit 3"], ENV, seconds=600, is_news=an_hour_later)
    assert (done.stdout, done.stderr, done.returncode) == ("one\n", "two\n", 3)


def test_what_a_program_says_is_as_from_subprocess() -> None:
    words = [sys.executable, "-c", r"import sys; sys.stdout.buffer.write(b'a\r\nb\rc\xff' + b'x' * 200_000)"]
    options = {"capture_output": True, "text": True, "errors": "surrogateescape", "check": False}
    assert run(words, ENV).stdout == subprocess.run(words, env=ENV, **options).stdout  # type: ignore[call-overload]


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_the_patience_is_a_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBSIF_PATIENCE", text)
    with pytest.raises(EbsifError, match=f"EBSIF_PATIENCE is '{text}': set it to a number of seconds, such as 600"):
        process.patience()


# --- pip ---


@pytest.mark.parametrize(
    ("text", "news"),
    [("Progress 262144 of 3000000\n", True), ("  Preparing metadata (pyproject.toml): still running...\n", False)],
)
def test_what_of_pip_is_news(text: str, news: bool) -> None:
    assert is_news(text) is news


PAGE = "2026-11-28T17:44:16,838 Getting page https://example.org/simple/six/\n"
FILE = "2026-11-28T17:45:32,964   Found link https://example.org/files/six-1.0.tar.gz#sha256=0 (from https://example.org/x)\n"
COLLECTING = "2026-11-28T17:45:32,964 Collecting six==1.0\n"
DOWNLOADING = "2026-11-28T17:45:32,973   Downloading six-1.0.tar.gz (3.0 MB)\n"
BUILDING = "2026-11-28T17:45:32,973   Getting requirements to build wheel: started\n"
WITH = "2026-11-28T17:45:32,973   Collecting setuptools\n"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ([PAGE], "from https://example.org/simple/six/, less than 256 KiB have arrived within 600 seconds"),
        ([PAGE, FILE, COLLECTING, DOWNLOADING], "from https://example.org/files/six-1.0.tar.gz#sha256=0, less than"),
        ([PAGE, FILE, COLLECTING, DOWNLOADING, BUILDING, WITH], "six==1.0 cannot be locked from source: its build"),
        ([PAGE, COLLECTING, BUILDING, COLLECTING, PAGE], "from https://example.org/simple/six/, less than"),
        ([], "from it, less than 256 KiB"),
    ],
)
def test_what_pip_was_waiting_for_is_named(log: list[str], said: str) -> None:
    assert said in str(stuck(log, 600))


# --- channels ---


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a channel that drips, for somebody who does not wait long."""
    monkeypatch.setenv("EBSIF_PATIENCE", "0.3")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with answering(lambda path, headers: Answer(b"{", drips=True)) as address:
        yield f"{address}/channel"


def test_a_channel_whose_list_drips_is_named(channel: str, tmp_path: Path) -> None:
    request = CondaRequest((Spec("tool", tmp_path, 1, "tool", "tool"),), (channel,))
    said = f"solving with {channel} does not go on: less than 256 KiB have arrived within 0.3 seconds; if it is only "
    with pytest.raises(EbsifError, match=re.escape(said + "slow, set EBSIF_PATIENCE to more")):
        asyncio.run(Solver(request, "linux-64", {}).solve([], None))


def test_a_channel_whose_file_drips_is_named(channel: str, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    file = LockedFile("tool", "1.0", "tool-1.0-0.conda", "0" * 64, f"{channel}/noarch")
    with pytest.raises(EbsifError, match=re.escape(f"the download of {channel}/noarch/{file.filename} does not go on")):
        download([file], tmp_path / "sources", QUIET)
    assert not list((tmp_path / "sources").iterdir())


def test_a_file_that_goes_on_may_take_as_long_as_it_needs() -> None:
    arrived = itertools.count(0, LEAST)

    async def wait() -> str:
        slow = asyncio.ensure_future(asyncio.sleep(0.1, "there"))
        return await going_on(slow, lambda: next(arrived), "it")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EBSIF_PATIENCE", "0.01")
        assert asyncio.run(wait()) == "there"
