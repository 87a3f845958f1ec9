"""`ebsif check` of several files, and of folders."""

import json
from pathlib import Path

import pytest

from ebsif.cli import main

EASYCONFIG = "easyblock = 'SifContainer'\nname = 'X'\nversion = '1'\nsources = ['x.sif']\nchecksums = [None]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an easyconfig for a container, one for something else, and a file that is no recipe."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setenv("EBSIF_IMAGES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.eb").write_text(EASYCONFIG)
    (tmp_path / "zlib.eb").write_text("easyblock = 'ConfigureMake'\nname = 'zlib'\n")
    (tmp_path / "environment.yml").write_text("dependencies: [a]\n")
    return tmp_path


def test_of_a_folder_recipes_and_easyconfigs_for_containers_are_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "recipe.yml").write_text("name: x\nversion: 1\nbase: x.sif\nunknown: 1\n")
    assert main(["check", str(folder)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if not line.startswith(" ")] == [f"{folder}/good.eb", f"{folder}/recipe.yml"]
    assert said[-1].startswith(f"  error   {folder}/recipe.yml:4: unknown key 'unknown'")


def test_the_status_is_that_of_the_worst(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "good.eb", "good.eb"]) == 0
    (folder / "bad.eb").write_text("easyblock = 'SifVenv'\nimport os\n")
    capsys.readouterr()
    assert main(["check", "good.eb", "bad.eb", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert {(one["file"], one["level"]) for one in found} >= {("good.eb", "ok"), ("bad.eb", "error")}


def test_a_folder_with_nothing_to_check_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "good.eb").unlink()
    assert main(["check", "."]) == 2
    assert "there is no recipe and no easyconfig for a container in ." in capsys.readouterr().err
