"""A file's name says which package and version it is of."""

import pytest
from easybuild.easyblocks.generic._sifpackages import conda_platform, is_file_of, normal_version
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version


@pytest.mark.parametrize(
    "filename",
    ["Foo_Bar-1.0-py3-none-any.whl", "foo_bar-1.0.tar.gz", "foo-bar-1.0.tar.gz", "Foo.Bar-1.0.zip"],
)
def test_names_old_and_new_are_of_the_package(filename: str) -> None:
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


@pytest.mark.parametrize(("machine", "platform"), [("x86_64", "linux-64"), ("aarch64", "linux-aarch64")])
def test_platforms_of_conda_follow_from_the_machine(machine: str, platform: str) -> None:
    assert conda_platform(machine) == platform
