"""`get-master` finds the host of task 0 in every list of nodes that Slurm writes."""

import subprocess
from pathlib import Path

import pytest

from tests.support.runscripts import Runscripts


@pytest.fixture
def scripts(tmp_path: Path) -> Runscripts:
    return Runscripts(tmp_path)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("nid001234", "nid001234"),
        ("nid001234,nid005678", "nid001234"),
        ("nid[001]", "nid001"),
        ("nid[001-003,007],gpu1", "nid001"),
        ("nid[005,007-009]", "nid005"),
        ("gpu1,nid[001-003]", "gpu1"),
        ("rack[0-1]node[5-6]", "rack0node5"),
        ("x[1-2]b[3-4]c[5-6]", "x1b3c5"),
        ("nid[001-002]-hsn,x", "nid001-hsn"),
    ],
)
def test_first_host(scripts: Runscripts, nodes: str, first: str) -> None:
    assert scripts.run("get-master", nodes).output == f"{first}\n"
    assert scripts.run("get-master", SLURM_JOB_NODELIST=nodes).output == f"{first}\n"


def test_the_step_counts_where_it_has_only_some_nodes_of_the_job(scripts: Runscripts) -> None:
    done = scripts.run("get-master", SLURM_JOB_NODELIST="nid[001-004]", SLURM_STEP_NODELIST="nid[003-004]")
    assert done.output == "nid003\n"


@pytest.mark.parametrize("text", ["n2\nn1\nn1\nn2\n", "# ours\n\n  n2 n1\n", "n2*2\nn1\n", "n[2-3]\n", "n2"])
def test_arbitrary_tasks_begin_on_the_first_host_of_the_file(scripts: Runscripts, text: str) -> None:
    (scripts.caches / "hf").write_text(text)
    step = {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_DISTRIBUTION": "arbitrary", "SLURM_HOSTFILE": "hf"}
    assert scripts.run("get-master", **step).output == "n2\n"


def test_a_host_file_that_the_container_does_not_see(scripts: Runscripts) -> None:
    step = {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_DISTRIBUTION": "arbitrary", "SLURM_HOSTFILE": "/absent/hf"}
    done = scripts.run("get-master", **step)
    assert (done.status, done.output) == (2, "")
    assert "the host file /absent/hf, which tells where task 0 runs, cannot be read in the container" in done.messages


def test_arbitrary_tasks_without_a_host_file(scripts: Runscripts) -> None:
    done = scripts.run("get-master", SLURM_STEP_NODELIST="n[1-2]", SLURM_DISTRIBUTION="arbitrary")
    assert done.status == 2
    assert "give the nodes in SLURM_HOSTFILE instead of -w, or set MASTER_ADDR" in done.messages


def test_outside_a_job_it_is_this_host(scripts: Runscripts) -> None:
    here = subprocess.run(["uname", "-n"], capture_output=True, text=True, check=True).stdout
    assert scripts.run("get-master").output == here


def test_list_that_is_cut_off(scripts: Runscripts) -> None:
    done = scripts.run("get-master", "nid[001-")
    assert (done.status, done.output) == (2, "")
    assert "'[' without ']'" in done.messages
