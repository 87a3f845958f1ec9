"""Examining a machine: what it needs to install an easyconfig and to load its module."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.version import Version

from ebsif.console import Console
from ebsif.easybuild import leaving_nothing
from ebsif.errors import ToolError
from ebsif.files import can_write, temporary_folder
from ebsif.finding import Finding
from ebsif.inside.squashfs import COMPRESSORS, mksquashfs_command
from ebsif.lock.sources import source_path
from ebsif.process import attempt, last_line
from ebsif.runtime import find_runtime
from ebsif.site import Site

EASYBUILD = Version("5.1")

_NAMESPACES = (Path("/proc/sys/user/max_user_namespaces"), Path("/proc/sys/kernel/unprivileged_userns_clone"))
_FUSE = Path("/dev/fuse")


def examine(site: Site, console: Console, *, network: bool = False) -> Iterator[Finding]:
    """Look for everything that the main job needs.

    Parameters
    ----------
    site
        The machine, as far as it is known.
    network
        Whether to ask the package index too.
    """
    looks: list[Callable[[], Finding]] = [
        runtime,
        mounting,
        lambda: _easybuild(site),
        _easyblocks,
        _module_tool,
        _mksquashfs,
        _sources,
        lambda: _frozen_images(site),
        *([_package_index] if network else []),
    ]
    for look in looks:
        with console.waiting("looking around"):
            finding = look()
        yield finding


def runtime() -> Finding:
    """Tell which container runtime there is."""
    what = "container runtime"
    try:
        found = find_runtime()
    except ToolError as error:
        return _missing(what, "none", str(error))
    done = attempt([found.path, "--version"])
    if done.returncode != 0:
        return _missing(what, f"{found.path}, which does not work: {last_line(done)}", "have it repaired")
    return Finding(what, f"{done.stdout.strip()} ({found.path})")


def mounting() -> Finding:
    """Tell whether this user can start containers and mount layers in them."""
    what = "mounting of images"
    if os.geteuid() == 0:
        return Finding(what, "by root")
    try:
        settings = attempt([find_runtime().path, "buildcfg"]).stdout
    except ToolError:
        return _missing(what, "unknown", "install a container runtime first")
    if re.search(r"^\w+_SUID_INSTALL=1$", settings, re.MULTILINE):
        return Finding(what, "by a setuid program of the runtime")
    off = [str(switch) for switch in _NAMESPACES if switch.exists() and switch.read_text().strip() == "0"]
    if off:
        return _missing(what, f"no user namespaces ({off[0]} is 0)", "ask for them, or for a setuid runtime")
    if not os.access(_FUSE, os.R_OK | os.W_OK):
        return _missing(what, f"{_FUSE} cannot be opened", "ask that every user may, or for a setuid runtime")
    return Finding(what, f"by {_FUSE} in user namespaces")


def _easybuild(site: Site) -> Finding:
    what = f"EasyBuild {EASYBUILD} or newer"
    eb = shutil.which("eb")
    if eb is None:
        remedy = f"`{site.setup}`" if site.setup else "load the module of EasyBuild, or `pip install easybuild`"
        return _missing(what, "eb is not on PATH", remedy)
    with leaving_nothing() as env:
        done = attempt([eb, "--version"], env)
    told = re.search(r"EasyBuild ([0-9.]*[0-9])", done.stdout)
    if told is None:
        return _missing(what, f"{eb} tells no version: {last_line(done)}", "see what `eb --version` says")
    if Version(told.group(1)) < EASYBUILD:
        return _missing(what, f"{told.group(1)} ({eb})", "load a newer module of EasyBuild")
    return Finding(what, f"{told.group(1)} ({eb})")


def _easyblocks() -> Finding:
    what = "easyblocks"
    eb = shutil.which("eb")
    if eb is None:
        return _missing(what, "unknown", "get EasyBuild first")
    with leaving_nothing() as env:
        done = attempt([eb, "--list-easyblocks"], env)
    if re.search(r"\bSifVenv\b", done.stdout):
        return Finding(what, "EasyBuild finds SifVenv")
    remedy = "install ebsif beside EasyBuild, or `ebsif deploy` to a repository whose easyblocks EasyBuild includes"
    return _missing(what, "EasyBuild does not find SifVenv", remedy)


def _module_tool() -> Finding:
    what = "module tool"
    lmod = os.environ.get("LMOD_CMD") or shutil.which("lmod")
    if lmod and Path(lmod).exists():
        return Finding(what, f"Lmod ({lmod})")
    tcl = os.environ.get("MODULES_CMD") or shutil.which("modulecmd.tcl") or shutil.which("modulecmd")
    if tcl and Path(tcl).exists():
        return Finding(what, f"Environment Modules ({tcl})")
    remedy = "install Lmod or Environment Modules, and start a login shell, so that `module` is defined"
    return _missing(what, "neither Lmod nor Environment Modules", remedy)


def _mksquashfs() -> Finding:
    """Try to make an empty layer, with the best compressor first."""
    what = "mksquashfs 4.4 or newer"
    program = shutil.which("mksquashfs")
    if program is None:
        return _missing(what, "not on PATH", "install squashfs-tools, or load the module that provides it")
    with temporary_folder() as folder:
        nothing = folder / "nothing"
        nothing.mkdir()
        for compressor in COMPRESSORS:
            target = folder / f"{compressor}.squashfs"
            done = attempt(mksquashfs_command(program, str(nothing), str(target), compressor))
            if done.returncode == 0:
                return Finding(what, f"{program}, with {compressor}")
    return _missing(what, f"{program} cannot make layers: {last_line(done)}", "install squashfs-tools 4.4 or newer")


def _sources() -> Finding:
    what = "folder for sources"
    try:
        folder = source_path("PyTorch").parents[2]
    except ToolError as error:
        return _missing(what, "unknown", str(error))
    if can_write(folder):
        return Finding(what, str(folder))
    return _missing(what, f"{folder}, which you may not write to", "set EASYBUILD_SOURCEPATH to a folder of your own")


def _frozen_images(site: Site) -> Finding:
    what = "folder of frozen images"
    there = [str(folder) for folder in site.frozen_folders() if folder.is_dir()]
    if there:
        return Finding(what, ", ".join(there))
    remedy = "`ebsif freeze` makes one, unless you give images by their path"
    return Finding(what, f"none of the site {site.name}", "warning", remedy)


def _package_index() -> Finding:
    what = "package index"
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--disable-pip-version-check", "--retries=1"]
    done = attempt([sys.executable, "-m", "pip", "install", *options, "pip"])
    if done.returncode == 0:
        return Finding(what, "pip reaches it")
    return _missing(what, f"pip does not reach it: {last_line(done)}", "set pip's proxy or index (`pip config`)")


def _missing(what: str, found: str, remedy: str) -> Finding:
    """Return a finding without which the main job cannot be done."""
    return Finding(what, found, "error", remedy)
