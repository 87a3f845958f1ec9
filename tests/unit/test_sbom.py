"""The bill of materials, valid by CycloneDX's own schema."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ebsif import sbom
from ebsif.easyconfig.read import read_easyconfig
from ebsif.lock.commit import Commit
from ebsif.lock.model import LockedFile
from tests.support.locked import LOCKED
from tests.support.manifests import make_manifest


@pytest.fixture
def easyconfig(tmp_path: Path) -> Path:
    path = tmp_path / "demo.eb"
    path.write_text(LOCKED + "version = '1.0'\nversionsuffix = '-x'\nsources = ['x.sif']\nchecksums = [None]\n")
    return path


def components(path: Path) -> dict[str, dict[str, object]]:
    return {component["bom-ref"]: component for component in json.loads(path.read_text())["components"]}


def test_it_is_valid(easyconfig: Path, tmp_path: Path) -> None:
    base = make_manifest(packages={"torch": "2.13.0", "PyYAML": "6.0"})
    sbom.write(sbom.of_easyconfig(read_easyconfig(easyconfig), base), tmp_path / "bom.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str((tmp_path / "bom.json").read_text()) is None


def test_base_and_layer_are_told_apart(easyconfig: Path, tmp_path: Path) -> None:
    base = make_manifest(packages={"torch": "2.13.0", "pip": "24.0"})
    sbom.write(sbom.of_easyconfig(read_easyconfig(easyconfig), base), tmp_path / "bom.json")
    assert set(components(tmp_path / "bom.json")) == {
        "image:x.sif",
        "base:pkg:pypi/torch@2.13.0",
        "layer:pkg:pypi/pip@26.3",
        "layer:pkg:pypi/own@1.0",
    }


def test_files_of_the_layer_have_their_sha256(easyconfig: Path, tmp_path: Path) -> None:
    sbom.write(sbom.of_easyconfig(read_easyconfig(easyconfig), None), tmp_path / "bom.json")
    pip = components(tmp_path / "bom.json")["layer:pkg:pypi/pip@26.3"]
    assert pip["hashes"] == [{"alg": "SHA-256", "content": "1" * 64}]


def test_packages_that_a_person_has_listed_are_in_the_layer_too(easyconfig: Path, tmp_path: Path) -> None:
    easyconfig.write_text(easyconfig.read_text().replace("# Lock:", "# By hand:"))
    sbom.write(sbom.of_easyconfig(read_easyconfig(easyconfig), None), tmp_path / "bom.json")
    found = components(tmp_path / "bom.json")
    assert set(found) == {"image:x.sif", "layer:pkg:pypi/pip@26.3", "layer:pkg:pypi/own@1.0"}
    assert found["layer:pkg:pypi/own@1.0"]["hashes"] == [{"alg": "SHA-256", "content": "2" * 64}]


def test_a_file_whose_sha256_nobody_knows_has_none(easyconfig: Path, tmp_path: Path) -> None:
    easyconfig.write_text(easyconfig.read_text().replace("# Lock:", "# By hand:").replace("'checksums'", "'other'"))
    sbom.write(sbom.of_easyconfig(read_easyconfig(easyconfig), None), tmp_path / "bom.json")
    assert "hashes" not in components(tmp_path / "bom.json")["layer:pkg:pypi/own@1.0"]


def test_an_image_lists_its_packages(tmp_path: Path) -> None:
    sbom.write(sbom.of_image(make_manifest(packages={"torch": "2.13.0"})), tmp_path / "bom.xml")
    text = (tmp_path / "bom.xml").read_text()
    assert "pkg:pypi/torch@2.13.0" in text
    assert "0" * 64 in text


@pytest.mark.parametrize("name", ["/", "", "a/b"])
def test_a_package_of_conda_has_no_url_by_a_name_that_no_channel_can_have(name: str) -> None:
    assert sbom._conda_purl(LockedFile(name, "1.0", "x-1.0-0.conda", "0" * 64)) is None


def test_a_package_from_git_names_its_commit() -> None:
    commit = Commit("https://example.org/o", "x", "a" * 40)
    purl = sbom._locked(LockedFile("x", "1.0", "x-1.0-gaaaaaaaaaaaa.tar.xz", "0" * 64, commit=commit)).purl
    assert purl
    assert purl.qualifiers == {"vcs_url": f"git+https://example.org/o/x.git@{commit.commit}"}
