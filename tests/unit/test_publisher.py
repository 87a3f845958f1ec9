"""A manifest without the image: what its publisher says, and what nobody says is asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from ebsif.base.manifest import Python
from ebsif.cli import main
from tests.support.publisher import APT, IMAGE, PIP, SHA256, publish

FACTS = ["--fact", "kind=venv", "--fact", "python=/opt/venv/bin/python3", "--fact", "start_with=exec"]


def inspected(listing: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["inspect", str(listing), "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def refused(listing: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", str(listing), *words]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_a_manifest_says_what_the_publisher_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = inspected(publish(tmp_path), capsys, *FACTS)
    python = Python(path="/opt/venv/bin/python3", version="3.12.3", tag="cp312-cp312-manylinux_2_39_x86_64")
    assert {name: value for name, value in manifest.items() if value is not None} == {
        "format": 3,
        "source": "publisher",
        "file": f"{IMAGE}.sif",
        "sha256": SHA256,
        "kind": "venv",
        "start_with": "exec",
        "machine": "x86_64",
        "glibc": "2.39",
        "rocm": "6.4.4",
        "mpi": "MPICH 4.3.2",
        "libfabric": "2.1.0",
        "python": python.model_dump(),
        "packages": PIP,
        "activation": {"command": None, "env": None, "path": [], "unusable": {}},
    }


def test_a_site_knows_what_is_true_of_all_images_of_a_family(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspected(publish(tmp_path), capsys, "--site", "lumi") == inspected(publish(tmp_path), capsys, *FACTS)


def test_all_that_nobody_knows_is_asked_for_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(publish(tmp_path, apt={}, sha256=None), capsys)
    for name in ("kind", "python", "python_version", "machine", "glibc", "start_with", "sha256"):
        assert f"--fact {name}=" in message


def test_an_environment_of_conda_has_a_python_and_an_activation_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(publish(tmp_path), capsys, *FACTS, "--fact", "kind=conda")
    assert message.endswith("tell it with --fact python_version=3.12.3 --fact activation='source …'")


@pytest.mark.parametrize(
    ("more", "python", "version"),
    [
        ({"python3.13": "3.13.1-2"}, "/opt/venv/bin/python3", None),
        ({"python3.13": "3.13.1-2"}, "/opt/venv/bin/python3.13", "3.13.1"),
    ],
)
def test_of_several_pythons_the_one_that_the_program_is_called_after_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, str], python: str, version: str | None
) -> None:
    words = [*FACTS, "--fact", f"python={python}"]
    listing = publish(tmp_path, apt={**APT, **more})
    if version:
        assert inspected(listing, capsys, *words)["python"]["version"] == version
    else:
        assert "--fact python_version=" in refused(listing, capsys, *words)


def test_tools_for_several_machines_do_not_tell_which_is_the_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = publish(tmp_path, apt={**APT, "binutils-aarch64-linux-gnu": "2.42-4"})
    assert "--fact machine=" in refused(listing, capsys, *FACTS)
    assert inspected(listing, capsys, *FACTS, "--fact", "machine=aarch64")["machine"] == "aarch64"


def test_an_image_without_packages_of_pip_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "lists no packages of pip" in refused(publish(tmp_path, pip=None), capsys, *FACTS)


def test_a_list_that_is_not_the_published_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = publish(tmp_path)
    listing.write_text(listing.read_text().replace("1.17.0", "1.16.0"))
    assert "it is another file than was published" in refused(listing, capsys, *FACTS)


def test_checksums_that_contradict_each_other_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = publish(tmp_path)
    message = refused(listing, capsys, *FACTS, "--fact", f"sha256={'d' * 64}")
    assert f"different SHA256 of {IMAGE}.sif, in {tmp_path}/release.sha256, what was told" in message
    listing.with_suffix(".md").write_text(f"{'d' * 64}  {IMAGE}.sif\n")
    assert f"in {listing.with_suffix('.md')}, {tmp_path}/release.sha256:" in refused(listing, capsys, *FACTS)


@pytest.mark.parametrize(
    ("content", "where"),
    [("[]", "the whole"), ('{"pip": []}', "apt"), ('{"apt": [{"name": "x"}]}', "apt.0.version"), ("\r\n", "the whole"),
     ("[" * 100_000, "the whole"), ('{"apt": [{"name": "\\ud800", "version": "1"}]}', "the whole")],
)
def test_what_is_no_list_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, where: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    message = refused(tmp_path / "x.json", capsys)
    assert "x.json is no publisher's list of packages" in message
    assert f"({where}: " in message


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("kind", "--fact kind: write a name and a value"),
        ("kind=docker", "--fact kind: Input should be 'conda'"),
        ("pyton=/x", "--fact pyton: Extra inputs are not permitted (known are kind, python,"),
        ("python=bin/python", "--fact python: Value error, 'bin/python' is not an absolute path"),
    ],
)
def test_a_fact_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    assert message in refused(publish(tmp_path), capsys, "--fact", word)


def test_of_an_image_no_facts_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "of an image, ebsif finds out all itself" in refused(tmp_path / "x.sif", capsys, "--fact", "kind=venv")


def test_the_table_says_whose_word_it_is_and_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(publish(tmp_path)), "--site", "lumi"]) == 0
    captured = capsys.readouterr()
    assert "its publisher; what is missing here is unknown" in captured.out
    assert f"--output {IMAGE}.sif.manifest.json" in " ".join(captured.err.split())
