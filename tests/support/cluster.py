"""A real Slurm on this machine, `workbench/cluster.sh`, as tests use it."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.site import Site
from workbench import Machine, store

SCRIPT = Path(__file__).parents[2] / "workbench" / "cluster.sh"
# Minutes after which Slurm ends what hangs.
LIMIT = {f"{command}_TIMELIMIT": "2" for command in ("SLURM", "SALLOC", "SBATCH")}


# A job that runs nothing on the nodes, to wait for another one.
AFTER = "salloc --quiet --ntasks=1"
# How the job has ended whose number is in $job.
STATUS = "scontrol show job $job | sed -n 's/.* ExitCode=//p'"


class Job(NamedTuple):
    """What a batch job has come to."""

    status: tuple[int, int]
    """The status of the script, and the signal that has ended it."""
    output: str


@dataclass(frozen=True)
class LoginNode(Machine):
    """The machine as the cluster's login node sees it: what is run here is run there.

    Parameters
    ----------
    process
        A process on the login node.
    """

    process: int

    def arguments(self, argv: Sequence[str | Path], *, user: str | None = None, **options: Any) -> dict[str, Any]:
        arguments = super().arguments(argv, user=user, **options)
        kinds = ("mount", "net", "uts", "ipc", "pid")
        enter = ["nsenter", f"--target={self.process}", *(f"--{kind}" for kind in kinds)]
        enter.append(f"--wdns={arguments.pop('cwd')}")
        if user is not None:
            enter += [f"--setuid={arguments.pop('user')}", f"--setgid={arguments.pop('group')}"]
            del arguments["extra_groups"]
        return {**arguments, "args": [*enter, *arguments["args"]]}


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Parameters
    ----------
    machine
        Its login node.
    nodes
        The names of its two compute nodes, in Slurm's order.
    folder
        Its files.
    """

    machine: LoginNode
    nodes: tuple[str, str]
    folder: Path

    def tmp(self, node: str) -> Path:
        """Return what a compute node has as its /tmp."""
        return self.folder / "tmp" / node

    def caches(self) -> list[str]:
        """Return the folders with caches on the nodes."""
        return [path.name for node in self.nodes for path in self.tmp(node).glob("*-ebsif-*")]

    def processes(self) -> set[int]:
        """Return the numbers of all processes of the cluster."""
        return {self.machine.process, *_all_below(self.machine.process)}


@dataclass(frozen=True)
class Account:
    """A user of the cluster, in a login shell with the module loaded and in the folder of the programs."""

    cluster: Cluster
    site: Site
    module: str

    def run(self, script: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        options.setdefault("timeout", 100)
        return subprocess.run(**self.arguments(script, **options))

    def output(self, script: str, **options: Any) -> str:
        """Return what a script that must succeed prints."""
        done = self.run(script, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def batch(self, script: str, options: str) -> str:
        """Return what a batch script prints, all of it."""
        (self.folder / "batch.sh").write_text(f"#!/bin/bash\n{script}\n")
        return self.submit("batch.sh", options).output

    def submit(self, script: str, options: str = "") -> "Job":
        """Submit a script and return what it has come to; `sbatch --wait` would look only after 10 seconds."""
        name = "job.out"
        (self.folder / name).unlink(missing_ok=True)
        submit = f"job=$(sbatch --parsable -o {name} {options} {script}) || exit"
        status = self.output(f"{submit}\n{AFTER} --dependency=afterany:$job true\n{STATUS}").split(":")
        return Job((int(status[0]), int(status[1])), (self.folder / name).read_text(errors="surrogateescape"))

    def arguments(self, script: str, **options: Any) -> dict[str, Any]:
        options["env"] = LIMIT | (options.get("env") or {})
        return self.site.login_arguments(
            f"module load {self.module} && cd {self.folder} || exit 99\n{script}", **options
        )

    @property
    def folder(self) -> Path:
        return self.site.folder


@contextmanager
def cluster(machine: Machine, *shared: Path, name: str = "n") -> Iterator[Cluster]:
    """Run a cluster of two nodes with two processors each; at the end, all that runs there is killed.

    Parameters
    ----------
    shared
        Folders that the nodes see as they are on this machine, if they are below /tmp.
    name
        What the names of the nodes contain, for more than one cluster of a process.
    """
    # A name of its own for each process that runs tests. The folder of the cache may hold links.
    nodes = (f"p{os.getpid()}{name}1", f"p{os.getpid()}{name}2")
    cache = store.cache_root()
    folders = {*shared, cache, *(path.resolve().parent for path in cache.iterdir())}
    env = {**os.environ, "SHARED": ":".join(map(str, sorted(folders)))}
    tell = ["sh", "-c", 'echo "$CLUSTER"; exec cat']  # for as long as the pipe is open: not longer than this process
    with subprocess.Popen(
        [SCRIPT, *nodes, "--", *tell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout
        folder = process.stdout.readline()
        assert folder, "there is no cluster: what cluster.sh says above tells why"
        (unshare,) = children(process.pid)
        (login,) = children(unshare)
        yield Cluster(LoginNode(**vars(machine), process=login), nodes, Path(folder.rstrip("\n")))


def children(process: int) -> list[int]:
    """Return the processes that a process has started: none of one that has ended."""
    try:
        numbers = Path(f"/proc/{process}/task/{process}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(number) for number in numbers.split()]


def _all_below(process: int) -> set[int]:
    return {number for child in children(process) for number in (child, *_all_below(child))}
