"""`ebsif show` and `ebsif search`: what an installation is and has, and what has a package."""

import json
from pathlib import Path
from typing import Any

import pytest

from ebsif import listing
from ebsif.cli import main
from tests.support.installations import add_layer, make_installation, set_time
from tests.support.records import make_record


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a layer that has the package one, on a base with numpy."""
    monkeypatch.setenv("EASYBUILD_INSTALLPATH_SOFTWARE", f"{tmp_path}/software")
    monkeypatch.setenv("EBSIF_IMAGES", f"{tmp_path}/frozen")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(listing, "installed_files", list)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frozen").mkdir()
    settings = [f"bind {tmp_path}", "bind /not/here:/x", "env HF_HOME /tmp/a b", "env ANSWER 42", "host A b"]
    installation = make_installation(tmp_path / "software", tmp_path / "frozen", *settings)
    add_layer(installation, make_record())
    return installation


def shown(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["show", *words]) == status
    return capsys.readouterr().out


def test_an_installation_is_shown_by_the_name_of_its_module(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, "Demo/1.0").splitlines() == [
        "Demo/1.0",
        f"  folder    {installed}",
        "  installed 2026-11-02",
        f"  image     {installed}/x.sif, as installed",
        "  layer     4.2 MB, as installed",
        "  packages  one 1.0",
        f"  binds     {installed.parents[2]}",
        "            /not/here:/x (not on this machine)",
        "  sets      ANSWER=42",
        "            HF_HOME=/tmp/a b",
        "  on host   A=b",
    ]


def test_scripts_get_the_same_of_an_installation(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, str(installed), "--json"))
    assert found["layer"] == {"path": f"{installed}/user-software.squashfs", "size": 4_200_000, "as_installed": True}
    assert (found["packages"], found["container_env"]) == ({"one": "1.0"}, {"ANSWER": "42", "HF_HOME": "/tmp/a b"})


def test_a_layer_that_was_changed_gives_another_status(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_time(installed / "user-software.squashfs", 60)
    assert "  layer     4.2 MB, changed since it was installed" in shown(capsys, "Demo/1.0", status=1).splitlines()


def test_what_only_builds_others_is_not_in_the_layer(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record: dict[str, Any] = make_record()
    record["predicate"]["buildDefinition"]["resolvedDependencies"][1]["annotations"]["buildOnly"] = True
    add_layer(installed, record)
    assert json.loads(shown(capsys, "Demo/1.0", "--json"))["packages"] == {}


@pytest.mark.parametrize("name", ["Demo/2.0", "demo"])
def test_what_is_not_installed_is_refused(installed: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 2
    assert f"software/{name} is no installation of a container: `ebsif list --installations`" in capsys.readouterr().err


EASYCONFIG = "easyblock = 'SifVenv'\nname = 'X'\nsources = ['x.sif']\nexts_list = [('One', '2.0', {})]\n"


def test_a_package_is_found_in_bases_easyconfigs_and_installations(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = {"One": "3.0", "one-more": "1.0", "two": "2"}
    beside = installed.parents[2] / "frozen" / "x.sif.manifest.json"
    beside.chmod(0o644)
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"packages": packages}))
    Path("X.eb").write_text(EASYCONFIG)
    assert main(["search", "ONE"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "images",
        f"  One 3.0  {installed.parents[2]}/frozen/x.sif",
        "easyconfigs",
        "  One 2.0  X.eb",
        "installations",
        f"  one 1.0  {installed}",
    ]
    assert main(["search", "one*", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["package"]) for one in found] == [
        ("base", "One"),
        ("base", "one-more"),
        ("easyconfig", "One"),
        ("installation", "one"),
    ]


def test_what_nothing_has_gives_another_status(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "three"]) == 1
    assert "nothing that is known has three" in capsys.readouterr().err


@pytest.mark.parametrize("record", ["", "[]", None])
def test_an_installation_that_cannot_be_read_does_not_keep_others_from_being_searched(
    installed: Path, record: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if record is None:
        written: dict[str, Any] = make_record()
        written["predicate"]["buildDefinition"]["resolvedDependencies"] = [{"annotations": {"package": "one"}}]
        record = json.dumps(written)
    (installed / "layer.json").write_text(record)
    Path("X.eb").write_text(EASYCONFIG)
    assert main(["search", "one"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["easyconfigs", "  One 2.0  X.eb"]
    assert f"{installed}/layer.json" in said.err.replace("\n", "")
