"""`ebsif prune` names what nothing needs any more, and removes what is confirmed and nothing else."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ebsif import listing
from ebsif.cli import main
from tests.support.installations import add_layer, make_installation, set_time
from tests.support.records import make_record

EASYCONFIG = (
    "easyblock = 'SifVenv'\nname = 'Demo'\nversion = '{}'\nversionsuffix = '{}'\n"
    "sources = ['x.sif']\nchecksums = [None]\n"
    "exts_list = [('pip', '26.3', {{'sources': ['{}'], 'checksums': ['{}']}})]\n"
)
DAY = 24 * 3600


class Place:
    """Installations of EasyBuild, its modules and its sources."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.images = top / "images"
        self.sources = top / "sources" / "d" / "Demo" / "extensions"
        for folder in (self.images, self.sources):
            folder.mkdir(parents=True)

    def install(self, version: str, days: float, wheel: str) -> Path:
        """Make an installation of a version, some days after the first, with its module and a wheel."""
        first = make_installation(self.top / "software", self.images)
        path = first.rename(first.with_name(version))
        set_time(path / "runscripts" / "container.conf", days * DAY)
        (path / "module.lua").write_text("")
        (path / "easybuild").mkdir()
        number, *suffix = re.split("(?=-)", version, maxsplit=1)
        (path / "easybuild" / "Demo.eb").write_text(EASYCONFIG.format(number, "".join(suffix), wheel, "0" * 64))
        for name in ("all", "ai"):
            link = self.top / "modules" / name / "Demo" / f"{version}.lua"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path / "module.lua" if name == "all" else self.top / f"modules/all/Demo/{version}.lua")
        (self.sources / wheel).write_text(wheel)
        return path

    def modules(self) -> set[str]:
        return {path.stem for path in (self.top / "modules").rglob("*.lua") if path.exists()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in {
        "EASYBUILD_INSTALLPATH": tmp_path,
        "EASYBUILD_SOURCEPATH": tmp_path / "sources",
        "EBSIF_IMAGES": tmp_path / "images",
        "FROZEN": tmp_path / "images",
        "HOME": tmp_path,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(listing, "installed_files", list)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def found(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["prune", "--json", *words]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_of_versions_of_the_same_the_youngest_stays(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    old = place.install("1.9-cpu-20251101", 0, "a.whl")
    place.install("1.10-cpu-20251201", 30, "b.whl")
    place.install("1.10-rocm-20251201", 1, "c.whl")
    (first,) = found(capsys)
    assert (first["kind"], first["path"]) == ("installation", str(old))
    assert first["reason"] == "Demo/1.10-cpu-20251201 of 2026-12-02 is younger"
    assert found(capsys, "--keep", "2") == []


@pytest.mark.parametrize(
    "other",
    [
        "1.10-cpu-python-3.12-20251201",
        "1.10-cpu-python-3.11-mine-20251201",
        "1.10-rocm-6.2-python-3.11-20251201",
        "1.8-cpu-python-3.11-20251001",
    ],
)
def test_neither_another_python_gpu_or_variant_nor_a_lower_version_stands_for_an_installation(
    place: Place, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.install("1.9-cpu-python-3.11-20251101", 0, "a.whl")
    place.install(other, 30, "b.whl")
    assert found(capsys) == []


def test_what_a_removal_that_was_killed_has_left_is_removed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    going = place.install("1.9", 0, "a.whl")
    rest = going.rename(going.with_name(".1.9.pruned"))
    image = place.images / ".y.sif.pruned"
    image.write_bytes(b"x" * 7)
    first, second = (one for one in found(capsys) if one["kind"] == "rest")
    assert (first["path"], second["path"], second["size"]) == (str(rest), str(image), 7)
    assert first["reason"] == "its removal was not finished"
    assert main(["prune", "--yes"]) == 0
    assert not rest.exists()
    assert not image.exists()


def test_what_is_confirmed_goes_with_its_module(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = place.install("1.9", 0, "a.whl"), place.install("1.10", 1, "b.whl")
    old.chmod(0o555)
    assert main(["prune", "--yes"]) == 0
    assert [path.name for path in old.parent.iterdir()] == [new.name]
    assert place.modules() == {"1.10"}
    assert len(list(place.sources.iterdir())) == 2
    assert main(["prune", "--yes"]) == 0
    assert [path.name for path in place.sources.iterdir()] == ["b.whl"]


def test_without_a_terminal_nothing_is_removed_unless_it_is_said(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install("1.9", 0, "a.whl")
    place.install("1.10", 1, "b.whl")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["prune"]) == 0
    assert "nothing was removed: --yes removes all of it" in capsys.readouterr().err
    assert place.modules() == {"1.9", "1.10"}


def test_each_is_asked_for_on_a_terminal(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    older, old = place.install("1.8", 0, "a.whl"), place.install("1.9", 1, "a.whl")
    place.install("1.10", 2, "b.whl")
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "y" if len(asked) == 1 else "no"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    assert main(["prune"]) == 0
    assert asked == [f"remove {old}? [y/N] ", f"remove {older}? [y/N] "]
    assert (old.exists(), older.exists()) == (False, True)


@pytest.mark.parametrize("packed_anew", [True, False])
def test_an_installation_that_its_user_has_filled_or_changed_stays(
    place: Place, packed_anew: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    old = place.install("1.9", 0, "a.whl")
    place.install("1.10", 1, "b.whl")
    if packed_anew:
        set_time(add_layer(old, make_record()), 60)
    else:
        (old / "user-software").mkdir()
    assert found(capsys) == []


def test_an_image_that_an_installation_or_an_easyconfig_uses_stays(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.install("1.9", 0, "a.whl")
    for name in ("named.sif", "unused.sif"):
        (place.images / name).write_bytes(b"x")
    Path("named.eb").write_text(EASYCONFIG.format("1", "", "d.whl", "0" * 64).replace("x.sif", "named.sif"))
    assert [Path(one["path"]).name for one in found(capsys)] == ["unused.sif"]


def test_files_stay_where_nobody_knows_what_an_installation_has(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = place.install("1.9", 0, "a.whl")
    (place.sources / "b.whl").write_text("b")
    assert [Path(one["path"]).name for one in found(capsys)] == ["b.whl"]
    (installed / "easybuild" / "Demo.eb").unlink()
    assert found(capsys) == []
