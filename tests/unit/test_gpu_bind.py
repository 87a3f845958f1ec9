"""`gpu-bind` puts tasks on the processors near their GPUs, by the numbers that GPUs have on the node."""

import os
from pathlib import Path

import pytest

from tests.support.runscripts import Runscripts, task

MINE = sorted(os.sched_getaffinity(0))
# Of two GPUs, the first is beside the last processor of this machine, the second beside the first one.
MASKS = [hex(1 << MINE[-1]), hex(1 << MINE[0])]
# A processor that no machine has.
ABSENT = "0x1" + "0" * 600


@pytest.fixture
def scripts(tmp_path: Path) -> Runscripts:
    scripts = Runscripts(tmp_path)
    scripts.settings(*(f"mask {mask}" for mask in MASKS))
    return scripts


def job(**variables: str) -> dict[str, str]:
    """Return what Slurm says to a batch script of a job with two tasks and two GPUs on one node."""
    return {"SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_CPUS_PER_NODE": "2",
            "SLURM_TASKS_PER_NODE": "2", "SLURM_NTASKS": "2", "SLURM_JOB_GPUS": "0,1", **variables}  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "masks"),
    [
        ({}, MASKS),
        ({"SLURM_JOB_GPUS": "0-1"}, MASKS),
        ({"SLURM_JOB_GPUS": "1", "SLURM_TASKS_PER_NODE": "1"}, MASKS[1:]),
        ({"SLURM_NTASKS_PER_NODE": "1"}, MASKS[:1]),
        ({"SLURM_TASKS_PER_NODE": "3"}, [*MASKS, MASKS[0]]),
        ({"SLURM_NTASKS": "", "SLURM_TASKS_PER_NODE": "128"}, MASKS),
        ({"SLURM_JOB_NUM_NODES": "4", "SLURM_TASKS_PER_NODE": "2(x4)", "SLURM_JOB_CPUS_PER_NODE": "2(x4)"}, MASKS),
    ],
)
def test_one_mask_for_each_task_of_a_node(scripts: Runscripts, variables: dict[str, str], masks: list[str]) -> None:
    done = scripts.run("gpu-bind", **job(**variables))
    assert (done.output, done.messages) == (f"mask_cpu:{','.join(masks)}\n", "")


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_JOB_NUM_NODES": "2", "SLURM_TASKS_PER_NODE": "2,1", "SLURM_NTASKS": "3"},
        {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_CPUS_PER_NODE": "2,1"},
        {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_GPUS": "1"},
    ],
)
def test_nodes_that_differ_are_refused(scripts: Runscripts, variables: dict[str, str]) -> None:
    done = scripts.run("gpu-bind", **job(**variables))
    assert (done.status, done.output) == (2, "")
    assert "set EBSIF_CPU_BIND=gpu instead" in done.messages


def test_a_mask_outside_the_job_is_refused_by_name(scripts: Runscripts) -> None:
    scripts.settings(f"mask {MASKS[0]}", f"mask {ABSENT}")
    done = scripts.run("gpu-bind", **job())
    assert (done.status, done.output) == (2, "")
    assert f"the mask {ABSENT} of GPU 1 has processors that the job has not" in done.messages


def test_a_job_without_gpus_and_a_site_without_masks_leave_it_to_slurm(scripts: Runscripts) -> None:
    done = scripts.run("gpu-bind", **job(SLURM_JOB_GPUS=""))
    # Slurm refuses an empty --cpu-bind, and takes this for what it does by itself.
    assert (done.status, done.output) == (0, "quiet\n")
    assert done.messages == "gpu-bind: the job has no GPUs on this node: Slurm binds tasks as it does by itself\n"
    scripts.settings()
    done = scripts.run("gpu-bind", **job())
    assert (done.status, done.output) == (0, "quiet\n")
    assert done.messages.startswith("gpu-bind: the site does not say which processors are near a GPU: ")


@pytest.mark.parametrize(
    ("step", "cpu"),
    [
        (task(0, SLURM_STEP_GPUS="0,1"), MINE[-1]),
        (task(1, SLURM_STEP_GPUS="0,1"), MINE[0]),
        (task(0, SLURM_STEP_GPUS="1"), MINE[0]),
        (task(1, SLURM_STEP_GPUS="1"), MINE[0]),
    ],
    ids=["first", "second", "part of a node", "--gpus-per-task"],
)
def test_a_task_runs_near_its_own_gpu(scripts: Runscripts, step: dict[str, str], cpu: int) -> None:
    assert scripts.run("gpu-bind", "python", **step).cpus == [cpu]
    for script in ("python-distributed", "conda-python-distributed"):
        done = scripts.run(script, "x.py", EBSIF_CPU_BIND="gpu", **step)
        assert (done.cpus, done.env["OMP_NUM_THREADS"], done.arguments) == ([cpu], "1", ["x.py"])


def test_without_being_asked_nothing_is_bound(scripts: Runscripts) -> None:
    assert scripts.run("python-distributed", **task(SLURM_STEP_GPUS="0,1")).cpus == MINE


def test_processors_that_the_task_does_not_have_are_left_out(scripts: Runscripts) -> None:
    scripts.settings(f"mask {hex(int(ABSENT, 16) | 1 << MINE[0])}")
    assert scripts.run("gpu-bind", "python", **task(SLURM_STEP_GPUS="0")).cpus == [MINE[0]]


def test_a_task_that_has_none_of_them_keeps_its_own_and_says_so(scripts: Runscripts) -> None:
    scripts.settings(f"mask {ABSENT}")
    done = scripts.run("gpu-bind", "python", **task(1, SLURM_STEP_GPUS="0"))
    assert done.cpus == MINE
    assert "task 1 has none of the processors near GPU 0" in done.messages


def test_python_binds_where_there_is_no_taskset(scripts: Runscripts) -> None:
    for tool in ("bash", "python3"):
        (scripts.folder / tool).symlink_to(f"/usr/bin/{tool}")
    (scripts.folder / "python").symlink_to(scripts.folder.parent / "bin" / "python")
    real = scripts.folder.parent / "real"
    real.mkdir()
    (real / "python").symlink_to("/usr/bin/python3")
    done = scripts.run("gpu-bind", str(scripts.folder / "python"), PATH=str(real), **task(SLURM_STEP_GPUS="1"))
    assert done.cpus == [MINE[0]]
