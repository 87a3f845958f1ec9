"""What the Python of a base tells about itself."""

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from ebsif.inside import LAYER_PY


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An empty venv."""
    venv.EnvBuilder(symlinks=True).create(tmp_path / "venv")
    return tmp_path / "venv"


def add_package(environment: Path, name: str, *, files: str = "", commands: str = "", metadata: str = "") -> None:
    """Add what is written down of a package."""
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    info = environment / "lib" / minor / "site-packages" / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(files)
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{commands}")


def probed(environment: Path) -> dict[str, Any]:
    words: list[str | Path] = [environment / "bin" / "python", LAYER_PY, "probe"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def make_command(environment: Path, name: str) -> None:
    (environment / "bin" / name).write_text(f"#!{environment}/bin/python\n")
    (environment / "bin" / name).chmod(0o755)


def test_commands_that_conda_makes_are_found_though_no_package_lists_them(environment: Path) -> None:
    make_command(environment, "accelerate")
    add_package(environment, "accelerate", commands="accelerate = a:main\nnot-made = a:main\n")
    assert probed(environment)["commands"] == ["accelerate"]


def test_commands_that_a_package_lists_are_found(environment: Path) -> None:
    make_command(environment, "tool")
    add_package(environment, "tool", files="../../../bin/tool,,\ntool/data,,\n")
    assert probed(environment)["commands"] == ["tool"]


def test_what_is_left_of_a_package_is_none(environment: Path) -> None:
    add_package(environment, "gone", metadata="Metadata-Version: 2.1\n")
    assert probed(environment)["packages"] == {}
