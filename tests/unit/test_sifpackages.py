"""A file's name says which package and version it is of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from easybuild.easyblocks.generic._sifpackages import canonical, conda_platform, conda_stem, is_file_of, normal_version
from easybuild.easyblocks.generic._siftext import files_path
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from ebsif.inside import layer


@pytest.mark.parametrize(
    "filename",
    ["Foo_Bar-1.0-py3-none-any.whl", "foo_bar-1.0.tar.gz", "foo-bar-1.0.tar.gz", "Foo.Bar-1.0.zip"],
)
def test_names_old_and_new_are_of_the_package(filename: str) -> None:
    assert is_file_of(filename, "foo-bar", "1.0")


@pytest.mark.parametrize(
    "filename", ["foo-bar-1.0-g0123456789ab.tar.xz", "foo_bar-1.0-0_1a2b3c4d-py3-none-any.whl", "foo-bar-1.0.tar.xz"]
)
def test_names_that_tell_a_commit_or_a_folder_are_of_the_package(filename: str) -> None:
    assert is_file_of(filename, "foo-bar", "1.0")


@pytest.mark.parametrize(
    "filename",
    ["foo_bar-1.1-py3-none-any.whl", "foo-1.0-py3-none-any.whl", "foo_bar-1.0.1.tar.gz", "foo-1.0.tar.gz", "1.0.zip"],
)
def test_other_names_are_not(filename: str) -> None:
    assert not is_file_of(filename, "foo-bar", "1.0")


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("foo_bar-1.0.0rc1.tar.gz", "1.0.0-rc1"),
        ("foo-bar-1.0-rc1.zip", "1.0rc1"),
        ("foo_bar-1.0-py3-none-any.whl", "1.0.0"),
        ("foo_bar-1.0_1-py3-none-any.whl", "1.0.post1"),
        ("foo_bar-2.8.3+cu12-py3-none-any.whl", "2.8.3+CU12"),
        ("foo_bar-not.a.version.tar.gz", "not.a.version"),
    ],
)
def test_spellings_of_a_version_are_one_version(filename: str, version: str) -> None:
    assert is_file_of(filename, "foo-bar", version)


@given(st.from_regex(r"v?([0-9]!)?[0-9]{1,2}(\.[0-9]{1,2}){0,3}([-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?[0-9]?)?"
                     r"(-[0-9]|[-_.]?(post|rev|r)[0-9]?)?([-_.]?dev[0-9]?)?(\+[a-z0-9]{1,3}([-_.][a-z0-9]{1,3})?)?",
                     fullmatch=True))  # fmt: skip
def test_versions_are_equal_as_python_packages_compare_them(version: str) -> None:
    assert normal_version(str(Version(version))) == normal_version(version)


@given(st.lists(st.sampled_from(["1", "1.0", "1.1", "1.0.0", "1.0rc1", "1.0.post1", "1.0.dev1", "1!1", "1.0+a"]),
                min_size=2, max_size=2))  # fmt: skip
def test_versions_differ_as_python_packages_compare_them(pair: list[str]) -> None:
    one, other = pair
    assert (normal_version(one) == normal_version(other)) == (Version(one) == Version(other))


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("x86_64", "linux-64"), ("i686", "linux-32"), ("aarch64", "linux-aarch64"), ("ppc64le", "linux-ppc64le")],
)
def test_platforms_of_conda_follow_from_the_machine(machine: str, platform: str) -> None:
    assert conda_platform(machine) == platform


@pytest.mark.parametrize(
    ("filename", "stem"),
    [("a-b-1.0-h1_0.conda", "a-b-1.0-h1_0"), ("a-1.0-0.tar.bz2", "a-1.0-0"), ("a.conda.conda", "a.conda")],
)
def test_the_suffix_of_a_conda_package_is_cut_off_once(filename: str, stem: str) -> None:
    assert conda_stem(filename) == stem


@given(st.text("aB1-_. %\n;$"))
def test_names_of_packages_are_compared_as_pypi_does(name: str) -> None:
    assert canonical(name) == canonicalize_name(name)
    assert layer.canonical(name) == canonicalize_name(name)  # type: ignore[no-untyped-call]


def test_list_packages_compares_names_as_pypi_does(tmp_path: Path) -> None:
    spellings = ["Foo._-Bar", "foo-bar", "FOO_bar", "foo.bar", "foo--bar"]
    for number, name in enumerate([*spellings, "foobar"]):
        info = tmp_path / str(number) / f"x{number}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}.0\n")
    path = os.pathsep.join(str(tmp_path / str(number)) for number in range(len(spellings) + 1))
    script = files_path("runscripts", "list-packages")
    done = subprocess.run([sys.executable, "-S", script], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["Foo._-Bar", "0.0"], ["foobar", "5.0"]]
