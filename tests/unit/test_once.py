"""Each file of a lock crosses the network once, whatever the index tells of it."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebsif.cli import main
from ebsif.lock.model import PIP
from tests.support.foreign_base import MACHINE, make_desk, sources
from tests.support.index import Index, serve
from tests.support.wheels import Wheel, make_wheel

NAMES = {f"{name}-1.0-py3-none-any.whl" for name in ("application", "helper", "tail")}


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, pip_wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image, and with a folder of sources that has pip."""
    return make_desk(tmp_path, pip_wheel, monkeypatch)


@pytest.fixture
def states(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return getattr(request, "param", ("sha256",))


@pytest.fixture
def index(desk: Path, states: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The default index, none of whose answers may be kept by a cache."""
    there = desk / "there"
    make_wheel(there, "application", requires=["helper", "tail"])
    for name in ("helper", "tail", "more"):
        make_wheel(there, name)
    make_wheel(there, "helper", "2.0", tag="cp312-cp312-manylinux_2_36_x86_64")
    with serve(there, states=states) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        yield index


def generate(packages: str, *words: str) -> None:
    Path("recipe.yml").write_text(f"name: Demo\nversion: 1.0\nbase: demo.sif\npackages: [{packages}]\n")
    assert main(["generate", "recipe.yml", *words]) == 0


def asked(index: Index) -> tuple[set[str], Counter[str]]:
    """Return the wheels that were fetched since the last time, and how often each thing was asked for."""
    counts = Counter(index.requests)
    index.requests.clear()
    return {Path(path).name for path in counts if path.endswith(".whl")}, counts


def stored(desk: Path) -> set[str]:
    return {path.name for path in sources(desk).iterdir()} - {PIP.filename}


every_index = pytest.mark.parametrize(
    "states", [(), ("sha256",), ("sha256", "metadata")], ids=["bare", "sha256", "metadata"], indirect=True
)


@every_index
def test_each_page_and_each_file_is_fetched_once(desk: Path, index: Index) -> None:
    generate("application")
    fetched, counts = asked(index)
    assert fetched == stored(desk) == NAMES
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("states", [("sha256",), ("sha256", "metadata")], ids=["sha256", "metadata"], indirect=True)
def test_of_a_lock_with_one_package_more_that_one_is_fetched(desk: Path, index: Index) -> None:
    generate("application")
    asked(index)
    generate("application, more")
    fetched, counts = asked(index)
    assert fetched == {"more-1.0-py3-none-any.whl"}
    assert set(counts.values()) == {1}
    assert stored(desk) == {*NAMES, *fetched}


def test_of_a_lock_whose_files_are_partly_there_the_others_are_fetched(desk: Path, index: Index) -> None:
    generate("application")
    asked(index)
    missing, damaged = "helper-1.0-py3-none-any.whl", sources(desk) / "tail-1.0-py3-none-any.whl"
    (sources(desk) / missing).unlink()
    damaged.write_bytes(b"something else")
    generate("application")
    fetched, counts = asked(index)
    assert fetched == {missing, damaged.name}
    assert set(counts.values()) == {1}


def test_a_file_at_hand_that_is_not_that_of_the_index_does_not_count(desk: Path, index: Index) -> None:
    planted = make_wheel(sources(desk), "helper", requires=["nosuch"]).path
    generate("application")
    assert planted.name in asked(index)[0]
    theirs = (index.folder / planted.name).read_bytes()
    assert hashlib.sha256(planted.read_bytes()).digest() == hashlib.sha256(theirs).digest()


def test_a_look_at_what_would_be_made_fetches_nothing_that_is_there_and_leaves_nothing(
    desk: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    generate("application")
    asked(index)
    generate("application, more", "--dry-run")
    assert "more-1.0-py3-none-any.whl" in capsys.readouterr().out
    assert asked(index)[0] == {"more-1.0-py3-none-any.whl"}
    assert stored(desk) == NAMES


def test_eb_finds_the_files_where_they_were_put(
    desk: Path, index: Index, pip_wheel: Wheel, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(pip_wheel.path, index.folder)
    eb = desk / "bin" / "eb"
    eb.write_text('#!/bin/sh\necho "sources: $EASYBUILD_SOURCEPATH"\n')
    eb.chmod(0o755)
    Path("recipe.yml").write_text("name: Demo\nversion: 1.0\nbase: demo.sif\npackages: [application]\n")
    assert main(["build", "recipe.yml", "--sources", "mine"]) == 0
    assert f"sources: {desk / 'sources'}:{desk / 'work' / 'mine'}\n" in capfd.readouterr().out


def test_a_known_image_is_not_inspected_again(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is for another machine, so that it cannot be started here."""
    assert main(["inspect", str(desk / "frozen" / "demo.sif"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"] == MACHINE
