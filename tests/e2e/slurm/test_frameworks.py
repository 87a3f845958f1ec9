"""The programs of *Many GPUs* in the documentation, started as it says, on two nodes in place of more."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.cluster import Account
from tests.support.site import Site
from tests.support.training import END
from workbench import store, wheels

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

DOCS = Path(__file__).parents[3] / "docs"
# Runs a program as it is, and ends without what gloo does at the end.
WHOLE = f"""import os, runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
{END}"""


def documented(start: str, program: str) -> str:
    """Return the last command in the documentation that starts a program so, for two nodes of two processors."""
    page = (DOCS / "many-gpus.rst").read_text()
    *_, found = re.findall(rf"^ +(srun .*{start}-distributed .*{program})$", page, re.MULTILINE)
    found = re.sub("per-node=8", "per-node=2", found).replace("--nodes=4", "--nodes=2")
    return str(found.replace(program, f"whole.py {program}"))


@pytest.fixture(scope="module", autouse=True)
def programs(place: Site) -> None:
    (place.folder / "whole.py").write_text(WHOLE)
    for path in (DOCS / "examples").glob("*.py"):
        (place.folder / path.name).write_text(path.read_text())


@pytest.fixture(scope="module")
def jax(place: Site) -> str:
    """What makes Python find JAX, which no layer has: packing it would take longer than all that is done with it."""
    folder = place.folder / "jax"
    for path in wheels.find(store.cache_root(), "jax").iterdir():
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder)
    return f"PYTHONPATH={folder}"


# --- torch, Lightning, accelerate ---


def test_a_program_for_torch_trains_on_all_processes_of_torchrun(user: Account) -> None:
    assert user.output(documented("torchrun", "train_ddp.py")) == "4 processes, loss 0.0000\n"


# In a shell of salloc, which Slurm calls so, Lightning does not ask Slurm, but reads what others read.
@pytest.mark.parametrize("job", ["batch", "interactive"])
def test_lightning_trains_one_model_on_all_tasks(user: Account, job: str) -> None:
    said = user.output(f"SLURM_JOB_NAME={job} {documented('python', 'train_lightning.py')}")
    assert "4 processes, all with the same weights: True" in said.splitlines()


def test_accelerate_sees_all_tasks(user: Account) -> None:
    assert user.output(documented("python", "train_accelerate.py")) == "4 processes: [0, 1, 2, 3]\n"


def test_accelerate_started_by_python_trains_in_each_task_apart(user: Account) -> None:
    said = user.output("srun -N1 -n2 --label python whole.py train_accelerate.py")
    assert sorted(said.splitlines()) == ["0: 1 processes: [0]", "1: 1 processes: [0]"]


# --- JAX ---


def test_jax_sees_all_tasks_also_where_each_has_only_its_own_gpu(user: Account, jax: str) -> None:
    said = user.output(f"{jax} EBSIF_VISIBLE_GPUS=own {documented('python', 'train_jax.py')}")
    assert "4 processes, 4 devices, sum 6" in said.splitlines()


def test_jax_need_not_read_a_list_of_hosts_that_it_reads_wrongly(user: Account, jax: str) -> None:
    first, _ = user.cluster.nodes
    hosts = f"SLURM_STEP_NODELIST={first[:-1]}[{first[-1]}]"
    program = "from jax._src.clusters import SlurmCluster as slurm; print(slurm.get_coordinator_address(9, '1'))"
    assert user.output(f'{jax} {hosts} python -c "{program}"') == f"{first[:-1]}{first[-1]}]:1\n"
    said = user.output(f"{jax} srun -N1 -n2 -w {first} env '{hosts}' python-distributed train_jax.py")
    assert "2 processes, 2 devices, sum 1" in said.splitlines()


def test_jax_is_started_for_itself_only_by_leaving_its_call_out(user: Account, jax: str) -> None:
    assert user.output(f"{jax} python-distributed train_jax.py") == "1 processes, 1 devices, sum 0\n"
    done = user.run(f"{jax} python-distributed -c 'import jax; jax.distributed.initialize()'")
    assert "Number of processes must be defined" in done.stderr


# --- signals and output ---


def test_a_program_tells_where_it_is_saves_at_a_signal_and_goes_on_from_there(user: Account) -> None:
    step = "srun -K -N2 -n2 --job-name=saving python-distributed whole.py train_checkpoint.py"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(**user.arguments(f"exec {step} 1000000", **pipes)) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "step 0\n"
        scancel = ["scancel", "--name=saving"]
        user.site.machine.run([*scancel, "--signal=USR2"], check=True)
        for _ in user.cluster.nodes:
            assert any(re.search(r'train_checkpoint.py", line \d+', line) for line in process.stderr)
        user.site.machine.run([*scancel, "--signal=USR1"], check=True)
        (last,) = re.findall(r"stopped after step (\d+)", process.stdout.read())
    assert process.returncode == 0
    assert user.output(f"{step} {int(last) + 5}") == f"step {last}\ndone\n"


def test_the_output_of_each_task_is_labelled_or_has_a_file(user: Account) -> None:
    program = "import os; print(os.environ['RANK'])"
    said = user.output(f'srun -N2 -n4 --label python-distributed -c "{program}"')
    assert sorted(said.splitlines()) == [f"{rank}: {rank}" for rank in range(4)]
    user.output(f'srun -N2 -n4 --output=task-%t.out python-distributed -c "{program}"')
    assert [(user.folder / f"task-{rank}.out").read_text() for rank in range(4)] == [f"{rank}\n" for rank in range(4)]
