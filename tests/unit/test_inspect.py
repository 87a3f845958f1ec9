"""What an image says of itself is data: what is odd about it is left out with a warning, or told in a sentence."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ebsif.base.inspect import inspect_image
from ebsif.base.manifest import Manifest
from ebsif.cli import main
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.runtime import Inside, Runtime
from tests.support.manifests import freeze, make_manifest

PYTHON = {
    "path": "/opt/venv/bin/python3", "version": [3, 11, 2], "venv": True, "makes_venvs": True, "interpreter": "cp",
    "abiflags": "", "machine": "x86_64", "packages": {"six": "1.17.0"}, "names": {"six": "six"}, "commands": ["six"],
}  # fmt: skip


@dataclass(frozen=True)
class Container(Runtime):
    """A runtime whose containers say what a test wants."""

    path: Path = Path("apptainer")
    python: Any = field(default_factory=dict)
    facts: str = "machine=x86_64\n"
    labels: str = "{}"
    starts: list[Inside | None] = field(default_factory=list)

    def run(
        self, image: Path, command: Sequence[str], inside: Inside | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Answer as a container of the image would."""
        words = " ".join(command)
        self.starts.append(inside)
        answers = {
            "layer.py": self.python if isinstance(self.python, str) else json.dumps({**PYTHON, **self.python}),
            "probe.sh": self.facts,
            "labels.json": self.labels,
            "env -0": "PATH=/bin\0",
        }
        answer = next((text for mark, text in answers.items() if mark in words), "")
        return subprocess.CompletedProcess(list(command), 0, answer, "")


def inspected(folder: Path, **said: Any) -> Manifest:
    return inspect_image(freeze(folder, make_manifest()), Container(**said), Console())


def test_an_image_sees_nothing_of_the_machine_while_it_is_inspected(tmp_path: Path) -> None:
    starts: list[Inside | None] = []
    inspected(tmp_path, starts=starts)
    assert len(starts) > 5
    assert {inside.scratch is not None for inside in starts if inside} == {True}
    assert None not in starts


def test_commands_of_odd_names_are_left_out_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = inspected(tmp_path, python={"commands": ["a b", "six", "x;y", "\udcff"]})
    assert found.commands == ["six"]
    warning = r"commands of odd names or versions are left out: 'a b', 'x;y', '\udcff'"
    assert warning in capsys.readouterr().err


def test_packages_of_odd_names_or_versions_are_left_out_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = {"six": "1.17.0", "a\nb": "1", "none": None, "": "1"}
    found = inspected(tmp_path, python={"packages": packages, "names": {name: name for name in packages}})
    assert found.packages == {"six": "1.17.0"}
    assert "packages of odd names or versions are left out: 'a\\nb', 'none', ''" in capsys.readouterr().err


def test_labels_and_facts_that_are_no_unicode_are_kept_readable(tmp_path: Path) -> None:
    found = inspected(
        tmp_path, labels='{"author": "\udcff", "other": "\\ud800"}', facts="machine=x86_64\nrocm=6\udcff\n"
    )
    assert (found.labels, found.rocm) == ({"author": "?", "other": "?"}, "6?")
    assert Manifest.model_validate_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"python": ""}, "prints something else than it was asked"),
        ({"python": "hello"}, "prints something else than it was asked"),
        ({"python": {"path": ""}}, r"ebsif cannot write down what is in .*x\.sif: path: "),
        ({"facts": ""}, r"x\.sif has no `uname`, which tells what processor it is for"),
        ({"labels": "[]"}, "is not JSON that maps names to values"),
        ({"labels": "["}, "is not JSON that maps names to values"),
    ],
)
def test_what_nobody_can_make_sense_of_is_told_in_a_sentence(
    tmp_path: Path, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(EbsifError, match=message):
        inspected(tmp_path, **said)


@pytest.mark.parametrize("command", ["check", "sbom"])
def test_reading_an_easyconfig_starts_no_image(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = freeze(tmp_path, make_manifest(file="x.sif"))
    image.with_name("x.sif.manifest.json").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runtime = tmp_path / "bin" / "apptainer"
    runtime.parent.mkdir()
    runtime.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    runtime.chmod(0o755)
    monkeypatch.setenv("PATH", f"{runtime.parent}:/usr/bin:/bin")
    easyconfig = tmp_path / "x.eb"
    easyconfig.write_text(
        "easyblock = 'SifContainer'\nname = 'X'\nversion = '1'\nhomepage = 'https://example.org'\n"
        "description = 'An image'\ntoolchain = SYSTEM\nsources = ['x.sif']\nmoduleclass = 'ai'\n"
    )
    more = ["-o", str(tmp_path / "bom.json")] if command == "sbom" else []
    assert main([command, str(easyconfig), *more]) == 0
    told = capsys.readouterr()
    assert "nobody has looked into " in told.out + told.err
    assert not (tmp_path / "started").exists()
