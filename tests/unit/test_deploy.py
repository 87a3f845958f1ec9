"""`ebsif deploy` copies what EasyBuild needs, and nothing that is not ours."""

from pathlib import Path

import pytest

from ebsif.cli import main
from ebsif.deploy import deploy


def test_easyblocks_come_with_the_files_that_they_install(tmp_path: Path) -> None:
    deploy(tmp_path)
    generic = tmp_path / "easybuild" / "easyblocks" / "generic"
    assert {"sifcontainer.py", "sifvenv.py", "_siftext.py"} <= {path.name for path in generic.iterdir()}
    assert (generic / "sif" / "wrapper.sh").exists()
    assert (generic / "sif" / "runscripts" / "get-master").exists()


def test_only_our_files_are_copied(tmp_path: Path) -> None:
    deploy(tmp_path)
    assert not list(tmp_path.rglob("__init__.py"))
    # EasyBuild's own, in the folders that ours join.
    assert not (tmp_path / "easybuild" / "easyblocks" / "generic" / "conda.py").exists()


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    assert deploy(tmp_path)
    assert deploy(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["deploy", str(tmp_path / "file" / "UserRepo")]) == 2
    assert f"cannot write {tmp_path}/file/UserRepo" in capsys.readouterr().err
