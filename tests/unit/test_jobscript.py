"""Job scripts: what Slurm is asked for, and that arguments of any content arrive."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ebsif import __version__, cli
from ebsif.errors import EbsifError
from ebsif.jobscript import Job, render
from ebsif.site import Site, read_site
from ebsif.slurm import Limits, seconds

# In the place of Slurm and of the module tool: each word that srun is given, with a NUL behind it.
STAND_INS = r"""
module() { printf '%s\n' "module $*" >&2; }
gpu-bind() { echo "mask_cpu:0x2,0x1"; }
srun() { printf '%s\0' "$SRUN_CPUS_PER_TASK" "$@"; }
"""

HOSTILE = [
    *(
        "",
        " ",
        "it's",
        'say "hi"',
        "$(id)",
        "`id`",
        "$HOME",
        "${x:?}",
        "~/data",
        "~",
        "*",
        "a*b?[c]",
        "-x",
        "--",
        "-N3",
    ),
    *(
        "two\nlines",
        "\n#SBATCH --nodes=999",
        "tab\there",
        "back\\slash",
        "ends with \\",
        "'\\",
        "\r\n",
        "\x01\x1b[31m\x7f",
    ),
    *("#", "#x", "!x", "{a,b}", "a;b", "a&b", "a|b", "(a)", "<a>", "a=b", "%j", "EOF", "/path/*.py", "x" * 5000),
    *("\u201cquotes\u201d", "\u00a0\u2028\u200b", "ünï\U0001f600", os.fsdecode(b"\xff\xfe.npy")),
    *("{{ job }}", "{% raw %}", "# shellcheck disable=all"),
]

arguments = st.lists(
    st.one_of(
        st.sampled_from(HOSTILE),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        st.binary(max_size=8).map(lambda value: os.fsdecode(value.replace(b"\0", b""))),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def lumi() -> Site:
    return read_site("lumi")


def script(site: Site, *program: str, **asked: Any) -> str:
    return render(Job.model_validate({"module": "PyTorch/2.7", "program": list(program), **asked}), site)


def effective(text: str) -> list[str]:
    """Return the lines that mean something to Slurm or bash."""
    return [line for line in text.splitlines() if line.startswith("#SBATCH") or (line and line[0] != "#")]


def asked_of_slurm(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]


def started(text: str, folder: Path) -> list[str]:
    """Run a script with stand-ins; return SRUN_CPUS_PER_TASK and the arguments of srun."""
    (folder / "stand-ins").write_text(STAND_INS)
    (folder / "job.sh").write_text(text, encoding="utf-8")
    environment = {"PATH": "/nowhere", "BASH_ENV": str(folder / "stand-ins"), "SLURM_CPUS_PER_TASK": "7"}
    done = subprocess.run(["/bin/bash", folder / "job.sh"], capture_output=True, env=environment, check=True)
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


def shellcheck(text: str) -> str:
    return subprocess.run(["shellcheck", "-"], input=text, capture_output=True, encoding="utf-8", check=False).stdout


PLAIN = """\
#!/bin/bash
# A job for Slurm on the site lumi, written by ebsif VERSION; it is yours to change. Lines that begin with
# ##SBATCH are to be filled in: with one # less, they count. `sbatch FILE` starts it, where the module is found.

# Your project:
##SBATCH --account=ACCOUNT
# Which nodes, one of standard-g, small-g, dev-g:
##SBATCH --partition=PARTITION
#SBATCH --time=2:00:00
#SBATCH --nodes=2
# One task for each GPU.
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --mem-per-gpu=60G
#SBATCH --cpus-per-task=7
# All GPUs of the nodes: nobody else uses them.
#SBATCH --exclusive
# Every task gets the signal USR1 5 minutes before the time is over: save a checkpoint then. It ends a program that does
# not handle it; for such a program, remove this line.
#SBATCH --signal=USR1@300
# The name of this file, and the number of the job.
#SBATCH --output=%x-%j.out

set -euo pipefail

module load LUMI PyTorch/2.7

# srun does not take over --cpus-per-task.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

# What compilers keep on the nodes goes with this step; leave the line out if more steps follow, which use it again.
export EBSIF_CACHE_UNTIL=step

# The processors near the GPU of each task. srun takes them on whole nodes only.
binding=$(gpu-bind)

# python-distributed sets what torch, JAX and others read: RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT.
# --label names the task before each line; a task that fails ends the others.
srun --kill-on-bad-exit=1 --label --cpu-bind="$binding" \\
    python-distributed train.py --epochs 10
""".replace("VERSION", __version__)


def test_a_script_for_whole_nodes_has_a_task_for_each_gpu(lumi: Site) -> None:
    assert script(lumi, "python", "train.py", "--epochs", "10", nodes=2, time="2:00:00") == PLAIN


def test_torchrun_has_one_task_a_node_with_all_processors_and_no_signal(lumi: Site) -> None:
    asked = {"partition": "small-g", "account": "project_465", "nodes": 2}
    text = script(lumi, "python", "-m", "mine.train", style="torchrun", **asked)
    assert effective(text) == [
        "#SBATCH --account=project_465",
        "#SBATCH --partition=small-g",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=1",
        "#SBATCH --gpus-per-node=8",
        "#SBATCH --mem-per-gpu=60G",
        "#SBATCH --cpus-per-task=56",
        "#SBATCH --exclusive",
        "#SBATCH --output=%x-%j.out",
        "set -euo pipefail",
        "module load LUMI PyTorch/2.7",
        "export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}",
        "export EBSIF_CACHE_UNTIL=step",
        "srun --kill-on-bad-exit=1 --label \\",
        "    torchrun-distributed -m mine.train",
    ]


def test_an_array_is_independent_jobs_with_an_output_each(lumi: Site) -> None:
    text = script(lumi, "python", "train.py", array="0-9%2", gpus=1, mail="ada@example.org")
    assert asked_of_slurm(text) == [
        "--nodes=1",
        "--ntasks-per-node=1",
        "--gpus-per-node=1",
        "--mem-per-gpu=60G",
        "--cpus-per-task=7",
        "--signal=USR1@300",
        "--array=0-9%2",
        "--output=%x-%A_%a.out",
        "--mail-user=ada@example.org",
        "--mail-type=END,FAIL",
    ]


def test_mpi_starts_python_itself_as_the_site_says(lumi: Site) -> None:
    text = script(lumi, "python", "mpi.py", style="mpi", partition="standard", nodes=2, tasks=64)
    assert "--cpus-per-task=2" in asked_of_slurm(text)
    assert effective(text)[-2:] == ["srun --kill-on-bad-exit=1 --label --mpi=pmi2 \\", "    python mpi.py"]


def test_mpi_of_a_feature_is_started_as_that_says(lumi: Site, tmp_path: Path) -> None:
    (tmp_path / "mpi.yml").write_text("description: x\nproof: hostname\nsrun: {mpi: pmix}\n")
    site = lumi.model_copy(update={"features": {"mpi": str(tmp_path / "mpi.yml")}})
    assert " --mpi=pmix " in script(site, "python", "mpi.py", style="mpi")


def test_masks_are_for_whole_nodes_with_a_task_for_each_gpu(lumi: Site) -> None:
    for asked in ({"gpus": 4}, {"gpus": 1}, {"tasks": 4}, {"partition": "standard"}):
        assert "gpu-bind" not in script(lumi, "python", "train.py", **asked)
    assert "--exclusive" not in asked_of_slurm(script(lumi, "python", "train.py", gpus=4))


def test_without_gpus_a_task_has_the_whole_node(lumi: Site) -> None:
    asked = asked_of_slurm(script(lumi, "python", "train.py", partition="small"))
    assert asked[1:4] == ["--nodes=1", "--ntasks-per-node=1", "--cpus-per-task=128"]


def test_a_site_that_says_nothing_gets_what_is_asked_for_and_lines_to_fill_in() -> None:
    text = script(read_site("local"), "python", "train.py", gpus=2)
    assert asked_of_slurm(text)[:3] == ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=2"]
    assert [line for line in text.splitlines() if line.startswith("##SBATCH")] == [
        "##SBATCH --account=ACCOUNT",
        "##SBATCH --partition=PARTITION",
        "##SBATCH --time=D-HH:MM:SS",
        "##SBATCH --cpus-per-task=NUMBER",
    ]


def test_another_program_than_python_is_started_as_it_is_without_a_signal(lumi: Site, tmp_path: Path) -> None:
    text = script(lumi, "./simulate", "in.txt", gpus=1)
    assert started(text, tmp_path)[-2:] == ["./simulate", "in.txt"]
    assert "The program is not Python" in text
    assert "--signal=USR1@300" not in asked_of_slurm(text)


def test_a_job_that_is_over_soon_gets_no_signal(lumi: Site) -> None:
    assert "--signal=USR1@300" not in asked_of_slurm(script(lumi, "python", "train.py", time="5"))


def test_a_site_may_bind_gpus_to_tasks_instead(lumi: Site, tmp_path: Path) -> None:
    site = lumi.model_copy(update={"jobscript": lumi.jobscript.model_copy(update={"gpu_bind": "map"})})
    text = script(site, "python", "train.py")
    words = started(text, tmp_path)
    assert "export EBSIF_VISIBLE_GPUS=own" in effective(text)
    # The order that lumi-userguide 277 gives.
    assert words[3:5] == ["--gpu-bind=map:4,5,2,3,6,7,0,1", "--gres-flags=allow-task-sharing"]


def test_srun_gets_masks_processors_and_the_program(lumi: Site, tmp_path: Path) -> None:
    assert started(PLAIN, tmp_path) == [
        "7",
        "--kill-on-bad-exit=1",
        "--label",
        "--cpu-bind=mask_cpu:0x2,0x1",
        "python-distributed",
        "train.py",
        "--epochs",
        "10",
    ]


def test_nothing_is_started_when_the_masks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stand-ins").write_text(STAND_INS + "gpu-bind() { return 2; }\n")
    (tmp_path / "job.sh").write_text(PLAIN)
    environment = {"PATH": "/nowhere", "BASH_ENV": str(tmp_path / "stand-ins")}
    done = subprocess.run(["/bin/bash", tmp_path / "job.sh"], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


@given(arguments)
@example(HOSTILE)
def test_arguments_of_any_content_arrive(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    text = script(read_site("local"), "python", *words)
    assert started(text, tmp_path_factory.getbasetemp())[3:] == ["python-distributed", *words]
    assert all(line.isprintable() for line in text.splitlines())


@settings(max_examples=15)
@given(arguments)
@example(HOSTILE)
@example(["then", "done", "fi", "do", "esac"])
def test_shellcheck_has_nothing_to_say_whatever_the_arguments(words: list[str]) -> None:
    assert shellcheck(script(read_site("local"), *(words or ["python"]))) == ""


@pytest.mark.parametrize("asked", [{}, {"style": "torchrun"}, {"style": "mpi"}, {"array": "1"}, {"gpus": 0}], ids=str)
def test_shellcheck_has_nothing_to_say_on_a_variant(lumi: Site, asked: dict[str, object]) -> None:
    assert shellcheck(script(lumi, "python", "train.py", **asked)) == ""


def test_the_name_of_a_module_is_a_word(tmp_path: Path) -> None:
    text = script(read_site("local"), "python", "train.py", module="$(id)/'1'")
    assert shellcheck(text) == ""
    (tmp_path / "stand-ins").write_text(STAND_INS)
    environment = {"PATH": "/nowhere", "BASH_ENV": str(tmp_path / "stand-ins")}
    done = subprocess.run(["/bin/bash", "-c", text], capture_output=True, env=environment, text=True, check=True)
    assert done.stderr == "module load $(id)/'1'\n"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpus": 9, "partition": "small-g"}, "the partition small-g of the site lumi has 8 GPUs a node, not 9"),
        ({"gpus": 1, "partition": "small"}, "the partition small of the site lumi has 0 GPUs a node, not 1"),
        ({"nodes": 5, "partition": "small-g"}, "the partition small-g of the site lumi gives a job 4 nodes, not 5"),
        ({"time": "4:00:00", "partition": "dev-g"}, "dev-g of the site lumi ends jobs after 3:00:00, before 4:00:00"),
        ({"cpus": 8, "partition": "small-g"}, "partition small-g of the site lumi has 56 processors a node, not 64"),
        ({"time": "4-0"}, "dev-g of the site lumi ends jobs after 3:00:00, before 4-0"),
        ({"partition": "small-h"}, "the site lumi has no partition small-h: known are standard-g, small-g, dev-g"),
    ],
)
def test_what_the_site_cannot_have_is_refused_by_name(lumi: Site, asked: dict[str, object], message: str) -> None:
    with pytest.raises(EbsifError, match=message):
        script(lumi, "python", "train.py", **asked)


def test_partitions_to_choose_from_are_those_that_can_have_the_job(lumi: Site) -> None:
    assert "one of standard-g:" in script(lumi, "python", "train.py", nodes=64)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--partition", "a b"], "partition: 'a b' is not a partition"),
        (["--account", "x\n#SBATCH -N9"], "account: 'x\\n#SBATCH -N9' is not an account"),
        (["--mail", "nobody"], "mail: 'nobody' is not an address"),
        (["--array", "0-"], "array: '0-' is not the numbers of an array"),
        (["--time", "soon"], "time: 'soon' is not a time: write minutes, "),
        (["--time", "0"], "time: '0' is not a time"),
        (["--nodes", "0"], "0 of them cannot run anything"),
        (["--torchrun", "--tasks", "2"], "leave out --tasks"),
        (["--mpi"], "the site local does not say what `srun --mpi=` takes there"),
        (["--nodes", "-1"], "nodes: -1 is not a number of things"),
    ],
)
def test_what_slurm_could_not_read_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["jobscript", "X/1", *words, "--", "python", "train.py"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--", "torchrun", "train.py"], "torchrun would start the program once more in each task: write --torchrun"),
        (["--", "srun", "python", "train.py"], "srun would start the program once more in each task: leave it out"),
        (["--torchrun", "--", "./a.out"], "--torchrun runs programs in Python"),
        (["--torchrun", "--", "python", "-u", "a.py"], "torchrun does not take python's option '-u'"),
        ([], "program: "),
    ],
)
def test_what_would_not_start_as_meant_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["jobscript", "X/1", *words]) == 2
    assert message in capsys.readouterr().err


def test_what_stands_behind_two_dashes_is_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["jobscript", "X/1", "--gpus", "1", "--", "python", "a.py", "--gpus", "3", "--", "-o", "x"]) == 0
    assert capsys.readouterr().out.endswith("    python-distributed a.py --gpus 3 -- -o x\n")


def test_options_of_torchrun_stand_before_its_program(lumi: Site, tmp_path: Path) -> None:
    text = script(lumi, "python", "--max-restarts=3", "train.py", style="torchrun")
    assert started(text, tmp_path)[-3:] == ["torchrun-distributed", "--max-restarts=3", "train.py"]


def test_a_file_is_written_and_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my job.sh"
    words = ["jobscript", "X/1", "-o", str(file), "--", "python", "a.py"]
    assert cli.main(words) == 0
    assert f"sbatch '{file}'" in capsys.readouterr().err
    file.write_text("mine")
    assert cli.main(words) == 2
    assert "is there already, and was not replaced" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("my job.sh", "mine")]


@pytest.mark.parametrize(
    ("time", "total"),
    [("30", 1800), ("30:15", 1815), ("1:30:00", 5400), ("2-12", 216000), ("2-12:30", 217800), ("1-00:00:01", 86401)],
)
def test_times_are_those_of_slurm(time: str, total: int) -> None:
    assert seconds(time) == total


def test_a_partition_differs_from_its_site_in_what_it_says(lumi: Site) -> None:
    assert lumi.jobscript.limits("debug") == Limits(gpus_per_node=0, cpus_per_node=128, nodes=4, time="30:00")
    assert lumi.jobscript.limits("dev-g") == Limits(gpus_per_node=8, cpus_per_node=56, nodes=32, time="3:00:00")
    assert lumi.jobscript.limits(None) == Limits(gpus_per_node=8, cpus_per_node=56)
