"""Comparing and signing layers that `eb` need not make."""

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ebsif.console import Console
from ebsif.easyconfig.read import read_easyconfig
from ebsif.errors import EbsifError
from ebsif.inside.provenance import LayerRecord
from ebsif.inside.squashfs import mksquashfs_command
from ebsif.installation import InstalledLayer, read_record
from ebsif.verify import Verified, compare
from ebsif.verify.signature import check_signature, sign
from tests.support.records import make_record
from tests.support.tamper import SQUASHFS


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a layer as `eb` makes it."""
    made = tmp_path / "made"
    (made / "tree" / "venv").mkdir(parents=True)
    (made / "tree" / "venv" / "one.py").write_text("one = 1\n")
    pack(made / "tree", made / SQUASHFS, "zstd")
    write(made, make_record())
    return made


@pytest.fixture
def installed(tmp_path: Path) -> InstalledLayer:
    """An installation without a layer yet."""
    folder = tmp_path / "installed"
    folder.mkdir()
    write(folder, make_record())
    easyconfig = tmp_path / "Demo-1.0.eb"
    easyconfig.write_text("easyblock = 'SifVenv'\n")
    return InstalledLayer(folder, read_easyconfig(easyconfig), read_record(folder), None)


def write(folder: Path, record: dict[str, Any]) -> None:
    (folder / "layer.json").write_text(json.dumps(record))


def pack(tree: Path, image: Path, compressor: str) -> None:
    subprocess.run(mksquashfs_command("mksquashfs", str(tree), str(image), compressor), check=True, capture_output=True)


def told(installed: InstalledLayer, made: Path) -> list[tuple[str, str]]:
    verified = Verified()
    compare(installed, made, made, verified)
    return [(finding.level, finding.found) for finding in verified.findings]


def test_the_same_content_that_another_compressor_has_packed_is_verified(installed: InstalledLayer, made: Path) -> None:
    pack(made / "tree", installed.layer_image, "gzip")
    assert told(installed, made) == [
        ("ok", f"layer.json is what Demo-1.0.eb gives, with the content digest {'2' * 64}"),
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
    write(made, make_record(package="two"))
    assert told(installed, made)[0] == ("error", "layer.json names other files or parameters than Demo-1.0.eb")


def test_another_content_than_the_easyconfig_expects_is_told(installed: InstalledLayer, made: Path) -> None:
    pack(made / "tree", installed.layer_image, "zstd")
    installed.easyconfig.path.write_text(f"easyblock = 'SifVenv'\ncontent_digest = '{'5' * 64}'\n")
    pinned = replace(installed, easyconfig=read_easyconfig(installed.easyconfig.path))
    assert told(pinned, made)[1] == (
        "error",
        f"content_digest of Demo-1.0.eb is {'5' * 64}, and the layer made again has {'2' * 64}: another version "
        "of ebsif may have pinned it",
    )


def test_a_record_of_an_earlier_version_says_less(installed: InstalledLayer, made: Path) -> None:
    pack(made / "tree", installed.layer_image, "zstd")
    former = replace(installed, record=LayerRecord("1" * 64, "2" * 64, None, checked=True))
    assert [level for level, _ in told(former, made)] == ["warning", "ok"]


# --- signatures ---


@pytest.fixture
def signed(installed: InstalledLayer, made: Path, tmp_path: Path) -> InstalledLayer:
    """An installation that somebody has signed, whose key is `key` in the same folder."""
    pack(made / "tree", installed.layer_image, "zstd")
    write(installed.path, make_record(hashlib.sha256(installed.layer_image.read_bytes()).hexdigest()))
    signed = replace(installed, record=read_record(installed.path))
    sign(signed, make_key(tmp_path / "key"), Console())
    return signed


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path


def allow(key: Path, namespaces: str = "ebsif-layer") -> Path:
    """Write a file in which the owner of a key may sign."""
    allowed = key.with_name("allowed_signers")
    allowed.write_text(f'me@example.org namespaces="{namespaces}" {key.with_suffix(".pub").read_text()}')
    return allowed


def test_a_signature_tells_who_has_signed(signed: InstalledLayer, tmp_path: Path) -> None:
    found = check_signature(signed, allow(tmp_path / "key"))
    assert (found.level, found.found) == ("ok", "me@example.org has signed layer.json")


def test_a_signature_of_somebody_else_does_not_count(signed: InstalledLayer, tmp_path: Path) -> None:
    found = check_signature(signed, allow(make_key(tmp_path / "other")))
    assert found.level == "error"
    assert found.found.startswith(f"nobody of {tmp_path}/allowed_signers has signed layer.json: ")


def test_a_key_for_something_else_does_not_count(signed: InstalledLayer, tmp_path: Path) -> None:
    assert check_signature(signed, allow(tmp_path / "key", namespaces="git")).level == "error"


def test_a_signature_of_what_was_changed_since_is_not_good(signed: InstalledLayer, tmp_path: Path) -> None:
    write(signed.path, make_record("6" * 64))
    found = check_signature(signed, allow(tmp_path / "key"))
    assert found.level == "error"
    assert found.found.startswith("the signature of layer.json is not good: ")


def test_no_signature_is_told(signed: InstalledLayer, tmp_path: Path) -> None:
    (signed.path / "layer.json.sig").unlink()
    found = check_signature(signed, allow(tmp_path / "key"))
    assert (found.level, found.remedy) == ("error", "ebsif sign")


def test_what_was_changed_is_not_signed(signed: InstalledLayer, tmp_path: Path) -> None:
    signed.layer_image.write_bytes(b"")
    with pytest.raises(EbsifError, match="only what was installed can be signed"):
        sign(signed, tmp_path / "key", Console())


def test_what_is_no_key_is_told(signed: InstalledLayer, tmp_path: Path) -> None:
    with pytest.raises(EbsifError, match=r"ssh-keygen could not sign with .*layer.json"):
        sign(signed, signed.path / "layer.json", Console())
