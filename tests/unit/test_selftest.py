"""`ebsif selftest`: what it tells of a machine can be shown to others."""

import getpass
import socket
from pathlib import Path

import pytest

from ebsif import selftest
from ebsif.console import Console
from ebsif.finding import Finding
from ebsif.installation import read_installation
from ebsif.selftest import Trial, differences, public
from tests.support.installations import make_installation


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


def test_what_there_is_no_time_for_is_said(tmp_path: Path) -> None:
    installation = read_installation(make_installation(tmp_path / "software", tmp_path))
    found = list(Trial(installation, until=0).findings(Console(quiet=True)))
    assert {(one.found, one.level) for one in found} == {("not tried: out of time", "warning")}
    assert [one.what for one in found][-2:] == ["sanity check", "steps of Slurm"]


def test_what_is_ended_for_lack_of_time_does_not_count_as_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = read_installation(make_installation(tmp_path / "software", tmp_path))
    seconds = iter([0.0, 2.0])
    monkeypatch.setattr(selftest, "monotonic", lambda: next(seconds, 2.0))
    monkeypatch.setattr(selftest, "_machine", lambda: Finding("machine", "it did not end within 1 seconds", "error"))
    first = next(Trial(installation, until=1).findings(Console(quiet=True)))
    assert first == Finding("machine", "not tried: out of time", "warning", "give it more time with --limit")
