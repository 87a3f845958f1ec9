"""`ebsif export`: the kinds of what it makes, and which bases it takes."""

from pathlib import Path

import pytest

from ebsif.cli import main
from ebsif.errors import EbsifError
from ebsif.export import KINDS, siffile
from ebsif.export.sif import look_at
from ebsif.export.siffile import add_objects, read_sif
from ebsif.runtime import Runtime
from tests.unit.test_siffile import NEW, make_sif


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_help_with_an_example(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", kind, "--help"])
    assert ended.value.code == 0
    assert f"example: ebsif export {kind}" in capsys.readouterr().out


def test_options_may_stand_before_and_behind(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["-o", "x.sif", "--json", "gone"], ["gone", "--json", "-o", "x.sif"]):
        assert main(["export", "sif", *words]) == 2
        assert "gone is no installation of a container" in capsys.readouterr().err


def test_a_base_that_has_a_layer_already_is_refused(tmp_path: Path) -> None:
    sif = make_sif(tmp_path / "x.sif")
    (tmp_path / "overlay").write_bytes(b"hsqs over it")
    add_objects(sif, [siffile.overlay("overlay", tmp_path / "overlay", read_sif(sif))], NEW)
    with pytest.raises(EbsifError, match="has a layer already"):
        look_at(read_sif(sif), Runtime(tmp_path / "no-runtime"), tmp_path)


def runtime(folder: Path, says: str) -> Runtime:
    """Return what stands for a runtime: whatever it shall run, it says the same."""
    program = folder / "apptainer"
    program.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    program.chmod(0o755)
    return Runtime(program)


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("a greeting\\0\\0\\0{}", "as images have that Apptainer or Singularity has built"),
        ("\\0yes\\n\\0/user-software/venv\\n\\0{}", "would be mixed with it: /user-software/venv"),
        ("\\0yes\\n\\0\\0{labels", "its labels cannot be read"),
    ],
)
def test_a_base_that_cannot_carry_a_layer_is_refused(says: str, message: str, tmp_path: Path) -> None:
    image = make_sif(tmp_path / "x.sif")
    image.write_bytes(image.read_bytes().replace(b"inspect-metadata", b"another-document"))
    with pytest.raises(EbsifError, match=message):
        look_at(read_sif(image), runtime(tmp_path, says), tmp_path)


def test_labels_of_the_base_are_read(tmp_path: Path) -> None:
    image = make_sif(tmp_path / "x.sif")
    image.write_bytes(image.read_bytes().replace(b"inspect-metadata", b"another-document"))
    found = look_at(read_sif(image), runtime(tmp_path, 'a greeting\\0yes\\n\\0\\0{"a": "b"}'), tmp_path)
    assert found == {"a": "b"}
