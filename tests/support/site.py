"""A place to install into, used as a person uses EasyBuild and modules."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.easyconfigs import NAME, VERSION, easyconfig_text
from tests.support.wheels import Wheel
from workbench import Machine
from workbench.machine import ToolName

# Seconds after which a command is taken to hang.
HANGS = 300


@dataclass(frozen=True)
class Site:
    """A prefix for EasyBuild with its sources, as one user with one module tool sees it."""

    machine: Machine
    folder: Path
    tool: ToolName = "Lmod"
    user: str | None = None
    version: str | None = None

    def using(self, **changes: Any) -> "Site":
        """Return the same place with another tool, user or version of EasyBuild."""
        return replace(self, **changes)

    @property
    def sources(self) -> Path:
        return self.folder / "sources"

    @property
    def settings(self) -> dict[str, str]:
        """Variables that configure EasyBuild."""
        bases = sorted({str(base.parent) for base in self.machine.bases.values()})
        return {
            # Nobody's own settings.
            "HOME": str(self.folder / "home"),
            "EASYBUILD_PREFIX": str(self.folder),
            "EASYBUILD_SOURCEPATH": ":".join([str(self.sources), *bases]),
        }

    def installation(self, kind: str) -> Path:
        """Return the folder of the installation for a kind of base."""
        return self.folder / "software" / NAME / f"{VERSION}-{kind}"

    def module_file(self, kind: str) -> Path:
        """Return the module file for a kind of base."""
        suffix = ".lua" if self.tool == "Lmod" else ""
        return self.folder / "modules" / "all" / NAME / f"{VERSION}-{kind}{suffix}"

    def easyconfig(self, kind: str) -> Path:
        """Return the easyconfig that was written for a kind of base."""
        return self.folder / f"{NAME}-{VERSION}-{kind}.eb"

    def write(self, kind: str, wheels: Sequence[Wheel | tuple[Any, ...]] = (), **changes: Any) -> Path:
        """Write an easyconfig for a kind of base; its wheels are put among the sources."""
        for wheel in wheels:
            if isinstance(wheel, Wheel) and wheel.path.parent != self.sources:
                shutil.copy(wheel.path, self.sources)
        path = self.easyconfig(kind)
        path.write_text(easyconfig_text(kind, self.machine.bases[kind], wheels, **changes))
        return path

    def eb(self, *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run EasyBuild."""
        words = " ".join(_quote(str(argument)) for argument in ("eb", *arguments))
        return self.login(words, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, **options)

    def install(self, kind: str, wheels: Sequence[Wheel | tuple[Any, ...]] = (), **changes: Any) -> str:
        """Write an easyconfig and install it; return what EasyBuild printed."""
        done = self.eb(self.write(kind, wheels, **changes), "--trace", "--rebuild")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def make_module(self, kind: str) -> None:
        """Make only the module of what is installed, which EasyBuild checks all the same."""
        done = self.eb(self.easyconfig(kind), "--module-only")
        assert done.returncode == 0, done.stdout

    def refuse(self, kind: str, wheels: Sequence[Wheel | tuple[Any, ...]] = (), **changes: Any) -> str:
        """Write an easyconfig whose installation must fail and leave nothing; return what EasyBuild printed."""
        done = self.eb(self.write(kind, wheels, **changes), "--rebuild")
        assert done.returncode != 0, done.stdout
        assert not self.module_file(kind).exists()
        assert self.leftovers() == []
        return done.stdout

    def leftovers(self) -> list[str]:
        """Return what lies among the installations of the software."""
        software = self.folder / "software" / NAME
        return sorted(path.name for path in software.iterdir()) if software.exists() else []

    def login(self, script: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a script in a login shell that knows the modules of this place."""
        options.setdefault("timeout", HANGS)
        return subprocess.run(**self.login_arguments(script, **options))

    def login_arguments(self, script: str, **options: Any) -> dict[str, Any]:
        """Return what `login` gives to `subprocess.run`: for a `subprocess.Popen` of one's own."""
        options["env"] = self.settings | (options.get("env") or {})
        script = f"module use {_quote(str(self.folder / 'modules' / 'all'))}\n{script}"
        return self.machine.login_arguments(
            script, tool=self.tool, version=self.version, user=self.user, **options
        )

    def loaded(self, kind: str, script: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a script in a login shell with a module loaded."""
        options.setdefault("timeout", HANGS)
        return subprocess.run(**self.loaded_arguments(kind, script, **options))

    def loaded_arguments(self, kind: str, script: str, **options: Any) -> dict[str, Any]:
        """Return what `loaded` gives to `subprocess.run`: for a `subprocess.Popen` of one's own."""
        return self.login_arguments(f"module load {NAME}/{VERSION}-{kind} || exit 99\n{script}", **options)

    def output(self, kind: str, script: str, **options: Any) -> str:
        """Return what a script that must succeed prints with a module loaded."""
        done = self.loaded(kind, script, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def alone(self, kind: str, arguments: str, *, env: str = "") -> str:
        """Return what a command prints that is called by its path, with hardly any variable and no module."""
        done = self.login(f"env -i {env} {self.installation(kind)}/bin/{arguments}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _quote(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
