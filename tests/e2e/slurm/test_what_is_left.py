"""What jobs on a real Slurm leave on its nodes: caches for who wants them, and else nothing."""

import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.cluster import Account
from tests.support.site import Site
from tests.support.training import TELL

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

# Puts something among the caches, and waits for the end.
WAIT = f"""{TELL}
import signal
cache = os.environ["MIOPEN_USER_DB_PATH"]
open(cache + "/" + os.environ["RANK"], "w").close()
tell(os.environ["SLURM_JOB_ID"])
signal.pause()
"""
# Tells what earlier steps have put among the caches, and adds to it.
ADD = f"""{TELL}
cache, step = os.environ["MIOPEN_USER_DB_PATH"], os.environ["SLURM_STEP_ID"]
tell(step, *sorted({{*os.listdir(cache)}} - {{step}}))
open(cache + "/" + step, "w").close()
"""
# Ends by a signal, or by itself.
END = "import os, sys; os.kill(os.getpid(), int(sys.argv[1]))"


@pytest.fixture(scope="module", autouse=True)
def programs(place: Site) -> None:
    for name, text in {"wait": WAIT, "add": ADD, "end": END}.items():
        (place.folder / f"{name}.py").write_text(text)


@pytest.mark.parametrize("how", ["{}.0", "{}", "--signal=KILL {}"], ids=["step", "job", "killed"])
def test_what_is_cancelled_leaves_no_caches(anyone: Account, how: str) -> None:
    script = anyone.arguments("exec srun -N2 -n4 python-distributed wait.py", stdout=subprocess.PIPE)
    with subprocess.Popen(**script) as process:
        assert process.stdout
        (job,) = {process.stdout.readline().rstrip() for _ in range(4)}
        assert len(anyone.cluster.caches()) == 2
        anyone.site.machine.run(["scancel", *how.format(job).split()], check=True)
    assert process.returncode != 0
    assert anyone.cluster.caches() == []


def test_the_caches_of_a_batch_job_wait_for_its_next_step_and_go_at_the_next_start(user: Account) -> None:
    output = user.batch("srun -n2 python-distributed add.py; srun -n2 python-distributed add.py", "-N2")
    assert sorted(output.splitlines()) == ["0", "0", "1 0", "1 0"]
    assert len(user.cluster.caches()) == 2
    user.output("srun -N2 -n2 python-distributed -c pass")
    assert user.cluster.caches() == []


def state(account: Account) -> set[str]:
    """Return the mounts and control groups of jobs on the nodes, and the loop devices of the module."""
    cluster = account.cluster
    found = {str(path) for node in cluster.nodes for path in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}/uid_*")}
    for process in cluster.processes():
        # A process that has ended since has no mounts: those of its node are with the node's other processes.
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set(Path(f"/proc/{process}/mounts").read_text().splitlines())
    loops = account.cluster.machine.run(["losetup", "--noheadings", "--output=NAME,BACK-FILE"], check=True)
    return found | {line for line in loops.stdout.splitlines() if str(account.folder) in line}


def test_jobs_of_all_kinds_leave_nothing_on_the_nodes(anyone: Account) -> None:
    before, processes = state(anyone), anyone.cluster.processes()
    jobs = (
        "srun -N2 -n4 python-distributed end.py 0",
        "srun -N2 -n2 torchrun-distributed --nproc-per-node=2 end.py 9",
        "srun -N2 -n2 $SIFRUNTIMEPYTORCH exec $SIF python end.py 15",
        "salloc -N2 -n4 srun -K -n4 python end.py 9",
        "script -qec 'srun --pty python end.py 0' /dev/null",
    )
    anyone.run(" & ".join((*jobs, "wait")))
    anyone.batch("python end.py 0\nsrun -n2 python-distributed end.py 11\npython-distributed end.py 9", "-N1")
    gone(anyone.cluster.processes() - processes)
    assert anyone.cluster.processes() - processes == set()
    assert state(anyone) - before == set()


def gone(processes: set[int]) -> None:
    """Wait until processes have ended, such as those of Slurm that have looked after a job."""
    for process in processes:
        try:
            handle = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([handle], [], [], 20)
        os.close(handle)
        assert ended, Path(f"/proc/{process}/cmdline").read_bytes()
