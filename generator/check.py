"""Checking recipes and easyconfigs before anybody installs them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from packaging.version import InvalidVersion
from packaging.version import Version as Release

from ebsif.base.image import Base
from ebsif.base.inspect import identity
from ebsif.base.store import find_base
from ebsif.console import Console
from ebsif.document import MAXIMUM_SIZE
from ebsif.easybuild import leaving_nothing
from ebsif.easyconfig.read import EASYBLOCKS, Easyconfig, read_container
from ebsif.errors import EbsifError, ToolError
from ebsif.files import is_there, read_text, sha256
from ebsif.finding import Finding
from ebsif.generate import Plan, is_current, make_plan
from ebsif.inside.runtime import other_machine
from ebsif.lock import misfits
from ebsif.lock.sources import missing_files, source_path
from ebsif.site import RocmRange, read_site
from ebsif.slips import slips

# What a file of a name has that is meant: also one that cannot be read as a whole.
_MARKS = {
    ".eb": re.compile(rf"^easyblock *= *['\"]{EASYBLOCKS}", re.MULTILINE),
    ".yml": re.compile(r"^base *:", re.MULTILINE),
    ".yaml": re.compile(r"^base *:", re.MULTILINE),
}


def in_folder(folder: Path) -> list[Path]:
    """Return the recipes and the easyconfigs for containers in a folder, by what stands in them.

    Raises
    ------
    EbsifError
        When there are none.
    """
    found = [path for path in sorted(folder.iterdir()) if path.suffix in _MARKS and _is_meant(path)]
    if not found:
        raise EbsifError(f"there is no recipe and no easyconfig for a container in {folder}")
    return found


def _is_meant(path: Path) -> bool:
    return path.is_file() and bool(_MARKS[path.suffix].search(read_text(path, MAXIMUM_SIZE)))


def check_recipe(path: Path, console: Console) -> Iterator[Finding]:
    """Check a recipe and its easyconfig.

    Raises
    ------
    EbsifError
        When the recipe cannot be read.
    """
    plan = make_plan(path, console)
    yield Finding("recipe", f"{path} is a recipe")
    yield from _base(plan.base)
    yield from _rocm(plan.base, plan.site.rocm)
    yield from _binds(plan.settings.binds)
    yield from _variables(plan.settings.variables)
    if plan.present is None:
        yield Finding("easyconfig", f"there is no {plan.target}: run `ebsif generate`", "error")
    elif is_current(plan):
        yield Finding("easyconfig", f"{plan.target} is up to date")
        yield from _style(plan.target)
        yield from _fit(plan)
    else:
        yield Finding("easyconfig", f"{plan.target} is out of date: run `ebsif generate`", "error")


def check_easyconfig(path: Path, site_name: str, console: Console) -> Iterator[Finding]:
    """Check an easyconfig on a site.

    Raises
    ------
    EbsifError
        When it cannot be read, or the site is unknown.
    """
    easyconfig = read_container(path)
    site = read_site(site_name)
    yield Finding("easyconfig", f"{path} holds only data")
    yield from _style(path)
    # Not everybody who checks what somebody has sent wants to run what is in an image.
    base = find_base(easyconfig.image, site, path.parent, console, inspect=False)
    yield from _base(base)
    yield from _image_checksum(easyconfig, base, console)
    yield from _rocm(base, site.rocm)
    yield from _binds(easyconfig.binds)
    yield from _variables(easyconfig.variables)
    yield from _files(easyconfig, console)


def _fit(plan: Plan) -> Iterator[Finding]:
    """Tell what in the layer probably does not work on the base, as far as its files are at hand."""
    if plan.request and plan.locked:
        folder = source_path(plan.recipe.name)
        if not missing_files(plan.locked.files, folder):
            for found in misfits(plan.locked, plan.request, plan.base.known(), folder, amd=plan.site.amd):
                yield Finding("fit", found, "warning")


def _style(path: Path) -> Iterator[Finding]:
    """Run EasyBuild's own checks of contributions."""
    eb = shutil.which("eb")
    if eb is None:
        yield Finding("style", "eb is not on PATH: its own checks were not run", "warning")
        return
    words = [eb, "--check-contrib", "--detect-loaded-modules=ignore", str(path)]
    with leaving_nothing() as env:
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        yield Finding("style", "eb --check-contrib passes")
    else:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        yield Finding("style", "eb --check-contrib: " + "; ".join(lines[-5:]), "error")


def _base(base: Base) -> Iterator[Finding]:
    if base.path is None and base.manifest:
        found = f"the image {base.file} is not at hand: what its publisher says of it was taken"
        yield Finding("image", found, "warning")
    elif base.path is None:
        yield Finding("image", f"the image {base.file} is not at hand: nothing in it was checked", "warning")
    else:
        yield Finding("image", f"the image is {base.path}")
        problem = other_machine(base.file, identity(base.path).machine)
        if problem:
            yield Finding("machine", f"{problem}: `eb` installs it on a host of that kind only", "error")
        if base.manifest is None:
            found = f"nobody has looked into {base.file}: nothing in it was checked"
            yield Finding("image", found, "warning", f"ebsif inspect {base.path}")


def _image_checksum(easyconfig: Easyconfig, base: Base, console: Console) -> Iterator[Finding]:
    wanted = easyconfig.checksum
    if wanted is None:
        found = "the easyconfig has no SHA256 of its image: freeze the image, and generate it again"
        yield Finding("checksum", found, "warning")
    elif base.path:
        found = sha256(base.path, console)
        if found == wanted:
            yield Finding("checksum", f"{base.path} has the SHA256 of the easyconfig")
        else:
            yield Finding("checksum", f"{base.path} has SHA256 {found}, not {wanted}", "error")


def _rocm(base: Base, supported: RocmRange | None) -> Iterator[Finding]:
    """Compare ROCm in the container with what the site's GPU driver supports."""
    if base.rocm is None or supported is None:
        return
    versions = f"{supported.minimum} to {supported.maximum}"
    try:
        fits = _minor(supported.minimum) <= _minor(base.rocm) <= _minor(supported.maximum)
    except InvalidVersion:
        yield Finding("ROCm", f"{base.rocm} is not a version that can be compared with {versions}", "warning")
        return
    if fits:
        yield Finding("ROCm", f"ROCm {base.rocm} is supported by the site's driver ({versions})")
    else:
        yield Finding("ROCm", f"ROCm {base.rocm} is outside the range of the site's driver ({versions})", "warning")


def _minor(version: str) -> tuple[int, int]:
    release = Release(version)
    return release.major, release.minor


def _binds(binds: list[str]) -> Iterator[Finding]:
    missing = [bind for bind in binds if not is_there(Path(bind.split(":")[0]))]
    if missing:
        yield Finding("binds", f"this machine does not have, and so does not bind: {', '.join(missing)}", "warning")


def _variables(names: list[str]) -> Iterator[Finding]:
    for name, meant in slips(names).items():
        found = f"{name} looks like a slip: {meant} may be meant"
        yield Finding("variables", found, "warning", f"correct the name, if {name} is not one of your own")


def _files(easyconfig: Easyconfig, console: Console) -> Iterator[Finding]:
    lock = easyconfig.lock
    if lock is None:
        return
    try:
        folder = source_path(easyconfig.name)
    except ToolError as error:
        yield Finding("files", str(error), "warning")
        return
    missing = missing_files(lock.files, folder)
    if missing:
        yield Finding("files", f"to be downloaded: {len(missing)} of {len(lock.files)} files of the layer", "warning")
    else:
        yield Finding("files", f"all {len(lock.files)} files of the layer are in {folder}")
