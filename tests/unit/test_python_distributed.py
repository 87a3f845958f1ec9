"""`python-distributed` tells a program what its task is, where all meet, and refuses what would hang."""

from pathlib import Path

import pytest

from tests.support.runscripts import Runscripts, own_cpus, task

FACTS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "NODE_RANK")


@pytest.fixture
def scripts(tmp_path: Path) -> Runscripts:
    return Runscripts(tmp_path)


def port(scripts: Runscripts, **variables: str) -> int:
    return int(scripts.run("python-distributed", **task(**variables)).env["MASTER_PORT"])


@pytest.mark.parametrize(
    ("rank", "facts"),
    [(0, "0 0 3 2 0 0"), (1, "1 1 3 2 0 0"), (2, "2 0 3 1 1 1")],
    ids=["first", "second", "other node"],
)
def test_facts_are_those_of_the_step(scripts: Runscripts, rank: int, facts: str) -> None:
    done = scripts.run("python-distributed", "train.py", "--name", "a b", **task(rank))
    assert " ".join(done.env[name] for name in FACTS) == facts
    assert done.env["MASTER_ADDR"] == "n1"
    assert done.arguments == ["train.py", "--name", "a b"]
    assert (done.status, done.messages) == (0, "")


@pytest.mark.parametrize(
    ("groups", "node", "tasks"),
    [("2", 0, 2), ("1(x2),2", 1, 1), ("1(x2),2", 2, 2), ("8(x64)", 63, 8), ("3,1(x2),4", 3, 4)],
)
def test_tasks_of_a_node(scripts: Runscripts, groups: str, node: int, tasks: int) -> None:
    step = task(2, SLURM_STEP_TASKS_PER_NODE=groups, SLURM_NODEID=str(node))
    assert scripts.run("python-distributed", **step).env["LOCAL_WORLD_SIZE"] == str(tasks)


# What was exported.


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_rank_that_was_exported_for_all_is_replaced_and_one_task_says_so(scripts: Runscripts, rank: int) -> None:
    done = scripts.run("python-distributed", RANK="0", **task(rank))
    assert done.env["RANK"] == str(rank)
    told = "python-distributed: this was exported, is not so in this step, and is set anew for each task: RANK=0\n"
    assert done.messages == (told if rank == 1 else "")


def test_rank_0_tells_all_that_it_sees(scripts: Runscripts) -> None:
    done = scripts.run("python-distributed", WORLD_SIZE="8", RANK="3", **task())
    assert (done.env["WORLD_SIZE"], done.env["RANK"]) == ("3", "0")
    assert done.messages.endswith(": RANK=3 WORLD_SIZE=8\n")


def test_what_the_user_has_set_comes_first(scripts: Runscripts) -> None:
    scripts.settings("ports 10000-19999", f"start MIOPEN_USER_DB_PATH {scripts.caches}/site")
    own = {"MASTER_ADDR": "n3", "MASTER_PORT": "4711", "OMP_NUM_THREADS": "5", "PYTHONUNBUFFERED": "",
           "JAX_COORDINATOR_ADDRESS": "n3:1", "MIOPEN_USER_DB_PATH": "/own", "ROCR_VISIBLE_DEVICES": "1,0"}  # fmt: skip
    env = scripts.run("python-distributed", **task(**own)).env
    assert {name: env[name] for name in own} == own


# Ports.


def test_two_steps_of_a_job_and_two_jobs_in_a_row_have_ports_of_their_own(scripts: Runscripts) -> None:
    steps = [(job, step) for job in ("1234567", "1234568") for step in ("0", "1")]
    assert [port(scripts, SLURM_JOB_ID=job, SLURM_STEP_ID=step) for job, step in steps] == [28979, 28980, 29016, 29017]


def test_ports_of_the_site(scripts: Runscripts) -> None:
    scripts.settings("ports 10000-19999")
    assert port(scripts) == 18979
    scripts.settings("ports 10000-10009")
    assert port(scripts) == 10009


def test_ports_that_slurm_reserves(scripts: Runscripts) -> None:
    scripts.settings("ports reserved")
    assert port(scripts, SLURM_STEP_RESV_PORTS="12004-12006") == 12006
    assert port(scripts, SLURM_STEP_RESV_PORTS="12004,12009") == 12009
    assert port(scripts) == 28979


def test_jax_need_not_read_the_list_of_hosts(scripts: Runscripts) -> None:
    env = scripts.run("python-distributed", **task(SLURM_STEP_NODELIST="n[1]")).env
    assert env["JAX_COORDINATOR_ADDRESS"] == "n1:28979"


# Steps of other kinds.


def test_a_step_on_other_nodes_than_the_first_of_the_job(scripts: Runscripts) -> None:
    step = task(SLURM_STEP_NODELIST="n2", SLURM_STEP_TASKS_PER_NODE="2", SLURM_STEP_NUM_NODES="1")
    assert scripts.run("python-distributed", **step).env["MASTER_ADDR"] == "n2"


def test_heterogeneous_job(scripts: Runscripts) -> None:
    step = task(2, SLURM_STEP_TASKS_PER_NODE="1,2", SLURM_LOCALID="1", SLURM_JOB_ID_HET_GROUP_1="1234568")
    env = scripts.run("python-distributed", **step).env
    assert " ".join(env[name] for name in FACTS) == "2 1 3 2 1 1"
    assert (env["MASTER_ADDR"], env["MASTER_PORT"]) == ("n1", "28979")


def test_arbitrary_distribution(scripts: Runscripts) -> None:
    (scripts.caches / "hf").write_text("n2\nn1\nn1\n")
    step = task(SLURM_DISTRIBUTION="arbitrary", SLURM_HOSTFILE="hf", SLURM_NODEID="1")
    assert scripts.run("python-distributed", **step).env["MASTER_ADDR"] == "n2"


# Outside a step.


def test_outside_any_job_it_is_one_process(scripts: Runscripts) -> None:
    done = scripts.run("python-distributed", "x.py")
    assert " ".join(done.env[name] for name in FACTS) == "0 0 1 1 0 0"
    assert done.env["MASTER_ADDR"] == "127.0.0.1"
    assert 20000 <= int(done.env["MASTER_PORT"]) <= 29999
    assert done.messages == "python-distributed: no step of Slurm: one process by itself\n"


# What a batch script has in its environment, and a shell of salloc.
BATCH = {"SLURM_JOB_ID": "1234567", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


@pytest.mark.parametrize("tasks", [{"SLURM_NTASKS": "4"}, {"SLURM_NNODES": "4"}])
def test_a_batch_script_without_srun_is_refused(scripts: Runscripts, tasks: dict[str, str]) -> None:
    done = scripts.run("python-distributed", "x.py", **BATCH, **tasks)
    assert (done.status, done.output) == (2, "")
    assert done.messages == "python-distributed: this is none of the 4 tasks of the job: start it with srun\n"


def test_a_batch_script_for_one_task_needs_no_srun(scripts: Runscripts) -> None:
    assert scripts.run("python-distributed", **BATCH, SLURM_NTASKS="1").env["WORLD_SIZE"] == "1"


@pytest.mark.parametrize("place", ["step_batch", "step_interactive", "step_extern"])
def test_the_kernel_tells_a_batch_script_that_has_inherited_a_step(scripts: Runscripts, place: str) -> None:
    scripts.placed(f"/slurm_n1/uid_1000/job_1234567/{place}")
    assert "start it with srun" in scripts.run("python-distributed", **task()).messages
    scripts.placed("/slurm_n1/uid_1000/job_1234567/step_0/task_0")
    assert scripts.run("python-distributed", **task()).env["WORLD_SIZE"] == "3"


@pytest.mark.parametrize(
    "place", ["/slurm_n1/uid_1000/job_5/step_0/task_0", "/system.slice/slurmstepd.scope/job_5/step_0/user/task_0"]
)
def test_a_task_whose_variables_are_hidden_is_refused(scripts: Runscripts, place: str) -> None:
    scripts.placed(place)
    done = scripts.run("python-distributed", "x.py")
    assert (done.status, done.output) == (2, "")
    assert "--cleanenv, --containall and the like hide it" in done.messages


def test_a_shell_that_ssh_has_put_into_a_job_is_one_process(scripts: Runscripts) -> None:
    scripts.placed("/slurm_n1/uid_1000/job_5/step_extern/task_0")
    assert scripts.run("python-distributed").env["WORLD_SIZE"] == "1"


def test_a_host_without_address_is_refused(scripts: Runscripts) -> None:
    done = scripts.run("python-distributed", "x.py", **task(MASTER_ADDR="nid009999"))
    assert (done.status, done.output) == (2, "")
    assert "the host of rank 0, nid009999, has no address in the container" in done.messages


@pytest.mark.parametrize("value", ["", "a[$(touch x)]", "1+1"])
def test_variables_of_slurm_that_are_no_numbers_are_refused(scripts: Runscripts, value: str) -> None:
    done = scripts.run("python-distributed", **task(SLURM_PROCID=value))
    assert done.status == 2
    assert f"SLURM_PROCID, which srun sets to a number, is '{value}'" in done.messages


# Processors.


def test_threads(scripts: Runscripts) -> None:
    threads = [
        scripts.run("python-distributed", **task(**cpus)).env["OMP_NUM_THREADS"]
        for cpus in ({}, {"SLURM_CPUS_PER_TASK": "1"}, {"SLURM_CPUS_PER_TASK": "999"})
    ]
    assert threads == [str(own_cpus()), "1", str(own_cpus())]


def test_output_is_not_buffered(scripts: Runscripts) -> None:
    assert scripts.run("python-distributed", **task()).env["PYTHONUNBUFFERED"] == "1"


# GPUs.


def test_all_gpus_stay_visible_and_local_rank_tells_the_own_one(scripts: Runscripts) -> None:
    done = scripts.run("python-distributed", **task(1, ROCR_VISIBLE_DEVICES="0,1"))
    assert (done.env["ROCR_VISIBLE_DEVICES"], done.env["LOCAL_RANK"]) == ("0,1", "1")
    assert "JAX_LOCAL_DEVICE_IDS" not in done.env
    assert "ROCR_VISIBLE_DEVICES" not in scripts.run("python-distributed", **task(1)).env


@pytest.mark.parametrize("variable", ["ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"])
def test_one_visible_gpu_for_each_of_several_tasks_is_told_by_rank_0(scripts: Runscripts, variable: str) -> None:
    done = scripts.run("python-distributed", **task(**{variable: "0"}))
    assert "each of the 2 tasks on a node sees only one GPU" in done.messages
    assert done.env["JAX_LOCAL_DEVICE_IDS"] == "0"
    assert scripts.run("python-distributed", **task(1, **{variable: "1"})).messages == ""


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        ({}, {"ROCR_VISIBLE_DEVICES": "1"}),
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, {"ROCR_VISIBLE_DEVICES": "3"}),
        ({"ROCR_VISIBLE_DEVICES": "5"}, {"ROCR_VISIBLE_DEVICES": "5"}),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "1"}),
    ],
)
def test_own_gpu_as_device_0(scripts: Runscripts, visible: dict[str, str], seen: dict[str, str]) -> None:
    by_option = scripts.run("python-distributed", "x.py", EBSIF_VISIBLE_GPUS="own", **task(1, **visible))
    by_old_name = scripts.run("conda-python-distributed", "x.py", **task(1, **visible))
    for done in (by_option, by_old_name):
        assert {name: value for name, value in done.env.items() if name.endswith("_VISIBLE_DEVICES")} == seen
        assert (done.env["LOCAL_RANK"], done.env["RANK"], done.env["JAX_LOCAL_DEVICE_IDS"]) == ("0", "1", "0")
        assert (done.arguments, done.messages) == (["x.py"], "")


def test_own_gpu_of_nvidia_where_nobody_has_said_anything(scripts: Runscripts) -> None:
    scripts.settings("gpu NV")
    assert scripts.run("conda-python-distributed", **task(1)).env["CUDA_VISIBLE_DEVICES"] == "1"


def test_unknown_words_are_refused(scripts: Runscripts) -> None:
    done = scripts.run("python-distributed", **task(EBSIF_VISIBLE_GPUS="one"))
    assert (done.status, "set it to all or own" in done.messages) == (2, True)
    done = scripts.run("python-distributed", **task(EBSIF_CPU_BIND="cores"))
    assert (done.status, "set it to gpu" in done.messages) == (2, True)
