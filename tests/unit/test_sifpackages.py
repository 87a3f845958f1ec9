"""A file's name says which package and version it is of."""

import pytest
from easybuild.easyblocks.generic._sifpackages import is_file_of


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
