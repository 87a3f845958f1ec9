"""Caches of a job: one folder on a node for all its steps, gone when nobody wants it any more."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.runscripts import Runscripts, task

# A process that is over.
_OVER = subprocess.Popen(["true"])
_OVER.wait()
OVER = str(_OVER.pid)


@pytest.fixture
def scripts(tmp_path: Path) -> Runscripts:
    return Runscripts(tmp_path)


def caches(scripts: Runscripts) -> list[str]:
    """Return the names of the folders with caches that are there."""
    return sorted(path.name for path in scripts.caches.iterdir())


def start(scripts: Runscripts, rank: int = 0, **variables: str) -> None:
    done = scripts.run("python-distributed", "x.py", **task(rank, **variables))
    assert (done.status, done.messages) == (0, "")


def end(scripts: Runscripts, rank: int = 0, **variables: str) -> None:
    done = scripts.run("task-epilog", **task(rank, **variables))
    assert (done.status, done.messages, done.output) == (0, "", "")


OURS = "anna-ebsif-base-1234567"


def test_a_folder_for_the_user_alone(scripts: Runscripts) -> None:
    env = scripts.run("python-distributed", **task()).env
    folder = Path(env["EBSIF_CACHE_TOP"])
    assert folder == scripts.caches / OURS
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(env["MIOPEN_USER_DB_PATH"]).is_dir()
    assert env["MIOPEN_USER_DB_PATH"] == env["MIOPEN_CUSTOM_CACHE_DIR"] == f"{folder}/miopen"


def test_the_folder_that_the_site_names(scripts: Runscripts) -> None:
    scripts.settings(
        f"start EBSIF_CACHE_TOP {scripts.caches}/$USER-${{SLURM_JOB_ID:-none}}",
        "start TRITON_CACHE_DIR ${EBSIF_CACHE_TOP}/triton", "folder EBSIF_CACHE_TOP", "folder TRITON_CACHE_DIR",
    )  # fmt: skip
    start(scripts)
    assert caches(scripts) == ["anna-1234567"]
    end(scripts)
    assert caches(scripts) == []


def test_a_folder_of_somebody_else_is_refused(scripts: Runscripts) -> None:
    scripts.caches.chmod(0o1777)
    (scripts.caches / OURS).mkdir()
    os.chown(scripts.caches / OURS, 65534, 65534)
    done = scripts.run("python-distributed", **task())
    assert (done.status, done.output) == (2, "")
    assert "belongs to somebody else" in done.messages


def test_it_is_gone_behind_the_last_task_of_a_step_that_is_the_job(scripts: Runscripts) -> None:
    start(scripts, 0)
    start(scripts, 1)
    end(scripts, 1)
    assert caches(scripts) == [OURS]
    end(scripts, 0)
    assert caches(scripts) == []


def test_steps_of_a_batch_script_share_it(scripts: Runscripts) -> None:
    start(scripts, ENVIRONMENT="BATCH")
    (scripts.caches / OURS / "miopen" / "kernel").write_text("compiled")
    end(scripts, ENVIRONMENT="BATCH")
    start(scripts, ENVIRONMENT="BATCH", SLURM_STEP_ID="1")
    assert (scripts.caches / OURS / "miopen" / "kernel").read_text() == "compiled"


def test_the_user_says_until_when_it_is_wanted(scripts: Runscripts) -> None:
    start(scripts)
    end(scripts, EBSIF_CACHE_UNTIL="job")
    assert caches(scripts) == [OURS]
    end(scripts, ENVIRONMENT="BATCH", EBSIF_CACHE_UNTIL="step", SLURM_STEP_ID="1")
    assert caches(scripts) == []


def test_another_step_at_the_same_time_keeps_it(scripts: Runscripts) -> None:
    start(scripts)
    start(scripts, SLURM_STEP_ID="1")
    end(scripts, SLURM_STEP_ID="1")
    assert caches(scripts) == [OURS]


def test_a_program_of_the_job_outside_its_steps_keeps_it_while_it_lives(scripts: Runscripts) -> None:
    start(scripts)
    mark = scripts.caches / OURS / ".ebsif-job" / "1234567" / "none.77"
    mark.write_text(f"{os.getpid()}\n")
    end(scripts)
    assert caches(scripts) == [OURS]
    mark.write_text(f"{OVER}\n")
    end(scripts)
    assert caches(scripts) == []


def test_a_folder_that_the_user_has_chosen_stays(scripts: Runscripts) -> None:
    own = scripts.caches / "own"
    start(scripts, EBSIF_CACHE_TOP=str(own))
    end(scripts, EBSIF_CACHE_TOP=str(own))
    assert caches(scripts) == ["own"]
    assert [path.name for path in own.iterdir()] == ["miopen"]


def test_a_folder_that_the_site_has_for_all_jobs_stays(scripts: Runscripts) -> None:
    scripts.settings(f"start EBSIF_CACHE_TOP {scripts.caches}/$USER", "folder EBSIF_CACHE_TOP")
    start(scripts)
    end(scripts)
    assert caches(scripts) == ["anna"]


def test_outside_a_job_it_stays(scripts: Runscripts) -> None:
    assert scripts.run("conda-python-simple").status == 0
    assert scripts.run("conda-python-simple").status == 0
    assert caches(scripts) == ["anna-ebsif-base-none"]


# What was left over.


def left(scripts: Runscripts, job: str, process: str = OVER) -> Path:
    """Leave caches of another job, as one does whose epilog did not run."""
    folder = scripts.caches / f"anna-ebsif-base-{job}"
    marks = folder / ".ebsif-job" / job
    marks.mkdir(parents=True)
    (marks / "0.0").write_text(f"{process}\n")
    return folder


def test_the_next_start_removes_what_jobs_have_left_that_are_over(scripts: Runscripts) -> None:
    left(scripts, "7")
    (scripts.caches / "anna-ebsif-base-6.ebsif-gone.99" / "miopen").mkdir(parents=True)
    start(scripts)
    assert caches(scripts) == [OURS]


def test_not_of_a_job_with_a_living_task(scripts: Runscripts) -> None:
    left(scripts, "7", str(os.getpid()))
    start(scripts)
    assert caches(scripts) == [OURS, "anna-ebsif-base-7"]


@pytest.mark.parametrize("group", ["freezer/slurm_n1/uid_1000/job_7", "system.slice/n1_slurmstepd.scope/job_7"])
def test_not_of_a_job_that_slurm_has_a_group_for(scripts: Runscripts, group: str) -> None:
    left(scripts, "7")
    (scripts.cgroups / group).mkdir(parents=True)
    start(scripts)
    assert caches(scripts) == [OURS, "anna-ebsif-base-7"]


def test_not_by_other_tasks_of_a_job_than_the_first_of_a_node(scripts: Runscripts) -> None:
    start(scripts, 1)
    left(scripts, "7")
    start(scripts, 0)
    start(scripts, 0, SLURM_STEP_ID="1")
    assert "anna-ebsif-base-7" in caches(scripts)


def test_not_what_has_no_mark_of_ours(scripts: Runscripts) -> None:
    for name in ("anna-ebsif-base-8", "anna-data/.ebsif-job/notes"):
        (scripts.caches / name).mkdir(parents=True)
    start(scripts)
    assert caches(scripts) == ["anna-data", "anna-ebsif-base-1234567", "anna-ebsif-base-8"]


@pytest.mark.parametrize("part", ["", ".ebsif-job", ".ebsif-job/7"])
def test_not_what_belongs_to_somebody_else(scripts: Runscripts, part: str) -> None:
    os.chown(left(scripts, "7") / part, 65534, 65534)
    start(scripts)
    assert "anna-ebsif-base-7" in caches(scripts)


def test_not_behind_a_link(scripts: Runscripts, tmp_path: Path) -> None:
    real = tmp_path / "project"
    shutil.move(left(scripts, "7"), real)
    (scripts.caches / "anna-ebsif-base-7").symlink_to(real)
    (scripts.caches / "anna-ebsif-base-9").mkdir()
    (scripts.caches / "anna-ebsif-base-9" / ".ebsif-job").symlink_to(real / ".ebsif-job")
    start(scripts)
    assert caches(scripts) == [OURS, "anna-ebsif-base-7", "anna-ebsif-base-9"]
    assert (real / ".ebsif-job" / "7").is_dir()
