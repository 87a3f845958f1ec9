"""`ebsif list`: the images of a site, and easyconfigs for containers."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ebsif import listing
from ebsif.base.manifest import Manifest
from ebsif.cli import main
from tests.support.installations import add_layer, make_installation, set_time
from tests.support.manifests import freeze, image_header, make_manifest
from tests.support.records import make_record

OTHER = "4f0c1f2e-0000-4000-8000-000000000000"
EASYCONFIG = "easyblock = 'SifVenv'\nname = 'PyTorch'\nsources = ['x.sif']\nexts_list = [('pip', '26.3', {})]\n"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images, frozen and not, of which somebody has looked into one."""
    work = tmp_path / "work"
    for folder in (work, tmp_path / "frozen", tmp_path / "current"):
        folder.mkdir()
    (tmp_path / "frozen/seen.sif").write_bytes(b"x" * 4_200_000)
    (tmp_path / "frozen/unseen.sif").write_bytes(b"x" * 10)
    (tmp_path / "current/latest.sif").symlink_to(tmp_path / "frozen/seen.sif")
    (tmp_path / "current/broken.sif").symlink_to(tmp_path / "gone.sif")
    (work / "site.yml").write_text(
        f"name: mine\ndescription: ours\nfrozen_images: ['{tmp_path}/frozen']\nimages: ['{tmp_path}/curr*']\n"
    )
    manifests: dict[str, Manifest] = {"seen.sif": make_manifest(python="3.12.3", rocm="6.2.4")}
    monkeypatch.setattr(listing, "stored_manifest", lambda path: manifests.get(path.name))
    monkeypatch.setattr(listing, "installed_files", list)
    monkeypatch.chdir(work)
    monkeypatch.setenv("EASYBUILD_INSTALLPATH", str(tmp_path))
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["list", "--site", "site.yml", *words]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(listed(capsys, "--json", *words))


def test_images_are_listed_by_folder_with_what_is_known_of_them(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(capsys, "--bases").splitlines() == [
        f"{folders}/frozen (frozen)",
        "  seen.sif    4.2 MB, venv, Python 3.12.3, ROCm 6.2.4",
        "  unseen.sif  10 bytes, not inspected yet",
        f"{folders}/current",
        "  latest.sif  4.2 MB, not inspected yet",
    ]


def test_scripts_get_the_same_of_each_image(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bases = as_json(capsys, "--bases")["bases"]
    assert [Path(base["path"]).name for base in bases] == ["seen.sif", "unseen.sif", "latest.sif"]
    assert bases[0] == {
        "path": f"{folders}/frozen/seen.sif",
        "frozen": True,
        "size": 4_200_000,
        "source": "inspection",
        "sha256": "0" * 64,
        "kind": "venv",
        "python": "3.12.3",
        "rocm": "6.2.4",
        "problem": None,
    }
    assert bases[1]["kind"] is None


def test_an_image_that_only_its_publisher_knows_is_listed_as_such(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("remote", "seen"):  # of which one is at hand
        published = make_manifest(python="3.12.3").model_copy(update={"source": "publisher", "size": None})
        (folders / f"frozen/{name}.sif.manifest.json").write_text(published.to_json())
    line = "  remote.sif  not at hand, known from its publisher, venv, Python 3.12.3"
    found = listed(capsys, "--bases").splitlines()
    assert [row for row in found if "publisher" in row] == [line]
    remote = next(base for base in as_json(capsys, "--bases")["bases"] if base["path"].endswith("remote.sif"))
    assert (remote["size"], remote["source"]) == (None, "publisher")


def test_easyconfigs_for_containers_are_listed_and_others_are_not(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("PyTorch-mine.eb").write_text(EASYCONFIG)
    Path("zlib-1.3.eb").write_text("easyblock = 'ConfigureMake'\nname = 'zlib'\n")
    Path("broken.eb").write_text("easyblock = f'Sif{x}'\n")
    shipped = folders / "PyTorch-shipped.eb"
    shipped.write_text(EASYCONFIG)
    monkeypatch.setattr(listing, "installed_files", lambda: [(Path("a.eb"), shipped)])
    assert listed(capsys, "--easyconfigs").splitlines() == [
        "easyconfigs in this folder",
        "  PyTorch-mine.eb  on x.sif",
        "easyconfigs that came with ebsif",
        "  PyTorch-shipped.eb  on x.sif",
    ]
    assert as_json(capsys, "--easyconfigs") == {
        "easyconfigs": [
            {"path": "PyTorch-mine.eb", "shipped": False, "base": "x.sif", "packages": 1},
            {"path": str(shipped), "shipped": True, "base": "x.sif", "packages": 1},
        ]
    }


def test_all_are_listed_unless_one_is_asked_for(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(as_json(capsys)) == {"bases", "easyconfigs", "installations"}


def test_a_frozen_image_that_was_replaced_is_told_by_its_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yml").write_text(f"name: mine\ndescription: ours\nfrozen_images: ['{tmp_path}']\n")
    image = freeze(tmp_path, make_manifest(python="3.12.3"))
    os.chdir(tmp_path)
    image.write_bytes(image_header(make_manifest().model_copy(update={"id": OTHER})))
    assert "x.sif.manifest.json is the manifest of another image than" in listed(capsys, "--bases")
    assert "of another image" in as_json(capsys, "--bases")["bases"][0]["problem"]


@pytest.fixture
def installed(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose image is a link to a frozen one."""
    monkeypatch.setenv("EASYBUILD_INSTALLPATH_SOFTWARE", f"{folders}/software")
    monkeypatch.setenv("FROZEN", f"{folders}/frozen")
    return make_installation(folders / "software", folders / "frozen")


def test_an_installation_is_listed_with_its_image(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed.parent / ".1.0.old/runscripts").mkdir(parents=True)
    (installed.parent / ".1.0.old/runscripts/container.conf").write_text("image x.sif\n")
    assert listed(capsys, "--installations").splitlines() == [
        f"installations in {installed.parents[1]}",
        "  Demo/1.0  of 2026-11-02, on x.sif",
    ]
    assert as_json(capsys, "--installations") == {
        "installations": [
            {
                "path": str(installed),
                "module": "Demo/1.0",
                "base": "x.sif",
                "image": f"{installed}/x.sif",
                "as_installed": True,
                "installed": "2026-11-02",
                "layer": None,
            }
        ]
    }


def test_an_installation_is_listed_with_the_size_of_its_layer(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = add_layer(installed, make_record())
    assert listed(capsys, "--installations").splitlines()[1:] == [
        "  Demo/1.0  of 2026-11-02, layer of 4.2 MB, on x.sif"
    ]
    set_time(image, 60)
    told = "  Demo/1.0  of 2026-11-02, layer of 4.2 MB, which was changed since, on x.sif"
    assert listed(capsys, "--installations").splitlines()[1:] == [told]
    layer = as_json(capsys, "--installations")["installations"][0]["layer"]
    assert layer == {"path": str(image), "size": 4_200_000, "as_installed": False}


@pytest.mark.parametrize("recorded", [True, False])
def test_a_layer_that_is_not_packed_is_told(
    installed: Path, recorded: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if recorded:
        add_layer(installed, make_record()).unlink()
    (installed / "user-software").mkdir()
    layer = as_json(capsys, "--installations")["installations"][0]["layer"]
    assert (layer["size"], layer["as_installed"]) == (None, False if recorded else None)


@pytest.mark.parametrize("linked", [True, False])
def test_an_installation_whose_image_was_replaced_is_told(
    installed: Path, linked: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    image = (installed / "x.sif").resolve()
    image.write_bytes(image_header(make_manifest().model_copy(update={"id": OTHER})))
    if not linked:
        (installed / "x.sif").unlink()
    used = installed / "x.sif" if linked else image
    told = f"  Demo/1.0  of 2026-11-02, on {used}, which is not the image that it was installed with"
    assert listed(capsys, "--installations").splitlines()[1:] == [told]
    assert as_json(capsys, "--installations")["installations"][0]["as_installed"] is False


def test_an_installation_whose_image_is_gone_is_told(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed / "x.sif").resolve().unlink()
    assert listed(capsys, "--installations").splitlines()[1:] == ["  Demo/1.0  of 2026-11-02, on x.sif, which is gone"]


def test_an_installation_of_an_earlier_ebsif_says_nothing(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed / "runscripts/container.conf").write_text("image x.sif\n")
    assert as_json(capsys, "--installations")["installations"][0]["as_installed"] is None


def test_a_site_without_images_says_where_they_would_be(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EBSIF_IMAGES", "/nowhere")
    monkeypatch.setenv("HOME", str(folders))
    assert main(["list", "--bases", "--site", "local"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"no images in /nowhere, {folders}/.local/share/ebsif/images" in captured.err


@pytest.mark.parametrize("text", [b"", b"\xff", b"image", b"imag x.sif\n"])
def test_an_installation_that_cannot_be_read_is_told(
    installed: Path, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    settings = installed / "runscripts" / "container.conf"
    settings.write_bytes(text)
    set_time(settings)
    told = "  Demo/1.0  of 2026-11-02, which image it is on cannot be read in its runscripts/container.conf"
    assert listed(capsys, "--installations").splitlines()[1:] == [told]
    assert as_json(capsys, "--installations")["installations"][0]["base"] is None
