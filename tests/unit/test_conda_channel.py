"""The packages of the tests' conda channel are as tests count on them."""

import filecmp
from pathlib import Path

import pytest

from tests.support.conda import Channel, make_small_channel
from tests.support.conda_packages import corrupted, make_package


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return make_small_channel(tmp_path_factory.mktemp("channel"))


def test_a_channel_has_the_same_bytes_each_time(small: Channel, tmp_path: Path) -> None:
    again = make_small_channel(tmp_path)
    names = [str(path.relative_to(small.path)) for path in small.path.glob("*/*.conda")]
    assert len(names) > 10
    assert filecmp.cmpfiles(small.path, again.path, names, shallow=False) == (names, [], [])


def test_a_damaged_package_has_the_size_of_the_sound_one(small: Channel, tmp_path: Path) -> None:
    sound = small.package("prefixed")
    damaged = corrupted(sound, tmp_path)
    assert damaged.stat().st_size == sound.stat().st_size
    assert damaged.read_bytes() != sound.read_bytes()


def test_a_package_must_hold_the_placeholder_where_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not hold the placeholder in a"):
        make_package(tmp_path, "wrong", files={"a": "no prefix"}, prefix={"a": "text"})


def test_a_package_must_have_the_files_that_it_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no b"):
        make_package(tmp_path, "wrong", files={"a": "text"}, executable=["b"])
