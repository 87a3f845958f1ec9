"""The scripts that `ebsif jobscript` writes, as jobs on a real Slurm of two nodes."""

import ast
import subprocess
from collections.abc import Callable
from pathlib import Path
from shlex import join

import pytest

from tests.support.cluster import AFTER, Account
from tests.support.site import Site
from tests.support.training import TELL, tasks

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

# Nodes of two processors and two GPUs each.
HERE = """\
name: here
description: the cluster of the tests
distributed: {ports: 10000-19999}
cpu_masks: ["0x2", "0x1"]
jobscript: {gpus_per_node: 2, cpus_per_node: 2, cpus_per_gpu: 1, gpu_bind: masks, partitions: {debug: {}}}
"""
# What a task got: its arguments, its processors, and whether it has a cache.
GOT = f"""{TELL}
import sys
cache = os.path.isdir(os.environ["MIOPEN_USER_DB_PATH"])
tell(ascii((int(os.environ["RANK"]), sorted(os.sched_getaffinity(0)), cache, sys.argv[1:])))
"""
# Saves at the signal, and goes on to its end.
SAVE = f"""{TELL}
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
tell("runs in", os.environ["SLURM_JOB_ID"])
signal.sigwait([signal.SIGUSR1])
tell("saved")
"""
# Task 2 dies while the others wait.
DIE = 'import os, signal\nos._exit(3) if os.environ["RANK"] == "2" else signal.pause()\n'
# Tells which of the independent jobs this is.
NUMBER = f'{TELL}tell(os.environ["SLURM_ARRAY_TASK_ID"], os.environ["RANK"], os.environ["WORLD_SIZE"])\n'
# Not bytes that are no UTF-8: Apptainer itself puts U+FFFD in their place.
HOSTILE = [
    "",
    "it's",
    'say "hi"',
    "$(id)",
    "`id`",
    "$HOME",
    "two\nlines",
    "#SBATCH --nodes=9",
    "\\",
    "*",
    "\u201cü\u201d",
]

# The time of the scripts, before which the signal comes; the variables of the tests give less.
LONG = "--time=20"

Write = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def programs(place: Site) -> None:
    for name, text in {"got.py": GOT, "save.py": SAVE, "die.py": DIE, "number.py": NUMBER, "here.yml": HERE}.items():
        (place.folder / name).write_text(text)


@pytest.fixture
def write(user: Account, tmp_path: Path) -> Write:
    """Write a script for the module, of which shellcheck has nothing to say; return its name."""

    def write_script(*program: str, options: str = "--nodes 2") -> str:
        name = f"{tmp_path.name}.sh"
        asked = f"$LOADEDMODULES --site here.yml --partition debug {LONG} {options} -o {name}"
        user.output(f"ebsif jobscript {asked} -- python {join(program)}")
        checked = subprocess.run(["shellcheck", user.folder / name], capture_output=True, text=True, check=False)
        assert (checked.stdout, checked.returncode) == ("", 0)
        return name

    return write_script


@pytest.mark.parametrize("style", ["", "--torchrun"])
def test_a_script_trains_on_all_gpus_of_two_nodes(user: Account, write: Write, style: str) -> None:
    job = user.submit(write("train.py", options=f"--nodes 2 {style}"), LONG)
    lines = "".join(line.partition(": ")[2] for line in job.output.splitlines(keepends=True))
    first, second = user.cluster.nodes
    found = tasks(lines)
    assert [(task.host, task.size, task.total) for task in found] == [
        (host, "4", "15") for host in (first, first, second, second)
    ]
    assert job.status == (0, 0)


def test_each_task_is_near_its_gpu_and_gets_arguments_of_any_content(user: Account, write: Write) -> None:
    job = user.submit(write("got.py", *HOSTILE), LONG)
    labels, found = zip(*[line.split(": ", 1) for line in sorted(job.output.splitlines())], strict=True)
    assert labels == ("0", "1", "2", "3"), job.output
    assert [ast.literal_eval(words) for words in found] == [(rank, [1 - rank % 2], True, HOSTILE) for rank in range(4)]
    assert job.status == (0, 0)
    assert user.cluster.caches() == []


def test_a_task_that_dies_ends_the_job_and_is_named(user: Account, write: Write) -> None:
    done = user.run(f"sbatch --wait {LONG} -o died.out {write('die.py')}")
    assert done.returncode != 0
    assert "task 2: Exited with exit code 3" in (user.folder / "died.out").read_text()
    assert user.cluster.caches() == []


def test_each_number_of_an_array_is_a_job_of_its_own(user: Account, write: Write) -> None:
    script = write("number.py", options="--nodes 1 --array 0-1")
    name, job = user.output(
        f"job=$(sbatch --parsable {LONG} {script}) && {AFTER} --dependency=afterok:$job true && echo {script} $job"
    ).split()
    for number in range(2):
        lines = (user.folder / f"{name}-{job}_{number}.out").read_text().splitlines()
        assert sorted(lines) == [f"{rank}: {number} {rank} 2" for rank in range(2)]


def test_at_the_signal_before_the_end_each_task_saves(user: Account, write: Write) -> None:
    script = write("save.py")
    assert "#SBATCH --signal=USR1@300\n" in (user.folder / script).read_text()
    user.output(f"mkfifo said && sbatch {LONG} -o said {script}")
    with (user.folder / "said").open() as said:
        ready = sorted(said.readline() for _ in range(4))
        job = ready[0].split()[-1]
        assert ready == [f"{rank}: runs in {job}\n" for rank in range(4)]
        user.site.machine.run(["scancel", "--signal=USR1", job], check=True)
        assert sorted(said) == [f"{rank}: saved\n" for rank in range(4)]
    assert user.output(f"{AFTER} --dependency=afterok:{job} true") == ""
