"""Places to install into, as a person uses EasyBuild and modules, and the contenders that do."""

import os
import pwd
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import layers
from benchmarks.errors import BenchmarkError
from benchmarks.layers import Subject
from workbench import Machine

_MODULE = f"{layers.NAME}/{layers.VERSION}"
# Stands before the real one on PATH, and writes down that it was started.
_COUNTING = """#!/bin/sh
echo >> {log}
exec {runtime} "$@"
"""


@dataclass(frozen=True)
class Contender:
    """Somebody who installs layers.

    Parameters
    ----------
    name
        What tables call it.
    easyblocks
        The folder with the easyblocks that it uses; None for the manual way.
    """

    name: str
    easyblocks: Path | None

    def easyconfig(self, subject: Subject, runtime: str, requirements: Path) -> str:
        """Return the text of its easyconfig."""
        if self.easyblocks is None:
            return layers.by_hand_easyconfig(subject, runtime, requirements)
        return layers.our_easyconfig(subject)

    @property
    def options(self) -> list[str]:
        """What it gives to ``eb``."""
        return [f"--include-easyblocks={self.easyblocks}/*.py"] if self.easyblocks else []


@dataclass(frozen=True)
class Place:
    """A folder in which one contender installs one layer, for the user who is not root where there is one."""

    machine: Machine
    folder: Path
    contender: Contender
    subject: Subject

    @property
    def installation(self) -> Path:
        """The folder of the installation."""
        return self.folder / "software" / layers.NAME / layers.VERSION

    @property
    def image(self) -> Path:
        """The container image of the installation."""
        return self.installation / self.subject.image.name

    @property
    def layer(self) -> Path:
        """The layer of the installation: a file, or a folder when it was unpacked."""
        packed = self.installation / "user-software.squashfs"
        return packed if packed.exists() else self.installation / "user-software"

    @cached_property
    def shell(self) -> dict[str, str]:
        """The variables of a login shell."""
        return self._environment("")

    @cached_property
    def loaded(self) -> dict[str, str]:
        """The variables with the module loaded."""
        return self._environment(f"{self.use_module}\nmodule load {_MODULE} || exit")

    @property
    def use_module(self) -> str:
        """The command that makes the module known."""
        return f"module use {shlex.quote(str(self.folder / 'modules' / 'all'))}"

    @property
    def load_and_unload(self) -> str:
        """The commands that load and unload the module."""
        return f"module load {_MODULE} && module unload {_MODULE} || exit"

    def make(self) -> None:
        """Make the folder, with the easyconfig and what that needs."""
        self.folder.mkdir(parents=True)
        (self.folder / "home").mkdir()
        requirements = self.folder / "requirements.txt"
        requirements.write_text(self.subject.pinned())
        text = self.contender.easyconfig(self.subject, self.machine.runtime.name, requirements)
        self.easyconfig.write_text(text)
        own(self.machine, self.folder)

    @property
    def easyconfig(self) -> Path:
        """The easyconfig."""
        return self.folder / f"{layers.NAME}-{layers.VERSION}.eb"

    def clear(self) -> None:
        """Remove what has been installed."""
        for name in ("build", "ebfiles_repo", "modules", "software"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def eb(self, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the arguments for `subprocess.Popen` that run ``eb``."""
        return self.arguments(["eb", *self.contender.options, *words], {**self.shell, **(env or {})})

    def install(self, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the arguments for `subprocess.Popen` that install."""
        return self.eb(str(self.easyconfig), env=env)

    def arguments(self, words: Sequence[str | Path], env: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments for `subprocess.Popen` that run a program with these variables."""
        found = self.machine.arguments(words, user=self.machine.user, env=env, cwd=self.folder / "home")
        # Found by the PATH of these variables, not of ours.
        program = shutil.which(found["args"][0], path=env["PATH"])
        if program is None:
            raise BenchmarkError(f"{words[0]} is not on the PATH {env['PATH']}")
        found["args"][0] = program
        return found

    def counting(self) -> tuple[dict[str, str], Path]:
        """Return variables with which starts of the container runtime are counted, and the file with a line of each."""
        folder, log = self.folder / "counting", self.folder / "starts"
        folder.mkdir()
        program = folder / self.machine.runtime.name
        program.write_text(_COUNTING.format(log=shlex.quote(str(log)), runtime=shlex.quote(str(self.machine.runtime))))
        program.chmod(0o755)
        log.touch()
        own(self.machine, log)
        return {"PATH": f"{folder}:{self.shell['PATH']}"}, log

    def _environment(self, script: str) -> dict[str, str]:
        bases = str(self.subject.image.parent)
        settings = {
            # Nobody's own settings.
            "HOME": str(self.folder / "home"),
            "EASYBUILD_PREFIX": str(self.folder),
            "EASYBUILD_SOURCEPATH": f"{self.folder / 'sources'}:{bases}:{self.subject.wheels}",
        }
        done = self.machine.login(f"{script}\nenv -0", user=self.machine.user, env=settings, cwd=self.folder)
        if done.returncode != 0:
            raise BenchmarkError(f"a login shell failed: {done.stdout}{done.stderr}")
        return dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)


def own(machine: Machine, path: Path) -> None:
    """Give a file, or a folder and all in it, to the user who installs."""
    if machine.user is not None:
        account = pwd.getpwnam(machine.user)
        for found in [path, *path.rglob("*")]:
            os.chown(found, account.pw_uid, account.pw_gid)
