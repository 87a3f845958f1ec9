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


def test_the_step_counts_where_it_has_only_some_nodes_of_the_job() -> None:
    done = get_master(SLURM_JOB_NODELIST="nid[001-004]", SLURM_STEP_NODELIST="nid[003-004]")
    assert done.stdout == "nid003\n"


def test_two_steps_of_a_job_and_two_jobs_in_a_row_have_ports_of_their_own(tmp_path: Path) -> None:
    text = (SCRIPT.parent / "conda-python-distributed").read_text().replace("/runscripts/", f"{tmp_path}/")
    scripts = {"script": text, "get-master": "echo n1\n", "conda-python-simple": "echo $MASTER_PORT\n"}
    for name, content in scripts.items():
        (tmp_path / name).write_text("#!/bin/bash\n" + content)
        (tmp_path / name).chmod(0o755)
    steps = [(job, step) for job in (1234567, 1234568) for step in (0, 1)]
    ports = [
        subprocess.run(
            [tmp_path / "script"], capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_LOCALID": "0",
                 "SLURM_JOB_ID": str(job), "SLURM_STEP_ID": str(step)},
        ).stdout
        for job, step in steps
    ]  # fmt: skip
    assert ports == ["28979\n", "28980\n", "29016\n", "29017\n"]


def test_outside_a_job_it_is_this_host() -> None:
    assert get_master().stdout == subprocess.run(["uname", "-n"], capture_output=True, text=True, check=True).stdout


def test_list_that_is_cut_off() -> None:
    done = get_master("nid[001-")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'[' without ']'" in done.stderr
