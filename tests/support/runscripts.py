"""The scripts that a container sees at /runscripts, run by themselves, with an environment that a test gives."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

RUNSCRIPTS = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "runscripts"

# Of a host that knows these names.
GETENT = """#!/bin/bash
[[ $1 = ahosts && " n1 n2 n3 gpu1 127.0.0.1 " = *" $2 "* ]]
"""
PYTHON = """#!/usr/bin/python3
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "env": dict(os.environ), "cpus": sorted(os.sched_getaffinity(0))}))
"""


@dataclass(frozen=True)
class Started:
    """What came of a script."""

    status: int
    messages: str
    output: str

    @property
    def env(self) -> dict[str, str]:
        """The environment of the program that was started."""
        return dict(json.loads(self.output)["env"])

    @property
    def arguments(self) -> list[str]:
        """The arguments that ``python`` got."""
        return list(json.loads(self.output)["arguments"])

    @property
    def cpus(self) -> list[int]:
        """The processors that ``python`` may use."""
        return list(json.loads(self.output)["cpus"])


class Runscripts:
    """A copy of the scripts, with settings of its own, and a `python` that tells how it was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "runscripts"
        self.caches = folder / "caches"
        self.caches.mkdir()
        self.cgroups = folder / "cgroups"
        self._bin = folder / "bin"
        shutil.copytree(RUNSCRIPTS, self.folder)
        for path in self.folder.iterdir():
            # What the kernel says of the process, the place of caches and Slurm's groups are this machine's.
            text = path.read_text().replace("/proc/self/cgroup", f"{folder}/cgroup")
            text = text.replace("/tmp/$", f"{self.caches}/$").replace("/sys/fs/cgroup/", f"{self.cgroups}/")
            path.write_text(text)
            path.chmod(0o755)
        self._bin.mkdir()
        for name, content in {"getent": GETENT, "python": PYTHON}.items():
            (self._bin / name).write_text(content)
            (self._bin / name).chmod(0o755)
        self.settings()
        self.placed("/")

    def settings(self, *lines: str) -> None:
        """Write what an installation sets."""
        text = "".join(f"{line}\n" for line in ("image base.sif", *lines))
        (self.folder / "container.conf").write_text(text)

    def placed(self, group: str) -> None:
        """Say in which control group the processes are."""
        (self.folder.parent / "cgroup").write_text(f"5:freezer:{group}\n0::/\n")

    def run(self, script: str, *arguments: str, **variables: str) -> Started:
        """Run a script with an environment that has nothing but these variables."""
        env = {"PATH": f"{self._bin}:/usr/bin:/bin", "USER": "anna", **variables}
        done = subprocess.run(
            [self.folder / script, *arguments], capture_output=True, text=True, check=False, env=env, cwd=self.caches
        )
        return Started(done.returncode, done.stderr, done.stdout)


def task(rank: int = 0, /, **variables: str) -> dict[str, str]:
    """Return what Slurm 22.05 says to task 0, 1 or 2 of a step: two are on n1, one is on n2."""
    return {
        "SLURM_JOB_ID": "1234567", "SLURM_STEP_ID": "0", "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank % 2),
        "SLURM_NTASKS": "3", "SLURM_NODEID": str(rank // 2), "SLURM_STEP_NUM_NODES": "2",
        "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_STEP_TASKS_PER_NODE": "2,1", "SLURM_JOB_NODELIST": "n[1-2]",
        **variables,
    }  # fmt: skip


def own_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
