"""`torchrun-distributed` starts one torchrun on each node, on the Python of the layer."""

from pathlib import Path

import pytest

from tests.support.runscripts import Runscripts, own_cpus, task


@pytest.fixture
def scripts(tmp_path: Path) -> Runscripts:
    return Runscripts(tmp_path)


def node(number: int = 0, /, **variables: str) -> dict[str, str]:
    """Return what Slurm says to the only task of a node, of two."""
    own = {"SLURM_PROCID": str(number), "SLURM_NODEID": str(number)}
    return task(0, SLURM_NTASKS="2", SLURM_STEP_TASKS_PER_NODE="1(x2)", **own, **variables)


def test_torchrun_is_a_module_of_the_python_that_sees_the_layer(scripts: Runscripts) -> None:
    done = scripts.run("torchrun-distributed", "train.py", "--lr", "1", **node(1, SLURM_GPUS_ON_NODE="8"))
    assert done.arguments == [
        "-m", "torch.distributed.run", "--nnodes=2", "--node-rank=1", "--nproc-per-node=8", "--master-addr=n1",
        "--master-port=28979", "train.py", "--lr", "1",
    ]  # fmt: skip
    assert (done.status, done.messages) == (0, "")


@pytest.mark.parametrize(
    ("own", "processes"),
    [({}, 1), ({"SLURM_GPUS_ON_NODE": "2"}, 2), ({"SLURM_GPUS_ON_NODE": "2", "NPROC_PER_NODE": "3"}, 3)],
)
def test_processes_of_a_node(scripts: Runscripts, own: dict[str, str], processes: int) -> None:
    assert f"--nproc-per-node={processes}" in scripts.run("torchrun-distributed", "x.py", **node(**own)).arguments


def test_options_of_the_user_come_last_so_that_they_count(scripts: Runscripts) -> None:
    own = ["--nproc-per-node", "2", "--rdzv-backend=c10d", "--max-restarts=3", "x.py"]
    assert scripts.run("torchrun-distributed", *own, **node(SLURM_GPUS_ON_NODE="8")).arguments[-5:] == own


@pytest.mark.parametrize(
    "arguments",
    [["--nproc-per-node=2", "x.py"], ["--nproc_per_node", "2", "x.py"], ["--max-restarts", "1", "--nproc-per-node=2"]],
)
def test_processes_share_the_processors_of_the_task(scripts: Runscripts, arguments: list[str]) -> None:
    done = scripts.run("torchrun-distributed", *arguments, **node())
    assert done.env["OMP_NUM_THREADS"] == str(max(1, own_cpus() // 2))


def test_options_of_the_program_are_not_those_of_torchrun(scripts: Runscripts) -> None:
    done = scripts.run("torchrun-distributed", "x.py", "--nproc-per-node=99", **node())
    assert "--nproc-per-node=1" in done.arguments


def test_a_step_of_several_tasks_on_a_node_is_refused(scripts: Runscripts) -> None:
    done = scripts.run("torchrun-distributed", "x.py", **task())
    assert (done.status, done.output) == (2, "")
    assert "the step has 3 tasks on 2 nodes: start it with srun --ntasks-per-node=1" in done.messages


def test_a_batch_script_without_srun_is_refused(scripts: Runscripts) -> None:
    batch = {"SLURM_JOB_ID": "5", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}
    assert scripts.run("torchrun-distributed", "x.py", **batch).status == 2


def test_outside_a_job_it_is_one_node(scripts: Runscripts) -> None:
    arguments = scripts.run("torchrun-distributed", "x.py", NPROC_PER_NODE="2").arguments
    assert {"--nnodes=1", "--node-rank=0", "--nproc-per-node=2", "--master-addr=127.0.0.1"} <= set(arguments)


def test_nodes_count_in_the_order_of_tasks(scripts: Runscripts) -> None:
    (scripts.caches / "hf").write_text("n2\nn1\n")
    step = node(0, SLURM_DISTRIBUTION="arbitrary", SLURM_HOSTFILE="hf") | {"SLURM_NODEID": "1"}
    arguments = scripts.run("torchrun-distributed", "x.py", **step).arguments
    assert {"--node-rank=0", "--master-addr=n2"} <= set(arguments)
