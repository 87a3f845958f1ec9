"""How a container is run: nothing of the caller changes it but the way to the runtime itself."""

from pathlib import Path

import pytest
from easybuild.easyblocks.generic._sifruntime import container_command, container_environment, is_sif


def test_the_runtime_gets_what_its_own_program_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/apptainer/lib")
    assert container_environment("/bin/apptainer", {})["LD_LIBRARY_PATH"] == "/opt/apptainer/lib"


@pytest.mark.parametrize("name", ["APPTAINER_BIND", "SINGULARITYENV_PREPEND_PATH", "PIP_INDEX_URL", "CONDA_PREFIX"])
def test_settings_of_the_caller_do_not_reach_the_container(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/x")
    assert name not in container_environment("/bin/apptainer", {})


def test_variables_are_given_in_the_way_of_the_runtime() -> None:
    env = container_environment("/opt/bin/singularity", {"VALUE": "$HOME `id`"})
    assert env["SINGULARITYENV_VALUE"] == "\\$HOME \\`id\\`"


def test_a_command_runs_without_the_callers_home_and_variables() -> None:
    words = container_command("/bin/apptainer", "x.sif", ["echo", "two words"], "run", ["/a:/b", "/c:/d:ro"])
    assert words == [
        "/bin/apptainer", "--quiet", "run", "--cleanenv", "--no-home", "--pwd", "/", "--bind", "/a:/b",
        "--bind", "/c:/d:ro", "x.sif", "echo", "two words",
    ]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), [(b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0", True),
                                                   (b"SIF_MAGIC", False), (b"", False)])  # fmt: skip
def test_an_image_is_known_by_how_it_begins(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "x").write_bytes(content)
    assert is_sif(str(tmp_path / "x")) is expected
