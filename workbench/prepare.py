"""Preparing a machine: the parts in their order, each only where it is needed."""

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from workbench import debian, easybuild, images, modules, runtime, store
from workbench.machine import USER
from workbench.process import run
from workbench.progress import Progress

_DEMO_BASES = ("venv-torch",)

PARTS = ("runtime", "modules", "easybuild", "bases")
PURPOSES = ("demo", "test", "lint")


def prepare(
    *,
    purpose: str = "test",
    torch: bool = True,
    parts: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Prepare this machine; what is there already is left as it is.

    Parameters
    ----------
    purpose
        ``test`` for everything, ``demo`` for what the demo needs, ``lint`` for what the static checks need.
    torch
        Whether to build the bases that hold torch.
    parts
        Which of `PARTS` to prepare, by default all that the purpose needs. Bases need a prepared runtime.
    progress
        Where to tell what is being done.
    """
    progress = progress or Progress()
    cache = store.cache_root()
    wanted = [part for part in PARTS if part in (parts or PARTS) and (purpose != "lint" or part == "easybuild")]
    os.umask(0o022)
    with store.locked(cache, progress.note):
        store.remove_unfinished(cache)
        if purpose == "test" and os.geteuid() == 0:
            store.check_open_to_others(cache)
            _make_user(progress)
        if "runtime" in wanted:
            runtime.prepare(cache, progress)
        if "modules" in wanted:
            modules.prepare_lmod(progress)
            if purpose == "test":
                modules.prepare_environment_modules(cache, progress)
        if "easybuild" in wanted:
            _prepare_easybuild(cache, purpose, progress)
        if "bases" in wanted:
            _prepare_bases(cache, purpose, torch, progress)
        if purpose == "test":
            debian.ensure({"patchelf": "patchelf"}, "Making a relocatable Python for the tests of conda environments")
        if purpose != "demo":
            debian.ensure({"shellcheck": "shellcheck"}, "Checking shell files")


def _prepare_easybuild(cache: Path, purpose: str, progress: Progress) -> None:
    # Where the machine has an EasyBuild of its own, that is used; `ebsif` is in the virtual environment all the same.
    for version in easybuild.VERSIONS if purpose == "test" else [easybuild.DEFAULT]:
        easybuild.prepare(cache, version, progress)


def _prepare_bases(cache: Path, purpose: str, torch: bool, progress: Progress) -> None:
    program = runtime.find(cache)
    for base in images.BASES:
        if (torch or not base.big) and (purpose == "test" or base.name in _DEMO_BASES):
            images.prepare(cache, base, program, progress)


def _make_user(progress: Progress) -> None:
    if USER not in {account.pw_name for account in pwd.getpwall()}:
        run(["useradd", "--system", "--user-group", "--create-home", "--shell", "/bin/bash", USER])
        progress.note(f"User: {USER}, for the tests that must not run as root")
