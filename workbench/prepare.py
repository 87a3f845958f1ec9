"""Preparing a machine: the parts in their order, each only where it is needed."""

import os
import pwd
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from workbench import debian, distribution, easybuild, images, modules, pythons, runtime, store, wheels
from workbench.machine import USER
from workbench.process import run
from workbench.progress import Progress

# The bases of those who do not need all.
_BASES = {"demo": ("venv-torch",), "bench": ("conda-torch", "venv-torch")}

# What cluster.sh runs: only root can.
_SLURM = {"slurmctld": "slurmctld", "slurmd": "slurmd", "srun": "slurm-client", "munged": "munge", "ip": "iproute2"}
# What the tests of reproducible layers build with, and pretend by to be elsewhere at another time.
_ANOTHER_MACHINE = {
    "gcc": "gcc",
    f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1": "libfaketime",
    "/usr/share/i18n/locales/tr_TR": "locales",
}
# The machine's MPI, for containers: its library alone.
MPI = f"/usr/lib/{os.uname().machine}-linux-gnu/libmpich.so.12"

PARTS = ("runtime", "modules", "easybuild", "bases")
PURPOSES = ("demo", "test", "bench", "lint", "docs")
# Nothing of these is installed or run.
_ONLY_READ = ("lint", "docs")


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
        ``test`` for everything, ``demo`` and ``bench`` for what the demo and the benchmarks need, ``lint`` and
        ``docs`` for what the static checks and the documentation need.
    torch
        Whether to build the bases that hold torch.
    parts
        Which of `PARTS` to prepare, by default all that the purpose needs. Bases need a prepared runtime.
    progress
        Where to tell what is being done.
    """
    progress = progress or Progress()
    cache = store.cache_root()
    wanted = [part for part in PARTS if part in (parts or PARTS) and (purpose not in _ONLY_READ or part == "easybuild")]
    os.umask(0o022)
    with store.locked(cache, progress.note):
        store.remove_unfinished(cache)
        if purpose in ("test", "bench") and os.geteuid() == 0:
            store.check_open_to_others(cache)
            _make_user(progress)
        tools = {} if purpose in ("demo", "docs") else {"shellcheck": "shellcheck"}
        if purpose == "bench":
            tools["strace"] = "strace"
        if purpose == "test":
            tools["patchelf"] = "patchelf"  # the tests of conda environments make a relocatable Python
            tools["openssl"] = "openssl"  # hosts of the internet, which tests have on this machine, have certificates
            tools |= _ANOTHER_MACHINE
            if os.geteuid() == 0:
                tools |= _SLURM | {MPI: "libmpich12"}
        debian.ensure(tools, "Checking and testing")
        if "runtime" in wanted:
            runtime.prepare(cache, progress)
        if "modules" in wanted:
            modules.prepare_lmod(progress)
            if purpose == "test":
                modules.prepare_environment_modules(cache, progress)
        bases = [base for base in images.BASES if "bases" in wanted and _is_needed(base, purpose, torch)]
        layers = ["kernel", "mpi"] if purpose == "test" and bases else []
        layers += ["demo", "vision", "jax"] if layers and any(base.big for base in bases) else []
        layers += wheels.MEASURED if purpose == "bench" else []
        # Also where the machine has an EasyBuild of its own, which is used: `ebsif` is in the virtual environment.
        versions = [easybuild.DEFAULT] if "easybuild" in wanted else []
        others = [*easybuild.VERSIONS[1:], *easybuild.CHECKED_VERSIONS] if versions and purpose == "test" else []
        other_pythons = [*pythons.VERSIONS, pythons.OLDEST] if others else []
        if versions:
            easybuild.prepare_project(cache, progress)
        _do_at_once(
            partial(images.prepare_parts, cache, bases, progress),
            *(partial(easybuild.prepare, cache, version, progress) for version in [*versions, *others]),
            *(partial(wheels.prepare, cache, layer, progress) for layer in layers),
        )
        # With which the bases are made: when those are there, nobody else has downloaded it.
        later = ["torch"] if purpose == "bench" and bases else []
        bases.sort(key=lambda base: not base.big)  # what takes longest is begun first
        _do_at_once(
            *(partial(images.prepare, cache, base, runtime.find(cache), progress) for base in bases),
            *(partial(pythons.prepare, cache, version, progress) for version in other_pythons),
            *([partial(distribution.prepare_wheels, cache, progress)] if others else []),
            *(partial(wheels.prepare, cache, layer, progress) for layer in later),
        )


def lock() -> None:
    """Look up anew what ebsif needs, and write it into its easyconfig."""
    progress = Progress()
    prepare(purpose="lint", progress=progress)
    distribution.lock(store.cache_root(), progress)


def hand_over(folder: Path) -> None:
    """Make the archive and the wheel of this project, and the easyconfig for that archive, in a folder."""
    progress, cache = Progress(), store.cache_root()
    with store.locked(cache, progress.note):
        easybuild.prepare_project(cache, progress)
        for path in distribution.hand_over(cache, folder):
            progress.note(str(path))


def _is_needed(base: images.Base, purpose: str, torch: bool) -> bool:
    return (torch or not base.big) and base.name in _BASES.get(purpose, [base.name])


def _do_at_once(*tasks: Callable[[], None]) -> None:
    """Do tasks that need nothing of each other, as many at a time as there are processors."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for done in as_completed([pool.submit(task) for task in tasks]):
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _make_user(progress: Progress) -> None:
    if USER not in {account.pw_name for account in pwd.getpwall()}:
        run(["useradd", "--system", "--user-group", "--create-home", "--shell", "/bin/bash", USER])
        progress.note(f"User: {USER}, for the tests that must not run as root")
