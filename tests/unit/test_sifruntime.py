"""How a container is run: nothing of the caller changes it but the way to the runtime itself."""

import io
import os

import pytest
from easybuild.easyblocks.generic._sifruntime import container_command, container_environment, other_machine, sif_header


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


def test_a_command_that_must_see_nothing_of_the_host_sees_no_processes_either() -> None:
    words = container_command("/bin/apptainer", "x.sif", ["true"], scratch="/build/scratch")
    apart = ["--contain", "--pid", "--ipc", "--hostname", "ebsif", "--workdir", "/build/scratch"]
    assert words[words.index("/") + 1 : -2] == apart


LAUNCH = b"#!/usr/bin/env run-singularity\n\0"
ID = bytes(range(16))


def test_an_image_is_known_by_how_it_begins() -> None:
    header = sif_header(io.BytesIO(LAUNCH + b"SIF_MAGIC\0" + b"01\0\n\xff\0" + ID + b"more"))
    assert header == ("00010203-0405-0607-0809-0a0b0c0d0e0f", None)


@pytest.mark.parametrize(
    "content",
    [
        LAUNCH + b"SIF_MAGIC\0" + b"01\0\n\xff\0" + ID[:-1],
        LAUNCH + b"SIF_MAGIC\0",
        b"SIF_MAGIC".ljust(64),
        b"",
    ],
)
def test_another_file_is_no_image(content: bytes) -> None:
    assert sif_header(io.BytesIO(content)) is None


@pytest.mark.parametrize(
    ("code", "machine"),
    [
        (b"02", "x86_64"), (b"04", "aarch64"), (b"06", "ppc64le"), (b"12", "riscv64"),
        # 32 bits: an x86_64 runs i386, and only some aarch64 run arm, so that the runtime is left to judge.
        (b"01", None), (b"03", None), (b"00", None), (b"99", None),
    ],
)  # fmt: skip
def test_an_image_tells_which_machine_it_is_for(code: bytes, machine: str | None) -> None:
    header = sif_header(io.BytesIO(LAUNCH + b"SIF_MAGIC\0" + b"01\0" + code + b"\0" + ID))
    assert header is not None
    assert header.machine == machine


def test_an_image_for_another_machine_is_told_by_name() -> None:
    here = os.uname().machine
    assert other_machine("x.sif", here) is None
    assert other_machine("x.sif", None) is None
    assert other_machine("x.sif", "s390x") == f"this host is {here}, and x.sif is for s390x"
