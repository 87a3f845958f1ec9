"""Jobs of many tasks on a real Slurm of two nodes, in the order of what a job goes through."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cluster import Cluster, children, cluster
from tests.support.demo import VERSIONS, add_wheels, demo_easyconfig
from tests.support.site import Site
from workbench import Machine, easybuild

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

BASE = "venv-torch"
MODULE = f"PyTorch/{VERSIONS[BASE]}"
DISTRIBUTED = "$SIFRUNTIMEPYTORCH run $SIF conda-python-distributed"
# What is added to the demo's recipe, as a site may say it.
CACHE = """
start_env:
  DEMO_CACHE: /tmp/${USER}-cache-${SLURM_JOB_ID:-none}
start_folders: [DEMO_CACHE]
"""
# Minutes after which Slurm ends what hangs.
LIMIT = {f"{command}_TIMELIMIT": "2" for command in ("SLURM", "SALLOC", "SBATCH")}
# At its end, gloo may abort a process on a busy machine, whoever has started it.
END = "sys.stdout.flush(); os._exit(0)\n"

# One training, whose batches the tasks share: the number of tasks changes nothing but rounding.
TRAIN = f"""
import os, socket, sys
import torch, torch.distributed
from torch.nn import Linear, Sequential, Tanh
from torch.nn.functional import mse_loss

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.distributed.init_process_group("gloo")
rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
total = torch.tensor(2.0**rank)
torch.distributed.all_reduce(total)

torch.manual_seed(7)
x = torch.randn(48, 4)
y = x.prod(1, keepdim=True)
model = Sequential(Linear(4, 16), Tanh(), Linear(16, 1))
parallel = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
mine = slice(rank * 48 // size, (rank + 1) * 48 // size)
for _ in range(20):
    optimizer.zero_grad()
    mse_loss(parallel(x[mine]), y[mine]).backward()
    optimizer.step()
loss = mse_loss(model(x), y).item()
host, master, port = socket.gethostname(), os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
print(f"task {{rank}}/{{size}} on {{host}} master {{master}} {{port}} sum {{total:.0f}} loss {{loss:.6f}}")
{END}"""
TASK = re.compile(r"^task (\d+)/(\d+) on (\S+) master (\S+) (\d+) sum (\d+) loss (\S+)$", re.MULTILINE)


class Task(NamedTuple):
    """What a task of the training prints."""

    rank: str
    size: str
    host: str
    master: str
    port: str
    total: str
    loss: str


def tasks(output: str) -> list[Task]:
    """Return what the tasks of a training have printed, by rank."""
    found = sorted(Task(*words) for words in TASK.findall(output))
    assert found, output
    return found


@dataclass(frozen=True)
class Account:
    """A user of the cluster, in a login shell with the module loaded and in the folder of the programs."""

    cluster: Cluster
    site: Site

    def run(self, script: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(**self.arguments(script, timeout=100, **options))

    def output(self, script: str, **options: Any) -> str:
        """Return what a script that must succeed prints."""
        done = self.run(script, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def arguments(self, script: str, **options: Any) -> dict[str, Any]:
        options["env"] = LIMIT | (options.get("env") or {})
        return self.site.login_arguments(f"module load {MODULE} && cd {self.folder} || exit 99\n{script}", **options)

    @property
    def folder(self) -> Path:
        return self.site.folder


@pytest.fixture(scope="module")
def version() -> str:
    """One version of EasyBuild is enough here."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], machine: Machine) -> Site:
    place = make_site(user=machine.user)
    add_wheels(place)
    done = place.eb(demo_easyconfig(place, BASE, CACHE))
    assert done.returncode == 0, done.stdout
    (place.folder / "train.py").write_text(TRAIN)
    return place


@pytest.fixture(scope="module")
def user(place: Site, machine: Machine) -> Iterator[Account]:
    """The unprivileged user, whose layer is mounted by FUSE."""
    with cluster(machine, place.folder.parent) as running:
        yield Account(running, replace(place, machine=running.machine))


@pytest.fixture(params=["user", "root"])
def anyone(request: pytest.FixtureRequest, user: Account) -> Account:
    """The unprivileged user, and root, whose layer the kernel mounts."""
    return user if request.param == "user" else replace(user, site=user.site.using(user=None))


# --- starting ---


def test_one_task_and_four_on_two_nodes_train_to_the_same_loss(user: Account) -> None:
    (alone,) = tasks(user.output(f"srun -n1 {DISTRIBUTED} train.py"))
    assert (alone.rank, alone.size, alone.total) == ("0", "1", "1")
    four = tasks(user.output(f"srun -N2 -n4 {DISTRIBUTED} train.py"))
    first, second = user.cluster.nodes
    assert [task.host for task in four] == [first, first, second, second]
    assert {(task.size, task.master, task.total) for task in four} == {("4", first, "15")}
    assert {task.loss for task in four} == {alone.loss}


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
    script = f'#!/bin/bash\nsrun {python} -c "{program}"\n'
    (user.folder / "export.sh").write_text(script)
    user.output(f"sbatch --wait -N2 -o export.out --export={export}DATA='two  words' export.sh $CONTAINERROOT")
    assert (user.folder / "export.out").read_text() == "two  words True\n" * 2


# --- meeting ---


def test_a_step_that_is_not_on_the_first_node_of_the_job_has_its_master_where_it_is(user: Account) -> None:
    second = user.cluster.nodes[1]
    found = tasks(user.output(f"salloc -N2 -n4 srun -N1 -n2 -w {second} {DISTRIBUTED} train.py"))
    assert [(task.host, task.master, task.total) for task in found] == [(second, second, "3")] * 2


def test_two_steps_of_a_job_at_once_have_two_ports(user: Account) -> None:
    step = f"srun --exact -N2 -n2 -c1 {DISTRIBUTED} train.py"
    found = tasks(user.output(f"salloc -N2 -n4 bash -c '{step} & {step} & wait'"))
    assert [(task.rank, task.total) for task in found] == [("0", "3")] * 2 + [("1", "3")] * 2
    assert len({task.port for task in found}) == 2


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

AWAIT = """
import os, signal
awaited = {signal.SIGUSR1, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
print(os.environ["SLURM_PROCID"], "job", os.environ["SLURM_JOB_ID"], flush=True)
number = None
while number != signal.SIGTERM:
    number = signal.sigwait(awaited)
    print(os.environ["SLURM_PROCID"], number.name, flush=True)
"""


@pytest.mark.parametrize("python", ["python", DISTRIBUTED], ids=["wrapper", "runscript"])
def test_a_signal_reaches_python_in_each_task_once(anyone: Account, python: str) -> None:
    (anyone.folder / "await.py").write_text(AWAIT)
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


# --- what is left ---


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
    def all_below(process: int) -> list[int]:
        return [process, *(number for child in children(process) for number in all_below(child))]

    with cluster(machine, name="other") as other:
        done = other.machine.run(["srun", "-N2", "hostname"], user=machine.user)
        assert sorted(done.stdout.split()) == sorted(other.nodes), done.stderr
        other.machine.run(["bash", "-c", "setsid -f srun -N2 sleep 1000 > /dev/null 2>&1"], check=True)
        processes = all_below(other.machine.process)
        assert len(processes) > 7
    assert not other.folder.exists()
    assert [number for number in processes if Path(f"/proc/{number}").exists()] == []
    assert [path for node in other.nodes for path in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}")] == []
    assert user.cluster.machine.run(["srun", "-N2", "hostname"]).returncode == 0
