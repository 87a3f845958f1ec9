"""How a container is run: nothing of the caller changes it but the way to the runtime itself."""

import io

import pytest
from easybuild.easyblocks.generic._sifruntime import container_command, container_environment, sif_id


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


LAUNCH = b"#!/usr/bin/env run-singularity\n\0"
ID = bytes(range(16))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LAUNCH + b"SIF_MAGIC\0" + b"01\0\n\xff\0" + ID + b"more", "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        (LAUNCH + b"SIF_MAGIC\0" + b"01\0\n\xff\0" + ID[:-1], None),
        (LAUNCH + b"SIF_MAGIC\0", None),
        (b"SIF_MAGIC".ljust(64), None),
        (b"", None),
    ],
)
def test_an_image_is_known_by_how_it_begins(content: bytes, expected: str | None) -> None:
    assert sif_id(io.BytesIO(content)) == expected
