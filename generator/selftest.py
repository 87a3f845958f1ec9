"""Trying an installed module on a machine that its makers cannot reach."""

import getpass
import json
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ebsif.console import Console
from ebsif.doctor import mounting, runtime
from ebsif.easybuild import leaving_nothing
from ebsif.errors import EbsifError, ToolError
from ebsif.files import unfinished
from ebsif.finding import Finding
from ebsif.installation import RECORD, Installation, installed_easyconfig
from ebsif.process import attempt, last_line
from ebsif.process import run as run_program

# Seconds for what imports torch, and for EasyBuild's sanity check.
_LONG = 180.0
_STARTS = 3

# In the container: the file system behind each of the places that matter.
_MOUNTS = r"""while read -r line; do
    set -- $line
    case $5 in / | /user-software | /runscripts) echo "$5 ${line##* - }" ;; esac
done < /proc/self/mountinfo"""
_GPUS = """
import glob, importlib.util, json, os
devices = glob.glob("/dev/dri/renderD*" if os.path.exists("/dev/kfd") else "/dev/nvidia[0-9]*")
found = {"devices": len(devices)}
if importlib.util.find_spec("torch"):
    import torch
    found.update(torch=torch.__version__, seen=torch.cuda.device_count())
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Trial:
    """An installation that is tried on this host.

    Parameters
    ----------
    installation
        What is tried.
    until
        When no more of it is tried, on the clock of `time.monotonic`.
    """

    installation: Installation
    until: float

    def findings(self, console: Console) -> Iterator[Finding]:
        """Try one thing after the other."""
        looks: dict[str, Callable[[], Finding]] = {
            "machine": _machine,
            "container runtime": runtime,
            "mounting of images": mounting,
            "image": self._image,
            "start without module": self._start,
            "mounts": self._mounts,
            "GPUs": self._gpus,
            "fabric": self._fabric,
            "sanity check": self._sanity_check,
            "steps of Slurm": self._steps,
        }
        for what, look in looks.items():
            finding = None
            if self._seconds(1) > 0:
                with console.waiting("trying"):
                    finding = look()
            # What was ended says nothing.
            if finding is None or (finding.level == "error" and self._seconds(1) <= 0):
                finding = Finding(what, "not tried: out of time", "warning", "give it more time with --limit")
            yield finding

    def _seconds(self, most: float) -> float:
        """Return how long something may take."""
        return min(most, self.until - monotonic())

    def _attempt(
        self, words: Sequence[str | Path], env: Mapping[str, str] | None = None, most: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program, for no longer than there is time."""
        return attempt(words, env, max(1, self._seconds(most)))

    def _command(self, name: str) -> Path:
        return self.installation.path / "bin" / name

    def _shell(self, script: str) -> tuple[str, str | None]:
        """Return what a script prints in the container, and why it failed."""
        done = self._attempt([self._command("start-shell"), "-c", script])
        return done.stdout, last_line(done) if done.returncode else None

    def _image(self) -> Finding:
        found = self.installation
        if found.image is None:
            return Finding("image", f"{found.base} is gone", "error", "freeze it again, or install anew")
        if found.as_installed is False:
            return Finding("image", f"{found.image} is not the image that it was installed with", "error")
        size = found.image.stat().st_size / 1e9
        return Finding("image", f"{found.base}, {size:.1f} GB, on {_file_system(found.image)}")

    def _start(self) -> Finding:
        """Start a command by its path alone, as cron or an editor does, with hardly any variable."""
        what, env = "start without module", {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
        seconds = []
        for _ in range(_STARTS):
            before = monotonic()
            done = self._attempt([self._command("start-shell"), "-c", "true"], env)
            if done.returncode:
                return Finding(what, last_line(done), "error")
            seconds.append(monotonic() - before)
        return Finding(what, f"{sorted(seconds)[_STARTS // 2]:.2f} s, the median of {_STARTS}")

    def _mounts(self) -> Finding:
        output, problem = self._shell(_MOUNTS)
        if problem:
            return Finding("mounts", problem, "error")
        kinds = dict(line.split()[:2] for line in output.splitlines())
        is_expected = self.installation.layer or (self.installation.path / RECORD).exists()
        if is_expected and "/user-software" not in kinds:
            return Finding("mounts", "the layer is not mounted", "error")
        return Finding("mounts", ", ".join(f"{place} is {kind}" for place, kind in sorted(kinds.items())))

    def _gpus(self) -> Finding:
        python = self._command("python")
        if not python.exists():
            return Finding("GPUs", "unknown: there is no Python")
        done = self._attempt([python, "-c", _GPUS], most=_LONG)
        if done.returncode:
            return Finding("GPUs", last_line(done), "error")
        found = json.loads(done.stdout.splitlines()[-1])
        devices = f"{found['devices']} on this node"
        if "torch" not in found:
            return Finding("GPUs", f"{devices}; torch is not there to see them")
        said = f"{devices}, torch {found['torch']} sees {found['seen']}"
        return Finding("GPUs", said, "error" if found["devices"] and not found["seen"] else "ok")

    def _fabric(self) -> Finding:
        """Ask libfabric of the container for Slingshot, where the node has it."""
        what = "fabric"
        output, problem = self._shell("type -P fi_info")
        if problem or not output:
            return Finding(what, "unknown: there is no fi_info in the container")
        output, problem = self._shell("fi_info -p cxi | grep -c '^provider: cxi'")
        if output.strip() in ("", "0"):
            has_it = any(Path("/dev").glob("cxi*"))
            said = "libfabric of the container sees no cxi" + (", which this node has" if has_it else "")
            return Finding(what, said, "error" if has_it else "ok")
        return Finding(what, f"libfabric of the container sees cxi, {output.strip()} endpoints")

    def _sanity_check(self) -> Finding:
        """Have EasyBuild compare the environment with an activated one, and import the packages."""
        what, eb = "sanity check", shutil.which("eb")
        if eb is None:
            return Finding(what, "unknown: eb is not on PATH", "warning", "load the module of EasyBuild")
        try:
            easyconfig = installed_easyconfig(self.installation.path)
        except EbsifError as error:
            return Finding(what, str(error), "error")
        words = [eb, "--sanity-check-only", "--detect-loaded-modules=ignore", str(easyconfig)]
        words.append(f"--installpath-software={self.installation.path.parents[1]}")
        with leaving_nothing() as env:
            done = self._attempt(words, env, most=_LONG)
        if done.returncode:
            return Finding(what, last_line(done), "error", "`eb --sanity-check-only` says more")
        return Finding(what, "eb --sanity-check-only passes")

    def _steps(self) -> Finding:
        """Start a task on each node of the job, and let them find each other."""
        what, nodes = "steps of Slurm", os.environ.get("SLURM_JOB_NUM_NODES", "1")
        if "SLURM_JOB_ID" not in os.environ or shutil.which("srun") is None:
            return Finding(what, "not tried: this is no job", "warning", "try it in a job, or give --job")
        one_a_node = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--overlap"]
        done = self._attempt([*one_a_node, self._command("start-shell"), "-c", "echo $SLURM_PROCID"], most=_LONG)
        if done.returncode or sorted(done.stdout.split()) != sorted(map(str, range(int(nodes)))):
            return Finding(what, last_line(done), "error")
        if nodes == "1" or not self._command("diagnose").exists():
            return Finding(what, f"a task starts on each of {nodes} nodes")
        done = self._attempt([*one_a_node, self._command("diagnose")], most=_LONG)
        if done.returncode:
            return Finding(what, last_line(done), "error", "`srun … diagnose` says more")
        return Finding(what, f"a task starts on each of {nodes} nodes, and they reach each other")


def in_job(installation: Installation, limit: int, words: list[str]) -> list[Finding]:
    """Return what is found in a job, which is waited for.

    Parameters
    ----------
    limit
        The seconds that it may try things for.
    words
        Options of `sbatch`.

    Raises
    ------
    ToolError
        When the job cannot be submitted, or tells nothing.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise ToolError("sbatch is not on PATH: go to a login node of a machine with Slurm")
    words_again = ["--quiet", "selftest", str(installation.path), "--json", f"--limit={limit}"]
    again = shlex.join([sys.executable, "-m", "ebsif", *words_again])
    # In the current folder, which nodes see as well as this host.
    with unfinished(Path("selftest.json")) as output:
        told = output.absolute()
        options = [f"--output={told}", "--error=/dev/null", "--job-name=ebsif-selftest", *words]
        done = run_program([sbatch, "--wait", *options, "--wrap", again], os.environ)
        try:
            return [Finding(**found) for found in json.loads(told.read_text())]
        except (ValueError, TypeError) as error:
            raise ToolError(f"the job has told nothing: {last_line(done)}") from error


def differences(here: list[Finding], there: list[Finding]) -> Iterator[Finding]:
    """Yield what is not the same on a login node and in a job, of what should be."""
    for what in ("container runtime", "mounts"):
        found = [next((one.found for one in each if one.what == what), "unknown") for each in (here, there)]
        if found[0] != found[1]:
            yield Finding(what, f"here {found[0]}, and in the job {found[1]}", "warning")


def public(text: str) -> str:
    """Return a text without names of people, projects and nodes of this machine."""
    node = re.sub(r"\d+$", "", socket.gethostname().split(".")[0])
    private = {
        str(Path.home()): "~",
        os.environ.get("SLURM_JOB_ACCOUNT", ""): "<account>",
        getpass.getuser(): "<user>",
    }
    for value in sorted(filter(None, private), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", private[value], text)
    text = re.sub(r"\bproject_\d+\b", "<project>", text)
    return re.sub(rf"\b{re.escape(node)}\d+\b", "<node>", text) if node else text


def as_public(finding: Finding) -> Finding:
    """Return a finding that can be shown to others."""
    remedy = public(finding.remedy) if finding.remedy else None
    return Finding(finding.what, public(finding.found), finding.level, remedy)


def _machine() -> Finding:
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        system = "unknown"
    return Finding("machine", f"{platform.machine()}, {system}, Linux {platform.release()}")


def _file_system(path: Path) -> str:
    """Return the kind of the file system that a path is on."""
    done = attempt(["stat", "--file-system", "--format=%T", path.resolve()])
    return done.stdout.strip() or "an unknown file system"
