"""What two folders of a layer differ in, in words."""

import os
from pathlib import Path

import pytest

from ebsif.errors import EbsifError, FileError
from ebsif.installation import find_installed
from ebsif.verify.contents import contents_of, differences


def told(found: Path, expected: Path) -> dict[str, str]:
    """Return what is wrong with a folder, by path."""
    return {each.path: each.what for each in differences(contents_of(found), found, contents_of(expected), expected)}


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same content: what is found, and what is expected."""
    for name in ("found", "expected"):
        packages = tmp_path / name / "lib" / "packages"
        packages.mkdir(parents=True)
        (packages / "one.py").write_text("one = 1\n")
        (packages / "one.pyc").write_bytes(b"\x00" * 16 + b"code")
        (packages / "link").symlink_to("one.py")
        for path in (tmp_path / name).rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path / "found", tmp_path / "expected"


def test_the_same_content_differs_in_nothing(trees: tuple[Path, Path]) -> None:
    assert told(*trees) == {}


def test_other_content_is_told_with_the_first_byte(trees: tuple[Path, Path]) -> None:
    (trees[0] / "lib/packages/one.py").write_text("one = 2\n")
    assert told(*trees) == {"lib/packages/one.py": "other content, from byte 6"}


def test_a_file_that_goes_on_differs_where_the_other_ends(trees: tuple[Path, Path]) -> None:
    (trees[0] / "lib/packages/one.py").write_text("one = 1\ntwo = 2\n")
    assert told(*trees) == {"lib/packages/one.py": "other content, from byte 8"}


def test_compiled_code_is_called_that(trees: tuple[Path, Path]) -> None:
    (trees[0] / "lib/packages/one.pyc").write_bytes(b"\x00" * 16 + b"cods")
    assert told(*trees) == {"lib/packages/one.pyc": "compiled code that its source does not give, from byte 19"}


def test_content_and_permissions_are_told_together(trees: tuple[Path, Path]) -> None:
    (trees[0] / "lib/packages/one.py").write_text("")
    (trees[0] / "lib/packages/one.py").chmod(0o4755)
    assert told(*trees) == {"lib/packages/one.py": "other content, from byte 0; permissions 4755 instead of 644"}


def test_a_folder_that_is_missing_is_one_difference(trees: tuple[Path, Path]) -> None:
    (trees[1] / "lib/more/files").mkdir(parents=True)
    (trees[1] / "lib/more/files/one").write_text("")
    assert told(*trees) == {"lib/more": "a folder that is missing"}


def test_a_link_and_a_pipe_are_told(trees: tuple[Path, Path]) -> None:
    link, one = trees[0] / "lib/packages/link", trees[0] / "lib/packages/one.py"
    link.unlink()
    link.symlink_to("one.pyc")
    one.unlink()
    os.mkfifo(one)
    assert told(*trees) == {
        "lib/packages/link": "leads to one.pyc instead of one.py",
        "lib/packages/one.py": "a pipe instead of a file",
    }


def test_what_is_no_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYBUILD_INSTALLPATH_SOFTWARE", str(tmp_path))
    easyconfig = tmp_path / "Demo-1.0.eb"
    easyconfig.write_text("easyblock = 'SifVenv'\nname = 'Demo'\nversion = '1.0'\nversionsuffix = '-mine'\n")
    with pytest.raises(EbsifError, match=f"is not installed: there is no {tmp_path}/Demo/1.0-mine"):
        find_installed(easyconfig)
    with pytest.raises(EbsifError, match="there is no installation"):
        find_installed(tmp_path / "Other")
    (tmp_path / "Demo" / "1.0-mine").mkdir(parents=True)
    with pytest.raises(FileError, match=r"has no layer.json: only a layer whose packages an easyconfig lists"):
        find_installed(easyconfig)
    with pytest.raises(EbsifError, match=r"has 0 easyconfigs where EasyBuild puts one"):
        find_installed(tmp_path / "Demo" / "1.0-mine")
