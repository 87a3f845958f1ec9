"""Whatever a conda package or a channel says: nothing is written, read or linked outside of the environment."""

import asyncio
import importlib.util
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from easybuild.easyblocks.generic._siftext import files_path

from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.lock.conda import prefix as lock_prefix
from ebsif.lock.conda.download import download
from ebsif.lock.conda.request import CondaRequest, Spec
from ebsif.lock.conda.solve import Solver
from ebsif.lock.model import LockedFile
from tests.support.conda_packages import make_package
from tests.support.generator import contents
from tests.support.index import Answer, answering

QUIET = Console(quiet=True)
SECRET = "what the host knows"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder that belongs to somebody, with a file."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "mine").write_text(SECRET)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A place for an environment, deep enough for `..` to stay in the folder of the test."""
    folder = tmp_path / "a" / "b" / "layer" / "conda" / "envs" / "x"
    folder.parent.mkdir(parents=True)
    return folder


Install = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def install(host: Path, environment: Path, tmp_path: Path) -> Install:
    """Install packages as `eb` does; what lies elsewhere may not change."""
    rattler = importlib.util.find_spec("rattler")
    assert rattler and rattler.origin

    def install(*packages: Path) -> "subprocess.CompletedProcess[str]":
        before = elsewhere()
        request: dict[str, Any] = {
            "prefix": str(environment),
            "target_prefix": "/user-software/conda/envs/x",
            "cache": str(tmp_path / "a" / "b" / "cache"),
            "packages": [{"path": str(path), "url": None} for path in packages],
        }
        words = [sys.executable, files_path("conda.py"), str(Path(rattler.origin or "").parents[1]), "install"]
        done = subprocess.run(words, input=json.dumps(request), capture_output=True, text=True, check=False)
        assert elsewhere() == before
        assert "Traceback" not in done.stderr
        return done

    def elsewhere() -> dict[str, object]:
        ours = ("a/b/layer/conda/", "a/b/cache/")
        return {name: found for name, found in contents(tmp_path).items() if not name.startswith(ours)}

    return install


def refuse(install: Install, *packages: Path) -> str:
    done = install(*packages)
    assert done.returncode == 1
    return done.stderr


def member(name: str, **attributes: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


def link(name: str, target: Path | str) -> tarfile.TarInfo:
    return member(name, type=tarfile.SYMTYPE, linkname=str(target))


# --- files of a package ---


@pytest.mark.parametrize(
    "name",
    ["../../../../../../escaped", "bin/../../x", "/tmp/ebsif-escaped", "conda-meta", "conda-meta/other-1.0-0.json",
     "conda-meta//history", "./conda-meta/history"],
)  # fmt: skip
def test_a_file_that_is_listed_elsewhere_is_refused(install: Install, tmp_path: Path, name: str) -> None:
    (tmp_path / "escaped").write_text("would be copied")
    package = make_package(tmp_path, "evil", files={"share/a": "a"}, paths=["share/a", name])
    said = f"evil-1.0-0.conda has a file '{PurePosixPath(name)}', where no package can have one: take another"
    assert said in refuse(install, package)


def test_a_file_beyond_a_link_of_the_package_is_refused(install: Install, tmp_path: Path, host: Path) -> None:
    # It would be read, and be in the layer.
    package = make_package(tmp_path, "evil", members=[link("out", host)], paths=["out/mine"])
    assert "evil-1.0-0.conda has a file 'out/mine', which a link in it leads to" in refuse(install, package)


def test_a_file_with_a_prefix_that_is_a_link_is_refused(install: Install, tmp_path: Path, host: Path) -> None:
    # Its content would be read, and be in the layer.
    members = [link("leak", host / "mine")]
    package = make_package(tmp_path, "evil", members=members, paths=["leak"], prefix={"leak": "text"})
    assert "evil-1.0-0.conda has a link 'leak' where it says that a file is" in refuse(install, package)


def test_a_file_with_a_name_that_no_file_can_have_is_refused(install: Install, tmp_path: Path) -> None:
    name = "x" * 300
    package = make_package(tmp_path, "evil", files={"share/a": "a"}, paths=["share/a", name], prefix={name: "text"})
    assert refuse(install, package).startswith("the conda packages cannot be installed: ")


@pytest.mark.parametrize(
    "members",
    [
        [link("out", "{host}"), member("out/escaped")],
        [link("a/b/up", "../../.."), link("out", "a/b/up/../../../../../host"), member("out/escaped")],
        [member("hard", type=tarfile.LNKTYPE, linkname="../../../../host/mine")],
        [member("hard", type=tarfile.LNKTYPE, linkname="{host}/mine")],
        [member("../../../../host/escaped")],
        [member("{host}/escaped")],
    ],
    ids=lambda members: " ".join(f"{one.name} {one.linkname}" for one in members),
)
def test_an_archive_that_leads_out_writes_nothing_there(
    install: Install, tmp_path: Path, host: Path, members: Sequence[tarfile.TarInfo]
) -> None:
    for one in members:
        one.name, one.linkname = (text.format(host=host) for text in (one.name, one.linkname))
    install(make_package(tmp_path, "evil", files={"share/a": "a"}, members=members))


def test_neither_devices_nor_setuid_files_are_made(install: Install, tmp_path: Path, environment: Path) -> None:
    members = [
        member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("pipe", type=tarfile.FIFOTYPE),
        member("tool", mode=0o6755),
    ]
    package = make_package(tmp_path, "evil", members=members, paths=["null", "pipe", "tool"])
    assert install(package).returncode == 0
    for one in members:
        assert (environment / one.name).lstat().st_mode & 0o177000 == 0o100000


def test_a_link_of_one_package_is_not_followed_for_the_files_of_another(
    install: Install, tmp_path: Path, host: Path
) -> None:
    first = make_package(tmp_path, "first", links={"out": str(host)})
    second = make_package(tmp_path, "second", depends=["first"], files={"out/escaped": "text"})
    assert "second-1.0-0.conda brings out/escaped: not both can be there" in refuse(install, first, second)


def test_a_build_that_is_a_path_is_refused(install: Install, tmp_path: Path) -> None:
    package = make_package(tmp_path, "evil", build="/../../../../escaped_0", files={"share/a": "a"})
    assert "is no name of a package, version and build" in refuse(install, package)


# --- hooks and variables ---

HOOK = "etc/conda/activate.d/00-env-vars.sh"
ASKED = "etc/conda/env_vars.d/x.json"


@pytest.mark.parametrize("name", [HOOK, "etc/conda/activate.d"])
def test_a_hook_that_is_a_link_is_refused(install: Install, tmp_path: Path, host: Path, name: str) -> None:
    target = host / "mine" if name == HOOK else host
    package = make_package(tmp_path, "evil", files={ASKED: '{"A": "b"}'}, links={name: str(target)})
    assert f"'{HOOK}' of the conda package evil cannot be used: it leads out of the environment, to {host}" in refuse(
        install, package
    )


def test_variables_in_a_file_of_the_host_are_not_read(install: Install, tmp_path: Path, host: Path) -> None:
    (host / "mine").write_text('{"A": "b"}')
    package = make_package(tmp_path, "evil", links={ASKED: str(host / "mine")})
    assert f"'{ASKED}' of the conda package evil cannot be used: it leads out of the environment" in refuse(
        install, package
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"BAD; touch /tmp/x": "a"}', "'BAD; touch /tmp/x' is no name of a variable"),
        ('{"A=b\\n": "a"}', r"'A=b\n' is no name of a variable"),
        ('{"A": "a",}', "line 1 column 1"),
        ('["A"]', "it is no object of names and values"),
        ('{"A": ["b"]}', "['b'] is no value of a variable"),
        ('{"A": "a\\u0000b"}', r"'a\x00b' is no value of a variable"),
        ('{"A": "\\ud800"}', "surrogates not allowed"),
        ("[" * 100_000, "recursion"),
        ("", "Expecting value"),
    ],
)
def test_variables_that_cannot_be_set_are_refused(install: Install, tmp_path: Path, text: str, reason: str) -> None:
    said = refuse(install, make_package(tmp_path, "evil", files={ASKED: text}))
    assert f"'{ASKED}' of the conda package evil cannot be used: " in said
    assert reason in said


# --- what a lock is made of ---


def test_a_package_that_is_replaced_after_the_check_is_not_unpacked(tmp_path: Path) -> None:
    package = make_package(tmp_path, "tool", files={"share/a": "a"})
    file = LockedFile("tool", "1.0", package.name, "0" * 64)
    with pytest.raises(EbsifError, match=r"tool-1\.0-0\.conda was replaced while ebsif was running"):
        lock_prefix._install(
            [file], package.parent, tmp_path / "layer", PurePosixPath("/user-software/conda/envs/x"), tmp_path
        )
    assert not list((tmp_path / "layer").rglob("share"))


# --- what a channel lists ---

RECORD = {
    "name": "tool", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch",
    "sha256": "a" * 64, "size": 1,
}  # fmt: skip


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[LockedFile]]]:
    """Solve for a package of a channel with one file, and download that; all that is written lies in two folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "sources").mkdir()
    listed: dict[str, object] = {}

    def answer(path: str, _: Message) -> Answer:
        if path.endswith("/repodata.json"):
            return Answer(json.dumps(listed if "noarch" in path else {"packages": {}}).encode(), "application/json")
        return Answer(b"content") if path.endswith("/tool-1.0-0.conda") else Answer(status=404)

    with answering(answer) as address:

        def lock(key: str, info: dict[str, str] | None = None, **changes: object) -> list[LockedFile]:
            listed.update({
                "info": {"subdir": "noarch", **(info or {})}, "packages": {}, "repodata_version": 2 if info else 1,
                "packages.conda": {key: RECORD | changes},
            })  # fmt: skip
            request = CondaRequest((Spec("tool", tmp_path, 1, "tool", "tool"),), (f"{address}/channel",))
            try:
                files = asyncio.run(Solver(request, "linux-64", {}).solve([], None))
                download(files, tmp_path / "sources", QUIET)
            except EbsifError as error:
                raise EbsifError(str(error).replace(address, "http://host")) from error
            return files

        yield lock
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "cache"}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        # Its library leaves out a record whose file has such a name.
        ("../../tool-1.0-0.conda", "the channels (http://host/channel) have no tool"),
        ("..%2f..%2ftool-1.0-0.conda", "the channels (http://host/channel) have no tool"),
        ("/tmp/tool-1.0-0.conda", "the channels (http://host/channel) have no tool"),
        ("https://example.org/tool-1.0-0.conda", "the channels (http://host/channel) have no tool"),
        ("tool-1.0-0.conda?/../x.conda", "the channel http://host/channel/ lists a file 'tool-1.0-0.conda?/../x.c"),
        ("tool-1.0-0.conda#/../x.conda", "the channel http://host/channel/ lists a file 'tool-1.0-0.conda#/../x.c"),
        ("tool\x1b[31m-1.0-0.conda", "a channel cannot be used (http://host/channel): "),
    ],
)
def test_a_channel_with_a_file_that_is_no_name_is_refused(
    lock: Callable[..., list[LockedFile]], key: str, said: str
) -> None:
    with pytest.raises(EbsifError) as caught:
        lock(key)
    assert said in str(caught.value)


@pytest.mark.parametrize("base", ["https://me:word@example.org/", "https://example.org/t/token/", "file:///etc/", "ftp://x/"])
def test_a_channel_whose_files_lie_where_none_can_is_refused(
    lock: Callable[..., list[LockedFile]], base: str
) -> None:
    said = "the channel http://host/channel/ says that tool-1.0-0.conda lies elsewhere, where no file of a package can"
    with pytest.raises(EbsifError) as caught:
        lock("tool-1.0-0.conda", {"base_url": base})
    assert said in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "changes", [{"fn": "../../x.conda"}, {"url": "https://example.org/x.conda"}, {"subdir": "../.."}]
)
def test_what_else_a_channel_says_of_a_file_does_not_count(
    lock: Callable[..., list[LockedFile]], changes: dict[str, str]
) -> None:
    with pytest.raises(EbsifError, match=r"tool-1\.0-0\.conda from http://host/channel/noarch has SHA256"):
        lock("tool-1.0-0.conda", **changes)
