"""Whatever a package index or its neighbours do: nothing unverified is run, written elsewhere or told."""

import base64
import itertools
import shutil
import socket
import subprocess
import time
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Any

import pytest

from ebsif import process
from ebsif.cli import main
from ebsif.errors import EbsifError
from ebsif.lock.model import PIP, LockedFile
from ebsif.lock.pip import elsewhere, pip
from ebsif.lock.pip.network import network_environment
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.pip.resolve import _constraints
from ebsif.lock.staging import taken
from ebsif.lock.target import Installed, Target
from tests.support.foreign_base import make_desk, sources
from tests.support.generator import contents
from tests.support.index import Answer, answering, serve
from tests.support.wheels import Wheel, make_wheel

EASYCONFIG = "Demo-1.0-cpu-python-3.11-singularity.eb"
SECRET = "pass-word-0123"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, pip_wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image, a folder of sources that has pip, and a recipe that asks for a package."""
    return make_desk(tmp_path, pip_wheel, monkeypatch)


def generate(lines: str = "") -> int:
    Path("recipe.yml").write_text(f"name: Demo\nversion: 1.0\nbase: demo.sif\npackages: [six]\n{lines}")
    return main(["generate", "recipe.yml"])


@pytest.fixture
def refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Generate with an index, which must fail and leave nothing; return what is said."""

    def refused(url: str) -> str:
        before = contents(desk)
        assert generate(f"index: {url}\n") == 2
        after = contents(desk)
        assert {name for name in after if after[name] != before.get(name)} <= {"work/recipe.yml", *in_cache(after)}
        return capsys.readouterr().err

    return refused


def in_cache(names: Any) -> set[str]:
    return {name for name in names if name.startswith("cache/")}


# --- names of files ---


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fsix-1.0-py3-none-any.whl",
        "..%2F..%2F..%2Fwork%2Fsix-1.0-py3-none-any.whl",
        "%2ftmp%2fsix-1.0-py3-none-any.whl",
        "x%2f..%2fsix-1.0-py3-none-any.whl",
        "%2e%2e%2fsix-1.0-py3-none-any.whl",
    ],
)
def test_a_name_that_is_a_path_is_refused(refused: Callable[[str], str], desk: Path, name: str) -> None:
    wheel = make_wheel(desk / "there", "six")

    def answer(path: str, _: Message) -> Answer:
        if path.endswith("/six/"):
            return Answer(f'<a href="/files/{name}#sha256={wheel.sha256}">six-1.0-py3-none-any.whl</a>'.encode())
        return Answer(wheel.path.read_bytes(), "application/octet-stream")

    with answering(answer) as address:
        assert "the package index at 127.0.0.1 lists a file '" in refused(f"{address}/simple")


# --- what is run ---


def test_a_planted_pip_is_replaced_and_not_run(desk: Path, pip_wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = sources(desk) / PIP.filename
    with zipfile.ZipFile(planted, "w") as archive:
        archive.writestr("pip/__main__.py", f"open({str(desk / 'pwned')!r}, 'w')\n")
    shutil.copy(pip_wheel.path, desk / "there")
    make_wheel(desk / "there", "six")
    with serve(desk / "there") as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert generate() == 0
    assert not (desk / "pwned").exists()
    assert planted.read_bytes() == pip_wheel.path.read_bytes()


def test_a_tool_that_is_replaced_after_the_check_is_not_run(tmp_path: Path) -> None:
    file = LockedFile("pip", "1.0", "pip-1.0-py3-none-any.whl", "0" * 64)
    (tmp_path / file.filename).write_text("other")
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(EbsifError, match=r"pip-1\.0-py3-none-any\.whl was replaced while ebsif was running"):
        taken(file, tmp_path, target)
    assert not list(target.iterdir())


# --- secrets ---


def test_the_password_of_a_netrc_opens_an_index_and_stands_nowhere(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wheel = make_wheel(desk / "there", "six")
    expected = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    commands: list[str] = []

    def answer(path: str, headers: Message) -> Answer:
        if headers["Authorization"] != expected:
            return Answer(status=401)
        if path.endswith(".whl"):
            return Answer(wheel.path.read_bytes(), "application/octet-stream")
        return Answer(f'<a href="/files/{wheel.path.name}">{wheel.path.name}</a>'.encode())

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, words: list[str], **options: Any) -> None:
            commands.extend(map(str, words))
            super().__init__(words, **options)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    (desk / "home" / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    with answering(answer) as address:
        assert generate(f"index: {address}/simple\n") == 0
        for words in ("check recipe.yml", f"check {EASYCONFIG}", f"diff --markdown recipe.yml {EASYCONFIG}"):
            assert main(words.split()) in (0, 1)
    told = capfd.readouterr()
    files = [path.read_bytes() for path in desk.rglob("*") if path.is_file() and path.name != ".netrc"]
    assert commands
    assert SECRET not in " ".join(commands) + told.out + told.err
    assert not [content for content in files if SECRET.encode() in content]
    assert f"'source_urls': ['{address}/files']" in Path(EASYCONFIG).read_text()


def test_a_netrc_is_handed_on_for_its_user_alone(desk: Path) -> None:
    (desk / "home" / ".netrc").write_text("machine example.org login me password x\n")
    (desk / "home" / ".netrc").chmod(0o644)
    env = network_environment(desk / "there", PurePosixPath("/inside"))
    assert env["NETRC"] == "/inside/netrc"
    assert (desk / "there" / "netrc").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "lines",
    [
        f"index: https://me:{SECRET}@example.org/simple",
        f"extra_indexes: ['https://{SECRET}@example.org/simple']",
        f"index: https://example.org/t/{SECRET}/simple",
        "index: https://example.org/4f9Kx02LqPz81bWm/simple",
        f"index: https://example.org/simple?token={SECRET}",
        f"requirements: [r.txt] # --index-url https://me:{SECRET}@example.org/simple",
        f"requirements: [r.txt] # --extra-index-url https://{SECRET}@example.org/simple",
        f"requirements: [r.txt] # x @ https://me:{SECRET}@example.org/x-1.0-py3-none-any.whl",
        f"requirements: [r.txt] # https://me:{SECRET}@example.org/x-1.0-py3-none-any.whl",
        f"allow_source: ['x']\npyproject: {{file: pyproject.toml}} # x @ https://me:{SECRET}@example.org/x-1.0-py3-none-any.whl",
        f"layer: conda\nenvironment: {{dependencies: ['https://example.org/t/{SECRET}/chan::zlib']}}",
        f"layer: conda\nenvironment: {{dependencies: ['t/{SECRET}/chan::zlib']}}",
        f"layer: conda\nenvironment: {{dependencies: ['t/{SECRET}/chan:space:zlib']}}",
        f"layer: conda\nenvironment: {{dependencies: ['zlib[channel=t/{SECRET}/chan]']}}",
        f"layer: conda\nenvironment: {{dependencies: ['t/{SECRET}/chan::zlib[channel=chan]']}}",
        f"layer: conda\nenvironment: {{dependencies: ['https://example.org/chan?token={SECRET}::zlib']}}",
        f"layer: conda\nenvironment: {{dependencies: ['zlib[url=\"https://me:{SECRET}@example.org/zlib-1-0.conda\"]']}}",
        f"layer: conda\nenvironment: {{channels: ['https://me:{SECRET}@example.org/c'], dependencies: [zlib]}}",
        f"layer: conda\nenvironment: {{channels: ['ftp://me:{SECRET}@example.org/c'], dependencies: [zlib]}}",
        f"layer: conda\nenvironment: r.txt # @EXPLICIT\nhttps://example.org/zlib-1-0.conda?t={SECRET}#{'a' * 64}",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(
    lines: str, capsys: pytest.CaptureFixture[str], desk: Path
) -> None:
    before, _, line = lines.partition(" # ")
    Path("r.txt").write_text(line)
    Path("pyproject.toml").write_text(f'[project]\nname = "p"\nversion = "1"\ndependencies = ["{line}"]\n')
    assert generate(f"{before}\n") == 2
    told = capsys.readouterr()
    assert "must not hold a password or token" in told.err
    assert SECRET not in told.err
    assert not Path(EASYCONFIG).exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://download.pytorch.org/whl/nightly/rocm6.2.4",
        "https://gitlab.example.org/api/v4/projects/12345678/packages/pypi/simple",
        "https://pkgs.dev.azure.com/org/0d39d3ae-1111-2222-3333-abcdefabcdef/_packaging/feed/pypi/simple/",
        "https://example.org/lumi20250827images/simple",
    ],
)
def test_an_ordinary_address_is_no_secret(url: str) -> None:
    Path("recipe.yml").write_text(f"name: Demo\nversion: 1.0\nbase: demo.sif\nlayer: venv\nindex: {url}\n")
    assert main(["generate", "recipe.yml"]) == 0


# --- answers ---


@pytest.mark.parametrize(
    "name",
    ["--index-url=http://127.0.0.1:9", "six --index-url http://x", "six\u2028--pre", "six\x85--pre", "six\n--pre", ""],
)
def test_a_name_that_no_package_can_have_is_nothing_for_pip_to_read(name: str) -> None:
    packages = (Installed(name, "1.0"), Installed("six", "1.0"))
    target = Target(None, "/usr/bin/python", "Python", packages)
    assert _constraints(PipRequest(()), target) == {"six": "six==1.0"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=500), "/simple/six/ with status 500: try again later"),
        (Answer(status=503), "/simple/six/ with status 503: try again later"),
        (Answer(status=429), "/simple/six/ with status 429: try again later"),
        (Answer(status=401), "/simple/six/ with status 401: put name and password for it into ~/.netrc; or it has no"),
        (Answer(status=403), "/simple/six/ with status 403: put name and password for it into ~/.netrc; or it has no"),
        (Answer(status=404), "no wheel of six (recipe.yml:4)"),
        (Answer(b"hello", "text/plain"), "/simple/six/ is no list of files (text/plain): is the address of the"),
        (Answer(bytes(range(256))), "/simple/six/ cannot be read as a list of files"),
        (Answer(b'{"a": 1', "application/vnd.pypi.simple.v1+json"), "/simple/six/ cannot be read as a list of files"),
        (Answer(b"[]", "application/vnd.pypi.simple.v1+json"), "/simple/six/ cannot be read as a list of files"),
        (Answer(b"<html>hello</html>"), "no wheel of six (recipe.yml:4)"),
    ],
)
def test_what_an_index_answers_is_named(refused: Callable[[str], str], answer: Answer, said: str) -> None:
    with answering(lambda path, headers: answer) as address:
        told = refused(f"{address}/simple")
    assert said in told
    assert told.count("\n") == 1


def test_an_index_that_does_not_answer_is_given_up(
    refused: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = refused(f"http://127.0.0.1:{server.getsockname()[1]}/simple")
    assert told.startswith("ebsif: the package index cannot be reached: ")


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Makes each look at the clock an hour long, once it is set."""
    event, looks = Event(), itertools.count(1)
    monkeypatch.setattr(process, "monotonic", lambda: time.monotonic() + (next(looks) * 3600 if event.is_set() else 0))
    return event


def test_an_index_that_drips_is_given_up(refused: Callable[[str], str], hurry: Event) -> None:
    def answer(path: str, _: Message) -> Answer:
        hurry.set()
        return Answer(b"<html>", drips=True)

    with answering(answer) as address:
        told = refused(f"{address}/simple")
    assert f"from {address}/simple/six/, less than 256 KiB have arrived within 600 seconds; if it is only slow" in told


def test_a_file_that_drips_is_given_up(
    refused: Callable[[str], str], hurry: Event, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(desk / "there", "six")

    def answer(path: str, _: Message) -> Answer:
        if path.endswith("/six/"):
            return Answer(f'<a href="/files/{wheel.path.name}">{wheel.path.name}</a>'.encode())
        return Answer(b"PK", drips=True)

    def is_news(text: str) -> bool:
        if "Progress 0 of" in text:
            hurry.set()
        return pip.is_news(text)

    monkeypatch.setattr(elsewhere, "is_news", is_news)
    with answering(answer) as address:
        told = refused(f"{address}/simple")
    assert f"from {address}/files/{wheel.path.name}, less than 256 KiB have arrived within 600 seconds" in told
