"""What the machine is, in words, without names of hosts, users or folders."""

import os
import platform
import re
import subprocess
from pathlib import Path

from workbench import Machine, easybuild

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_MEMORY = re.compile(r"^MemTotal:\s*(\d+) kB$", re.MULTILINE)
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def describe(machine: Machine) -> dict[str, str]:
    """Return what the machine is, and the versions of its tools."""
    processor = _MODEL.search(Path("/proc/cpuinfo").read_text())
    memory = _MEMORY.search(Path("/proc/meminfo").read_text())
    return {
        "architecture": platform.machine(),
        "processor": processor[1] if processor else "unknown",
        "processors": str(len(os.sched_getaffinity(0))),
        "memory": f"{round(int(memory[1]) / 2**20)} GiB" if memory else "unknown",
        "kernel": _version(platform.release()),
        "containers started by": "a user" if os.geteuid() != 0 or machine.user else "root",
        "EasyBuild": _version_of([machine.eb, "--version"], machine),
        machine.runtime.name: _version_of([machine.runtime, "--version"], machine),
        "mksquashfs": _version_of(["mksquashfs", "-version"], machine),
    }


def revision(name: str = "HEAD") -> str:
    """Return the short name of a revision of the project, and whether this folder has changed since."""
    command = ["git", "-C", str(easybuild.PROJECT), "describe", "--always", "--abbrev=12"]
    command.append("--dirty" if name == "HEAD" else name)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _version_of(words: list[str | Path], machine: Machine) -> str:
    done = machine.run(words, user=machine.user)
    return _version(done.stdout + done.stderr)


def _version(text: str) -> str:
    found = _VERSION.search(text)
    return found[0] if found else "unknown"
