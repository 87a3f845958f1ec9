"""Comparing layers that `eb` need not make."""

import subprocess
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from ebsif.inside.squashfs import mksquashfs_command
from ebsif.installation import InstalledLayer, read_record
from ebsif.verify import Verified, compare
from tests.support.tamper import SQUASHFS


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a layer as `eb` makes it."""
    made = tmp_path / "made"
    (made / "tree" / "venv").mkdir(parents=True)
    (made / "tree" / "venv" / "one.py").write_text("one = 1\n")
    pack(made / "tree", made / SQUASHFS, "zstd")
    (made / "layer.json").write_text('{"packages": {"one": "1.0"}, "compressor": "zstd"}')
    return made


@pytest.fixture
def installed(tmp_path: Path) -> InstalledLayer:
    """An installation without a layer yet."""
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "layer.json").write_text('{"packages": {"one": "1.0"}, "compressor": "gzip"}')
    easyconfig = tmp_path / "Demo-1.0.eb"
    easyconfig.write_text("easyblock = 'SifVenv'\n")
    return InstalledLayer(folder, read_easyconfig(easyconfig), read_record(folder), None)


def pack(tree: Path, image: Path, compressor: str) -> None:
    subprocess.run(mksquashfs_command("mksquashfs", str(tree), str(image), compressor), check=True, capture_output=True)


def told(installed: InstalledLayer, made: Path) -> list[tuple[str, str]]:
    verified = Verified()
    compare(installed, made, made, verified)
    return [(finding.level, finding.found) for finding in verified.findings]


def test_the_same_content_that_another_compressor_has_packed_is_verified(installed: InstalledLayer, made: Path) -> None:
    pack(made / "tree", installed.layer_image, "gzip")
    assert told(installed, made) == [
        ("ok", "layer.json is what Demo-1.0.eb gives"),
        ("warning", f"{SQUASHFS} holds what Demo-1.0.eb gives, packed by another mksquashfs or compressor"),
    ]


def test_an_unpacked_layer_is_compared(installed: InstalledLayer, made: Path) -> None:
    subprocess.run(["cp", "--archive", made / "tree", installed.layer_folder], check=True)
    assert told(installed, made)[-1] == ("ok", "user-software holds what Demo-1.0.eb gives")
    (installed.layer_folder / "venv" / "more.py").write_text("")
    subprocess.run(["rm", "-r", made / "expected"], check=True)
    assert told(installed, made)[-1] == ("error", "user-software is not what Demo-1.0.eb gives: 1 difference")


def test_what_is_no_squashfs_is_told(installed: InstalledLayer, made: Path) -> None:
    installed.layer_image.write_bytes(b"hsqs")
    level, found = told(installed, made)[-1]
    assert level == "error"
    assert found.startswith(f"cannot read {installed.layer_image}: unsquashfs says ")


def test_a_record_of_other_packages_is_told(installed: InstalledLayer, made: Path) -> None:
    pack(made / "tree", installed.layer_image, "zstd")
    (made / "layer.json").write_text('{"packages": {"two": "1.0"}, "compressor": "zstd"}')
    assert told(installed, made)[0] == ("error", "layer.json is not what Demo-1.0.eb gives: packages differ")
