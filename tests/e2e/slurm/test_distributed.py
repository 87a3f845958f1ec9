"""Jobs of many tasks on a real Slurm of two nodes, in the order of what a job goes through."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cluster import Account, cluster
from tests.support.site import Site
from tests.support.training import TELL, tasks
from workbench import Machine

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

RUN = "$SIFRUNTIMEPYTORCH run $SIF"
DISTRIBUTED = f"{RUN} conda-python-distributed"

# What a task knows of itself.
SAY = f"""{TELL}
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURMD_NODENAME", "MASTER_ADDR", "MASTER_PORT")
tell(*[os.environ[name] for name in names])
"""
# The Python of the layer, and what it has.
LAYER = f"""{TELL}
import sys, lightning_utilities
tell(os.environ["RANK"], sys.executable, lightning_utilities.__file__)
"""
# Whether it writes to a terminal, its layer, and the image around it.
WHERE = "import os, sys, lightning_utilities; print(os.isatty(1), sys.prefix, os.environ['APPTAINER_CONTAINER'])"
# Tells the signals that come, up to SIGTERM.
AWAIT = f"""{TELL}
import signal
awaited = {{signal.SIGUSR1, signal.SIGTERM}}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
tell(os.environ["SLURM_PROCID"], "job", os.environ["SLURM_JOB_ID"])
number = None
while number != signal.SIGTERM:
    number = signal.sigwait(awaited)
    tell(os.environ["SLURM_PROCID"], number.name)
"""
# Ends task 2 of those that wait for it in vain: by a status, or by a signal.
ENDING = """
import os, signal, sys
print(os.listdir(os.environ["MIOPEN_USER_DB_PATH"] + "/.."), flush=True)
how, who = sys.argv[1:]
if who not in ("all", os.environ["RANK"]):
    signal.pause()
if how.isdigit():
    os._exit(int(how))
os.kill(os.getpid(), getattr(signal, how))
"""


@pytest.fixture(scope="module", autouse=True)
def programs(place: Site) -> None:
    for name, text in {"say": SAY, "layer": LAYER, "await": AWAIT, "end": ENDING, "where": WHERE}.items():
        (place.folder / f"{name}.py").write_text(text)


# --- starting ---


def test_a_module_loaded_where_a_job_is_submitted_counts_on_its_nodes(anyone: Account) -> None:
    program = (
        "import socket; from importlib.util import find_spec; "
        "kinds = dict(line.split()[1:3] for line in open('/proc/mounts')); "
        "print(socket.gethostname(), find_spec('torchmetrics').origin, kinds['/user-software'])"
    )
    packages = "/user-software/venv/pytorch/lib/python3.11/site-packages"
    kind = "fuse.squashfuse_ll" if anyone.site.user else "squashfs"
    lines = anyone.output(f'srun -N2 -n2 python -c "{program}"').splitlines()
    assert sorted(lines) == [f"{node} {packages}/torchmetrics/__init__.py {kind}" for node in anyone.cluster.nodes]


@pytest.mark.parametrize(("export", "python"), [("ALL,", "python"), ("", "$1/bin/python")], ids=["all", "none"])
def test_what_sbatch_exports_reaches_python_with_the_module_and_without(
    user: Account, export: str, python: str
) -> None:
    program = "import os; print(os.environ['DATA'], os.environ.get('EBROOTPYTORCH') is not None)"
    (user.folder / "export.sh").write_text(f'#!/bin/bash\nsrun {python} -c "{program}"\n')
    job = user.submit("export.sh $CONTAINERROOT", f"-N2 --export={export}DATA='two  words'")
    assert (job.status, job.output) == ((0, 0), "two  words True\n" * 2)


def test_one_task_and_four_on_two_nodes_train_to_the_same_loss(user: Account) -> None:
    (alone,) = tasks(user.output(f"srun -n1 {RUN} python-distributed train.py"))
    assert (alone.rank, alone.size, alone.total) == ("0", "1", "1")
    first, second = user.cluster.nodes
    for four in (
        "-n4 python-distributed train.py",
        "-n2 torchrun-distributed --nproc-per-node=2 train.py",
    ):
        found = tasks(user.output(f"srun -N2 {four}"))
        assert [task.host for task in found] == [first, first, second, second]
        assert {(task.size, task.master, task.total) for task in found} == {("4", first, "15")}
        assert {task.loss for task in found} == {alone.loss}


@pytest.mark.parametrize("command", ["python-distributed", f"{RUN} python-distributed"])
def test_tasks_know_their_place_where_nodes_have_different_numbers_of_them(user: Account, command: str) -> None:
    lines = user.output(f"srun -N2 -n3 {command} say.py").splitlines()
    first, second = user.cluster.nodes
    assert [line.split()[:6] for line in sorted(lines)] == [
        ["0", "3", "0", "2", first, first],
        ["1", "3", "1", "2", first, first],
        ["2", "3", "0", "1", second, first],
    ]


@pytest.mark.parametrize(
    ("step", "places"),
    [
        ("-N2 -n3 -m cyclic python-distributed say.py", [(0, 2, 0), (0, 1, 1), (1, 2, 0)]),
        ("-N1 -n1 python-distributed say.py : -N1 -n2 python-distributed say.py", [(0, 1, 0), (0, 2, 1), (1, 2, 1)]),
    ],
    ids=["cyclic", "heterogeneous"],
)
def test_tasks_know_their_place_however_slurm_has_put_them(
    user: Account, step: str, places: list[tuple[int, int, int]]
) -> None:
    lines = user.output(f"srun {step}").splitlines()
    nodes = user.cluster.nodes
    assert [line.split()[:6] for line in sorted(lines)] == [
        [str(rank), "3", str(local), str(tasks), nodes[node], nodes[0]]
        for rank, (local, tasks, node) in enumerate(places)
    ]


@pytest.mark.parametrize(
    ("script", "terminal", "image"),
    [
        ("script -qec 'srun --pty python where.py' /dev/null < /dev/null | tr -d '\\r'", True, "$SIF"),
        ('srun --bcast=/tmp/copy "$(type -P python)" where.py', False, "$SIF"),
        (
            "salloc -Q -n1 bash -c 'sbcast $SIF /tmp/own.sif; SIFPYTORCH=/tmp/own.sif srun python where.py'",
            False,
            "/tmp/own.sif",
        ),
    ],
    ids=["terminal", "command copied to the node", "image copied to the node"],
)
def test_python_has_its_layer_wherever_command_and_image_are(
    user: Account, script: str, terminal: bool, image: str
) -> None:
    said, expected = user.output(f'{script}; echo "{image}"').splitlines()[-2:]
    # A terminal shows that nobody types, too.
    assert said.endswith(f"{terminal} /user-software/venv/pytorch {expected}")


def test_the_processes_of_torchrun_see_the_layer(user: Account) -> None:
    lines = user.output("srun -N2 --ntasks-per-node=1 --gpus-per-node=2 torchrun-distributed layer.py").splitlines()
    layer = "/user-software/venv/pytorch"
    seen = f"{layer}/bin/python {layer}/lib/python3.11/site-packages/lightning_utilities/__init__.py"
    assert sorted(lines) == [f"{rank} {seen}" for rank in range(4)]
    assert user.output("torchrun --nproc-per-node=1 layer.py") == f"0 {seen}\n"


def test_a_fact_that_was_exported_is_set_anew_and_said_once(user: Account) -> None:
    done = user.run("RANK=0 srun -N2 -n4 python-distributed say.py")
    assert [line.split()[0] for line in sorted(done.stdout.splitlines())] == ["0", "1", "2", "3"]
    assert [line for line in done.stderr.splitlines() if "RANK=0" in line] == [
        "python-distributed: this was exported, is not so in this step, and is set anew for each task: RANK=0"
    ]


# --- refusals ---


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("srun -N2 -n4 torchrun-distributed say.py", "start it with srun --ntasks-per-node=1"),
        ("srun -N2 -n2 $SIFRUNTIMEPYTORCH run --cleanenv $SIF python-distributed say.py", "--cleanenv"),
        ("MASTER_ADDR=nid009999 srun -N2 -n2 python-distributed say.py", "nid009999, has no address"),
    ],
)
def test_what_would_hang_or_train_apart_is_refused(user: Account, command: str, said: str) -> None:
    done = user.run(command)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_batch_script_without_srun_is_told_so(user: Account) -> None:
    output = user.batch("python-distributed say.py; echo $?", "-N2 --ntasks-per-node=2")
    assert output == "python-distributed: this is none of the 4 tasks of the job: start it with srun\n2\n"


# --- meeting ---


def test_two_steps_and_two_jobs_at_once_have_ports_of_their_own(user: Account) -> None:
    steps = "for step in 1 2; do srun --exact -N2 -n2 -c1 python-distributed train.py & done; wait"
    found = tasks(user.output(f"salloc -N2 -n4 bash -c {quote(steps)} & salloc -N2 -n4 bash -c {quote(steps)} & wait"))
    assert [(task.size, task.total) for task in found] == [("2", "3")] * 8
    assert len({task.port for task in found}) == 4


def test_the_master_is_where_a_host_file_puts_the_first_task(user: Account) -> None:
    first, second = user.cluster.nodes
    (user.folder / "hosts").write_text(f"{second}\n{first}\n{first}\n{second}\n")
    found = tasks(user.output("SLURM_HOSTFILE=hosts srun -n4 -m arbitrary python-distributed train.py"))
    assert [(task.host, task.master, task.total) for task in found] == [
        (host, second, "15") for host in (second, first, first, second)
    ]


def test_a_step_that_is_not_on_the_first_node_of_the_job_has_its_master_where_it_is(user: Account) -> None:
    second = user.cluster.nodes[1]
    found = tasks(user.output(f"salloc -N2 -n4 srun -N1 -n2 -w {second} {DISTRIBUTED} train.py"))
    assert [(task.host, task.master, task.total) for task in found] == [(second, second, "3")] * 2


@st.composite
def ranges(draw: st.DrawFn) -> str:
    """Draw brackets with numbers and ranges of one width."""
    width = draw(st.integers(1, 5))
    found = []
    for low in draw(st.lists(st.integers(0, 10**width - 4), min_size=1, max_size=3)):
        high = low + draw(st.integers(0, 3))
        found.append(f"{low:0{width}}" + (f"-{high:0{width}}" if high > low else ""))
    return f"[{','.join(found)}]"


# Slurm refuses text after the last brackets.
HOST = st.builds(
    lambda number, dimensions: number + "".join(word + brackets for word, brackets in dimensions),
    st.just("") | st.from_regex("gpu[0-9]{1,4}", fullmatch=True),
    st.lists(st.tuples(st.sampled_from(["n", "nid", "x-", "gpu-a", "c0s"]), ranges()), max_size=3),
).filter(bool)


@pytest.fixture(scope="module")
def first_hosts(user: Account) -> Iterator[Callable[[str], list[str]]]:
    """Ask Slurm and get-master for the first host of a list."""
    script = """
        while read -r list; do
            echo "$(scontrol show hostnames "$list" | head -n 1) $("$RUNSCRIPTS/get-master" "$list")"
        done
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(**user.arguments(script, **pipes)) as process:
        assert process.stdin
        assert process.stdout
        to, answers = process.stdin, process.stdout

        def ask(hosts: str) -> list[str]:
            to.write(f"{hosts}\n")
            to.flush()
            return str(answers.readline()).split()

        yield ask


@given(hosts=st.lists(HOST, min_size=1, max_size=4))
@settings(max_examples=1000)
def test_the_first_host_of_any_list_is_the_one_that_slurm_says(
    first_hosts: Callable[[str], list[str]], hosts: list[str]
) -> None:
    of_slurm, of_ours = first_hosts(",".join(hosts))
    assert of_ours == of_slurm


# --- signals ---


@pytest.mark.parametrize("python", ["python", DISTRIBUTED, "python-distributed"])
def test_a_signal_reaches_python_in_each_task_once(anyone: Account, python: str) -> None:
    script = anyone.arguments(f"exec srun -N2 -n4 {python} await.py", stdout=subprocess.PIPE)
    with subprocess.Popen(**script) as process:
        assert process.stdout
        output = process.stdout

        def said() -> list[str]:
            return sorted(output.readline().rstrip("\n") for _ in range(4))

        ready = said()
        job = ready[0].split()[-1]
        assert ready == [f"{rank} job {job}" for rank in range(4)]
        for name in ("SIGUSR1", "SIGTERM"):
            anyone.site.machine.run(["scancel", f"--signal={name[3:]}", f"{job}.0"], check=True)
            assert said() == [f"{rank} {name}" for rank in range(4)]
        assert output.read() == ""


def test_a_job_that_is_cancelled_saves_what_it_has(user: Account) -> None:
    script = user.arguments("exec srun -N2 -n4 python-distributed await.py", stdout=subprocess.PIPE)
    with subprocess.Popen(**script) as process:
        assert process.stdout
        (job,) = {process.stdout.readline().split()[-1] for _ in range(4)}
        user.site.machine.run(["scancel", job], check=True)
        assert sorted(process.stdout.read().splitlines()) == [f"{rank} SIGTERM" for rank in range(4)]
    assert process.returncode == 0


def test_at_the_limit_of_time_a_job_is_warned_and_ended(user: Account) -> None:
    # Slurm looks at the limit, of minutes, twice a minute.
    done = user.run("srun --time=1 --signal=USR1@30 -N2 -n4 python-distributed await.py", timeout=200)
    said = [line.split() for line in done.stdout.splitlines() if re.match(r"\d SIG", line)]
    assert sorted(said) == [[str(rank), name] for rank in range(4) for name in ("SIGTERM", "SIGUSR1")]
    assert said[0][1] == "SIGUSR1"


def test_a_task_that_dies_ends_the_others(user: Account) -> None:
    done = user.run("srun --kill-on-bad-exit=1 -N2 -n4 python-distributed end.py 3 2")
    assert done.returncode != 0
    assert "task 2: Exited with exit code 3" in done.stderr


# --- processors ---

AFFINITY = "import os; print(os.environ['SLURM_LOCALID'], sorted(os.sched_getaffinity(0)))"


def test_tasks_run_near_their_gpus(user: Account) -> None:
    step = f'srun --cpu-bind="$(gpu-bind)" python -c "{AFFINITY}"'
    lines = user.batch(step, "-N1 -n2 --gpus-per-node=2").splitlines()
    assert sorted(lines) == ["0 [1]", "1 [0]"]


def test_beside_another_job_a_task_runs_near_the_gpu_that_it_really_has(user: Account) -> None:
    job = f"-N1 -w {user.cluster.nodes[0]} --gpus-per-node=1"
    script = f"""
        salloc --no-shell --job-name=other {job} 2> /dev/null
        EBSIF_CPU_BIND=gpu srun {job} -n1 -c2 python-distributed -c "{AFFINITY}; print(os.environ['SLURM_STEP_GPUS'])"
        scancel --name=other
    """
    assert user.output(script) == "0 [0]\n1\n"


# --- what is left ---


@pytest.mark.parametrize("end", ["0 all", "3 all", "SIGSEGV all", "SIGKILL all", "3 2"])
def test_caches_are_there_while_tasks_run_and_go_with_the_last(user: Account, end: str) -> None:
    done = user.run(f"srun -K -N2 -n4 python-distributed end.py {end}")
    # Those that end first end the others, before these may have looked.
    assert "'miopen'" in done.stdout, done.stderr
    assert user.cluster.caches() == []


def test_the_steps_of_a_job_share_a_cache_and_jobs_do_not(user: Account) -> None:
    step = "srun -N2 -n4 start-shell -c \"stat -c '%n %a %U' \\$DEMO_CACHE\""
    jobs = []
    for _ in range(2):
        first, *others = user.output(f"salloc -N2 -n4 bash -c {quote(f'{step}; {step}')}").splitlines()
        assert others == [first] * 7
        jobs.append(first)
    folders = [Path(job.split()[0]) for job in jobs]
    assert jobs == [f"{folder} 700 {user.site.user}" for folder in folders]
    assert folders[0] != folders[1]
    there = [user.cluster.tmp(node) / folder.name for node in user.cluster.nodes for folder in folders]
    assert all(folder.is_dir() for folder in there)
    assert not any(folder.exists() for folder in folders)


def test_two_clusters_run_at_once_and_nothing_of_one_is_left(user: Account, machine: Machine) -> None:
    with cluster(machine, name="other") as other:
        done = other.machine.run(["srun", "-N2", "hostname"], user=machine.user)
        assert sorted(done.stdout.split()) == sorted(other.nodes), done.stderr
        other.machine.run(["bash", "-c", "setsid -f srun -N2 sleep 1000 > /dev/null 2>&1"], check=True)
        processes = other.processes()
        assert len(processes) > 7
    assert not other.folder.exists()
    assert [number for number in processes if Path(f"/proc/{number}").exists()] == []
    assert [path for node in other.nodes for path in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}")] == []
    assert user.cluster.machine.run(["srun", "-N2", "hostname"]).returncode == 0
