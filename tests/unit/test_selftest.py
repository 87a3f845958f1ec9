"""`ebsif selftest`: what it tells of a machine can be shown to others."""

import getpass
import socket
from pathlib import Path

import pytest

from ebsif.finding import Finding
from ebsif.selftest import differences, public


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{Path.home()}/images/x.sif is gone", "~/images/x.sif is gone"),
        (f"/scratch/{getpass.getuser()}/x", "/scratch/<user>/x"),
        ("/project/project_465000001/EasyBuild", "/project/<project>/EasyBuild"),
        ("account acme_x is over its limit", "account <account> is over its limit"),
        ("nid007 and nid1234 do not answer", "<node> and <node> do not answer"),
        ("torch 2.7.1 sees 8", "torch 2.7.1 sees 8"),
    ],
)
def test_names_of_people_projects_and_nodes_are_left_out(
    text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "nid001234.machine.example")
    monkeypatch.setenv("SLURM_JOB_ACCOUNT", "acme_x")
    assert public(text) == said


def test_what_should_be_the_same_in_a_job_is_compared() -> None:
    here = [Finding("mounts", "/ is fuse"), Finding("machine", "a")]
    there = [Finding("mounts", "/ is squashfs"), Finding("machine", "b")]
    (found,) = differences(here, there)
    assert found == Finding("mounts", "here / is fuse, and in the job / is squashfs", "warning")
