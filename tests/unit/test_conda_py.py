"""What is done with a conda environment once its packages are installed, so that it is the same everywhere."""

import asyncio
import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from easybuild.easyblocks.generic._siftext import files_path

from tests.support.conda_packages import make_package


@pytest.fixture(scope="module")
def conda_py() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conda_py", files_path("conda.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_record_tells_the_public_place_of_its_file_and_none_of_this_host(conda_py: ModuleType) -> None:
    installed = {
        "name": "tool",
        "fn": "tool-1.0-0.conda",
        "url": "file:///here/tool-1.0-0.conda",
        "channel": None,
        "extracted_package_dir": "/here/cache/tool-1.0-0",
        "link": {"source": "/here/cache/tool-1.0-0", "type": 1},
    }
    places = {"tool-1.0-0.conda": "https://example.org/channel/linux-64/tool-1.0-0.conda"}
    assert conda_py.public_record(installed, places) == {
        "name": "tool",
        "fn": "tool-1.0-0.conda",
        "url": "https://example.org/channel/linux-64/tool-1.0-0.conda",
        "channel": "https://example.org/channel",
    }


def test_a_file_without_a_public_place_is_known_by_its_name(conda_py: ModuleType) -> None:
    record = conda_py.public_record({"fn": "tool-1.0-0.conda"}, {"tool-1.0-0.conda": None})
    assert record == {"fn": "tool-1.0-0.conda", "url": "tool-1.0-0.conda", "channel": ""}


def test_commands_are_the_executables_in_bin_and_links_to_such(conda_py: ModuleType, tmp_path: Path) -> None:
    for name in ("bin/tool", "bin/.tool-post-link.sh", "bin/sub/other", "libexec/helper"):
        write(tmp_path / name).chmod(0o755)
    write(tmp_path / "bin/data.txt").chmod(0o644)
    (tmp_path / "bin/dangling").symlink_to("../lib/gone")
    (tmp_path / "bin/folder").symlink_to("../libexec")
    (tmp_path / "bin/alias").symlink_to("tool")
    files = ["bin/tool", "bin/.tool-post-link.sh", "bin/sub/other", "libexec/helper", "bin/data.txt"]
    files += ["bin/dangling", "bin/folder", "bin/alias"]
    assert conda_py.installed_commands(tmp_path, {"files": files}) == ["alias", "tool"]


def test_variables_of_packages_become_the_first_hook(conda_py: ModuleType, tmp_path: Path) -> None:
    value = """two words, 'quotes" and $HOME"""
    write(tmp_path / "etc/conda/env_vars.d/a.json", json.dumps({"ONE": value, "TWO": "a"}))
    write(tmp_path / "etc/conda/env_vars.d/b.json", json.dumps({"TWO": "b"}))
    conda_py.write_variables(tmp_path)
    hooks = sorted((tmp_path / "etc/conda/activate.d").iterdir())
    script = 'source "$1"; printf "%s|%s" "$ONE" "$TWO"'
    done = subprocess.run(["bash", "-c", script, "bash", hooks[0]], capture_output=True, text=True, check=True)
    assert done.stdout == f"{value}|b"


def test_without_variables_there_is_no_hook(conda_py: ModuleType, tmp_path: Path) -> None:
    conda_py.write_variables(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_that_came_too_late_are_named_and_removed(conda_py: ModuleType, tmp_path: Path) -> None:
    write(tmp_path / "share/both.txt", "first")
    write(tmp_path / "__clobbers__/second/share/both.txt", "second")
    assert conda_py.clobbered_files(tmp_path) == ["share/both.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["share"]


def install(conda_py: ModuleType, folder: Path, *contents: dict[str, Any]) -> Path:
    """Install packages a, b, … into an environment in a folder; return that."""
    names = [chr(ord("a") + number) for number in range(len(contents))]
    channel = folder / "channel"
    packages = [make_package(channel, name, **content) for name, content in zip(names, contents, strict=True)]
    prefix = folder / "layer/conda/envs/demo"
    prefix.parent.mkdir(parents=True)
    request = {
        "prefix": str(prefix),
        "target_prefix": "/user-software/conda/envs/demo",
        "cache": str(folder / "cache"),
        "packages": [{"path": str(path), "url": None} for path in packages],
    }
    asyncio.run(conda_py.install(request))
    return prefix


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"links": {"lib64": "lib"}}, {"files": {"lib64/b": "b"}}, "lib64 of the conda package a-1.0-0.conda is no "),
        ({"files": {"x/y/z": "z"}}, {"files": {"x": "x"}}, "x of the conda package b-1.0-0.conda is no folder, and a-"),
    ],
)
def test_a_file_that_would_be_lost_is_named(
    conda_py: ModuleType, tmp_path: Path, one: dict[str, Any], other: dict[str, Any], message: str
) -> None:
    with pytest.raises(conda_py.PackageError, match=f"^{message}"):
        install(conda_py, tmp_path, one, other)


def test_packages_may_share_a_folder(conda_py: ModuleType, tmp_path: Path) -> None:
    prefix = install(conda_py, tmp_path, {"files": {"share/a": "a"}}, {"files": {"share/b": "b"}})
    assert {path.name for path in (prefix / "share").iterdir()} == {"a", "b"}
