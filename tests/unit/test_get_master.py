"""`get-master` finds the first host in every list of nodes that Slurm writes."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "runscripts" / "get-master"


def get_master(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(["bash", SCRIPT, *arguments], capture_output=True, text=True, check=False, env=env)


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
        ("nid[001-002]-hsn,x", "nid001-hsn"),
    ],
)
def test_first_host(nodes: str, first: str) -> None:
    assert get_master(nodes).stdout == f"{first}\n"
    assert get_master(SLURM_JOB_NODELIST=nodes).stdout == f"{first}\n"


def test_outside_a_job_it_is_this_host() -> None:
    assert get_master().stdout == subprocess.run(["uname", "-n"], capture_output=True, text=True, check=True).stdout


def test_list_that_is_cut_off() -> None:
    done = get_master("nid[001-")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'[' without ']'" in done.stderr
