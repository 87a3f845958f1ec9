"""The conda channel of the tests: its packages are what conda's tools take them for."""

import asyncio
import filecmp
import subprocess
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

import pytest
import rattler
from rattler.exceptions import GatewayError, InstallerError, SolverError

from tests.support.conda import HOOKED_VALUE, Channel, add_fillers, make_small_channel
from tests.support.conda_packages import PLACEHOLDER, corrupted, make_package
from tests.support.conda_server import Server, serve

INSIDE = "/user-software/conda/envs/x"
VIRTUAL = {"__unix": "0", "__linux": "3.2.0", "__glibc": "2.36"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return make_small_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture
def served(small: Channel) -> Iterator[Server]:
    with serve(small.path) as server:
        yield server


def solved(url: str, specs: Sequence[str], cache: Path) -> list[rattler.RepoDataRecord]:
    virtual = [
        rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0"))
        for name, version in VIRTUAL.items()
    ]
    gateway = rattler.Gateway(cache_dir=cache)
    platforms: list[rattler.Subdir] = [rattler.Subdir("linux-64"), rattler.Subdir("noarch")]
    return asyncio.run(rattler.solve([url], specs, gateway=gateway, platforms=platforms, virtual_packages=virtual))


def install(url: str, specs: Sequence[str], folder: Path) -> Path:
    prefix = folder / "prefix"
    records = solved(url, specs, folder / "lists")
    asyncio.run(
        rattler.install(
            records, prefix, cache_dir=folder / "packages", show_progress=False, alternative_target_prefix=INSIDE
        )
    )
    return prefix


def test_a_channel_has_the_same_bytes_each_time(small: Channel, tmp_path: Path) -> None:
    again = make_small_channel(tmp_path)
    names = [str(path.relative_to(small.path)) for path in small.path.glob("*/*.conda")]
    assert len(names) > 10
    assert filecmp.cmpfiles(small.path, again.path, names, shallow=False) == (names, [], [])


def test_the_build_prefix_is_replaced_in_text_and_in_binary_files(small: Channel, tmp_path: Path) -> None:
    prefix = install(small.url, ["prefixed"], tmp_path)
    data = (prefix / "share/prefixed/data.bin").read_bytes()
    held = f"{INSIDE}/share/prefixed".encode()
    assert (prefix / "share/prefixed/config.txt").read_text() == f"data = {INSIDE}/share/prefixed/data.bin\n"
    assert data == b"\x7fDATA\0" + held + bytes(len(PLACEHOLDER) - len(INSIDE)) + b"\0end\0"
    printed = subprocess.run([prefix / "bin/prefixed-tool"], check=True, capture_output=True).stdout
    assert printed == held + b"\n"
    installed = [path for path in prefix.rglob("*") if path.is_file() and path.parent.name != "conda-meta"]
    assert not [path for path in installed if b"placehold_" in path.read_bytes()]


def test_a_placeholder_has_the_length_of_those_of_conda_build() -> None:
    assert len(PLACEHOLDER) == 255


def test_a_hook_sets_a_value_that_needs_quoting(small: Channel, tmp_path: Path) -> None:
    prefix = install(small.url, ["hooked"], tmp_path)
    script = 'source "$1"; printf "%s\\n" "$HOOKED_VALUE" "$HOOKED_HOME"'
    words = ["bash", "-c", script, "bash", str(prefix / "etc/conda/activate.d/hooked.sh")]
    done = subprocess.run(words, env={"CONDA_PREFIX": "/x"}, check=True, capture_output=True, text=True)
    assert done.stdout == f"{HOOKED_VALUE}\n/x/share/hooked\n"


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    channel = Channel(tmp_path / "channel")
    files = {"bin/run": "#!/bin/sh\n", "share/text": "text\n"}
    make_package(channel.path, "linking", files=files, executable=["bin/run"], links={"bin/again": "run"})
    channel.index()
    prefix = install(channel.url, ["linking"], tmp_path)
    assert (prefix / "bin/again").readlink() == Path("run")
    assert [(prefix / path).stat().st_mode & 0o777 for path in files] == [0o755, 0o644]


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        (["left", "right"], "shared 1.0"),
        (["newglibc"], "__glibc >=2.99"),
        (["foreign"], "No candidates were found for foreign"),
    ],
)
def test_what_cannot_be_solved(small: Channel, tmp_path: Path, specs: list[str], said: str) -> None:
    with pytest.raises(SolverError, match=said):
        solved(small.url, specs, tmp_path)


def test_fillers(small: Channel, tmp_path: Path) -> None:
    channel = small.copy(tmp_path / "channel")
    add_fillers(channel, 3)
    names = {record.name.normalized for record in solved(channel.url, ["fillers"], tmp_path / "lists")}
    assert names == {"fillers", "filler-000", "filler-001", "filler-002"}


def test_a_package_that_is_replaced_is_indexed_again(small: Channel, tmp_path: Path) -> None:
    channel = small.copy(tmp_path / "channel")
    before = solved(channel.url, ["shared 1.*"], tmp_path / "lists")
    make_package(channel.path, "shared", files={"share/shared/version.txt": "another 1.0\n"})
    channel.index()
    after = solved(channel.url, ["shared 1.*"], tmp_path / "lists")
    assert [record.sha256 for record in before] != [record.sha256 for record in after]


def test_a_damaged_package_is_refused(small: Channel, tmp_path: Path) -> None:
    channel = small.copy(tmp_path / "channel")
    package = channel.package("prefixed")
    size = package.stat().st_size
    assert corrupted(package, package.parent).stat().st_size == size
    with pytest.raises(InstallerError, match="prefixed"):
        install(channel.url, ["prefixed"], tmp_path)


def test_a_package_must_hold_the_placeholder_where_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not hold the placeholder in a"):
        make_package(tmp_path, "wrong", files={"a": "no prefix"}, prefix={"a": "text"})
    with pytest.raises(ValueError, match="has no b"):
        make_package(tmp_path, "wrong", files={"a": "text"}, executable=["b"])


def test_a_channel_is_served(served: Server, tmp_path: Path) -> None:
    prefix = install(served.url, ["tool"], tmp_path)
    assert (prefix / "bin/tool").exists()
    packages = [path for path in served.requests if path.endswith(".conda")]
    assert sorted(packages) == ["/linux-64/prefixed-1.0-0.conda", "/linux-64/tool-1.0-0.conda"]


def test_a_channel_that_has_not_changed_is_solved_again(served: Server, tmp_path: Path) -> None:
    first, second = ([record.file_name for record in solved(served.url, ["tool"], tmp_path)] for _ in range(2))
    assert first == second


def test_a_download_breaks_off(served: Server, tmp_path: Path) -> None:
    served.truncated.add("*/tool-*.conda")
    with pytest.raises(InstallerError, match="end of file before message length reached"):
        install(served.url, ["tool"], tmp_path)


def test_a_download_is_refused(served: Server, tmp_path: Path) -> None:
    served.refused["*/tool-*.conda"] = HTTPStatus.NOT_FOUND
    with pytest.raises(InstallerError, match="404"):
        install(served.url, ["tool"], tmp_path)


def test_nobody_answers_any_more(small: Channel, tmp_path: Path) -> None:
    with serve(small.path) as server:
        pass
    with pytest.raises(GatewayError, match="Connection refused"):
        solved(server.url, ["tool"], tmp_path)
