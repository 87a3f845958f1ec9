"""The module tools: Lmod, and Environment Modules for the tests of Tcl modules."""

import inspect
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from workbench import debian, store
from workbench.errors import NotPreparedError
from workbench.progress import Progress

_DEBIANS_LMOD = Path("/usr/share/lmod/lmod/libexec/lmod")
_PACKAGE = "environment-modules"
_OWN_FOLDER = re.compile(rb"/usr/lib/|/usr/share/modules|/etc/environment-modules")


@dataclass(frozen=True)
class ModuleTool:
    """A module tool: the program behind the `module` function, and the file that defines this function in bash."""

    command: Path
    init: Path


def find_lmod() -> ModuleTool:
    """Return the machine's Lmod.

    Raises
    ------
    NotPreparedError
        When it has none.
    """
    command = Path(os.environ.get("LMOD_CMD") or shutil.which("lmod") or _DEBIANS_LMOD)
    init = command.resolve().parents[1] / "init" / "bash"
    if not init.exists():
        raise NotPreparedError("Lmod")
    return ModuleTool(command, init)


def find_environment_modules(cache: Path) -> ModuleTool:
    """Return the Environment Modules that lie in the cache.

    Raises
    ------
    NotPreparedError
        When they have not been unpacked.
    """
    prefix = _prefix(cache)
    if not prefix.exists():
        raise NotPreparedError("Environment Modules")
    return ModuleTool(prefix / "usr/lib/modulecmd.tcl", prefix / "usr/share/modules/init/bash")


def prepare_lmod(progress: Progress) -> None:
    """See to it that the machine has Lmod."""
    try:
        tool = find_lmod()
    except NotPreparedError:
        with progress.step("Lmod: installing"):
            debian.ensure({str(_DEBIANS_LMOD): "lmod"}, "Loading modules")
        tool = find_lmod()
    progress.note(f"Lmod: {tool.command}")


def prepare_environment_modules(cache: Path, progress: Progress) -> None:
    """Unpack Environment Modules into the cache: as a Debian package they and Lmod exclude each other."""
    debian.ensure({"tclsh8.6": "tcl8.6", "dpkg": "dpkg"}, "Environment Modules, for the tests of Tcl modules,")
    prefix = _prefix(cache)
    if not prefix.exists():
        with progress.step("Environment Modules: unpacking"), store.published(prefix) as work:
            debian.unpack([_PACKAGE], work)
            _move(work, prefix)
    progress.note(f"Environment Modules: {find_environment_modules(cache).command}")


def _prefix(cache: Path) -> Path:
    return cache / f"environment-modules-{store.key(_PACKAGE, _OWN_FOLDER, inspect.getsource(_move))}"


def _move(work: Path, final: Path) -> None:
    """Write the package's own folders as they are below `final` into each of its scripts that names them."""
    for path in work.rglob("*"):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b"\0"
        if b"\0" not in content:
            path.write_bytes(_OWN_FOLDER.sub(lambda found: bytes(final) + found[0], content))
