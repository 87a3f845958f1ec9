"""What the Python of a layer says when mpi4py finds a task alone in a step of several."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "_ebsif_layer.py"
# As mpi4py does, with a finder of its own for a file whose name says which MPI it is for.
PACKAGE = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "mpi4py.MPI":
            return importlib.util.spec_from_file_location(name, path[0] + "/MPI.mpich.py")
sys.meta_path.append(Finder)
"""
MODULE = """
import os
class COMM_WORLD:
    @staticmethod
    def Get_size():
        assert Is_initialized()
        return int(os.environ["SIZE"])
def Is_initialized():
    return os.environ.get("INITIALIZED") != "no"
"""
STEP = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SIZE": "1"}
SAID = (
    "mpi4py: this step has 4 tasks, and each is alone, rank 0 of 1: start it with `srun --mpi=pmi2` (`srun --mpi=list` "
    "tells what there is), and a module that has the MPI of the host (`features`)\n"
)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages with the hook, and what passes for mpi4py."""
    shutil.copy(HOOK, tmp_path)
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text(PACKAGE)
    (tmp_path / "mpi4py" / "MPI.mpich.py").write_text(MODULE)
    return tmp_path


def said(packages: Path, program: str = "from mpi4py import MPI; print(MPI.COMM_WORLD.Get_size())", **env: str) -> str:
    """Return what a program says beside its output."""
    done = subprocess.run(
        [sys.executable, "-c", f"import _ebsif_layer; {program}"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_a_task_that_is_alone_in_a_step_of_several_says_so(packages: Path) -> None:
    assert said(packages, **STEP) == SAID


@pytest.mark.parametrize(
    "change",
    [
        {"SIZE": "4"},
        {"SLURM_PROCID": "1"},
        {"SLURM_STEP_NUM_TASKS": "1"},
    ],
    ids=["a world of four", "another task", "a step of one"],
)
def test_else_nothing_is_said(packages: Path, change: dict[str, str]) -> None:
    assert said(packages, **{**STEP, **change}) == ""


def test_a_batch_script_of_a_job_with_several_tasks_may_be_alone(packages: Path) -> None:
    assert said(packages, SLURM_NTASKS="4", SLURM_PROCID="0", SIZE="1") == ""


def test_mpi_that_has_not_started_is_not_asked(packages: Path) -> None:
    assert said(packages, "from mpi4py import MPI", **STEP, INITIALIZED="no") == ""


def test_a_python_that_imports_neither_imports_nothing_more(packages: Path) -> None:
    program = "import sys; before = set(sys.modules); import _ebsif_layer; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(packages), **STEP},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['_ebsif_layer']\n"
