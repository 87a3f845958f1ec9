"""From a recipe to its easyconfig."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.base.store import base_of
from ebsif.console import Console
from ebsif.document import Document
from ebsif.easyconfig.read import read_easyconfig
from ebsif.easyconfig.render import Requested, render
from ebsif.errors import EbsifError
from ebsif.files import write_atomically
from ebsif.lock.ground import ground_of
from ebsif.lock.inputs import digest
from ebsif.lock.model import Lock
from ebsif.lock.requirements import Wanted, wanted_packages
from ebsif.lock.resolve import Resolved, fetch, resolve
from ebsif.lock.sources import image_folders, missing_files, source_path
from ebsif.names import easyconfig_name, module_name
from ebsif.recipe import Recipe, read_recipe
from ebsif.runtime import Runtime, find_runtime
from ebsif.site import Site, read_site

# The library that solves for conda is large: only what has to do with conda imports it.
if TYPE_CHECKING:
    from ebsif.conda.asked import Asked


@dataclass(frozen=True)
class Plan:
    """A recipe with all that it refers to.

    Parameters
    ----------
    path
        The recipe's file.
    recipe, document
        The recipe, and where each of its values stands.
    site
        Its site.
    base
        Its base, as far as it is known.
    asked
        What it asks conda for; None when its layer is none of conda.
    wanted
        The packages that it asks pip for; None when there are none.
    target
        The easyconfig's file.
    present
        The text of the easyconfig that is there already; None when there is none.
    locked
        The lock of that.
    """

    path: Path
    recipe: Recipe
    document: Document
    site: Site
    base: Base
    asked: "Asked | None"
    wanted: Wanted | None
    target: Path
    present: str | None
    locked: Lock | None

    @property
    def inputs(self) -> str | None:
        """The digest of all that the lock is made from; None for an easyconfig that needs none."""
        if self.asked:
            from ebsif.conda import inputs

            return inputs.digest(self.asked, self.wanted, self.recipe, self.base.known())
        return digest(self.wanted, self.recipe, self.base.known()) if self.wanted else None

    @property
    def has_lock(self) -> bool:
        """Whether the layer has files that are locked; else its user fills it, or there is none."""
        return bool(self.asked or self.wanted)

    @property
    def lock_is_current(self) -> bool:
        """Whether the lock that is there is that of the recipe as it stands."""
        return self.inputs == (self.locked.inputs if self.locked else None)

    def text(self, lock: Lock | None) -> str:
        """Return the text of the easyconfig with a lock."""
        return render(self.recipe, self.path.name, self.site, self.base, lock, self._requested(lock))

    def _requested(self, lock: Lock | None) -> Requested:
        # What the base has, or a marker leaves out, is not in the layer.
        locked = {canonicalize_name(file.name) for file in lock.installed if not file.is_conda} if lock else set()
        names = [name for name in self.wanted.names if canonicalize_name(name) in locked] if self.wanted else []
        if self.asked is None:
            return Requested(tuple(names))
        specs = [spec.text for spec in self.asked.specs]
        return Requested((*specs, *names), tuple(self.asked.names), self.asked.variables)


@dataclass(frozen=True)
class Generated:
    """An easyconfig.

    Parameters
    ----------
    plan
        What it was made from.
    text
        Its text.
    lock
        The files of its layer.
    from_base
        Version of each package that the recipe leads to and that the base has; empty when the lock was kept.
    """

    plan: Plan
    text: str
    lock: Lock | None
    from_base: Mapping[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether it differs from the file that is there."""
        return self.text != self.plan.present

    @property
    def module(self) -> str:
        """The module that the easyconfig gives."""
        return module_name(self.plan.recipe, self.plan.base)


def make_plan(path: Path, console: Console, *, folder: Path | None = None) -> Plan:
    """Read a recipe and all that it refers to; the base is looked into if nobody has done so yet.

    Parameters
    ----------
    path
        The recipe.
    folder
        Where the easyconfig is to be; by default beside the recipe.

    Raises
    ------
    EbsifError
        When something of it cannot be read, or does not fit together.
    """
    recipe, document = read_recipe(path)
    site = read_site(recipe.site, path.parent)
    base = base_of(recipe, document, site, console)
    asked, wanted = wishes(recipe, document, base)
    if (asked or wanted) and not base.manifest:
        raise document.error(("base",), f"the image {base.file} is not at hand, and packages can only be locked on it")
    target = (folder or path.parent) / easyconfig_name(recipe, base)
    there = read_easyconfig(target) if target.exists() else None
    present = target.read_text(encoding="utf-8") if there else None
    return Plan(path, recipe, document, site, base, asked, wanted, target, present, there.lock if there else None)


def wishes(recipe: Recipe, document: Document, base: Base) -> "tuple[Asked | None, Wanted | None]":
    """Return what a recipe asks conda for, and what it asks pip for.

    Raises
    ------
    InputError
        With file and line, when a file is missing, or something in it cannot be used.
    """
    if recipe.layer != "conda":
        return None, wanted_packages(recipe, document) if recipe.has_packages else None
    from ebsif.conda.asked import asked_for
    from ebsif.conda.virtual import platform_of

    asked = asked_for(recipe, document, platform_of(base.manifest) if base.manifest else None)
    return asked, wanted_packages(recipe, document, asked.pip) if recipe.has_packages or asked.pip else None


def is_current(plan: Plan) -> bool:
    """Tell whether the easyconfig that is there is that of the recipe; nothing is resolved or written."""
    return plan.lock_is_current and plan.text(plan.locked) == plan.present


def generate(
    plan: Plan, console: Console, *, upgrade: Sequence[str] | None = None, sources: Path | None = None
) -> Generated:
    """Make the easyconfig of a plan, and fetch the files of its layer.

    Parameters
    ----------
    upgrade
        The packages to look for newer versions of; none for all of them, and None to keep a lock that is still
        that of the recipe.
    sources
        The folder for the files; by default EasyBuild's for this software.

    Raises
    ------
    EbsifError
        When the packages cannot be had together on the base.
    """
    if not plan.has_lock:
        if upgrade is not None:
            raise EbsifError(f"{plan.path} asks for no packages, so that there is nothing to upgrade")
        return Generated(plan, plan.text(None), None)
    _check_upgraded(plan, upgrade or ())
    runtime = find_runtime()
    sources = sources or source_path(plan.recipe.name)
    if plan.lock_is_current and upgrade is None and plan.locked:
        if missing_files(plan.locked, sources):
            _fetch(plan, plan.locked, runtime, sources, console)
        return Generated(plan, plan.text(plan.locked), plan.locked)
    previous = plan.locked if upgrade is None or upgrade else None
    resolved = _resolve(plan, previous, upgrade or (), runtime, sources, console)
    return Generated(plan, plan.text(resolved.lock), resolved.lock, resolved.from_base)


def _resolve(
    plan: Plan, previous: Lock | None, upgrade: Sequence[str], runtime: Runtime, sources: Path, console: Console
) -> Resolved:
    """Make the lock of a plan anew, and put its files into a folder."""
    if plan.asked:
        from ebsif.conda import resolve as conda

        return conda.resolve(
            plan.asked,
            plan.wanted,
            plan.recipe,
            plan.base,
            runtime,
            sources,
            console,
            previous=previous,
            upgrade=upgrade,
        )
    if plan.wanted is None:
        raise EbsifError(f"{plan.path} asks for no packages")
    return resolve(
        plan.wanted, plan.recipe, plan.base, runtime, sources, console, previous=previous, upgrade=upgrade
    )


def _fetch(plan: Plan, lock: Lock, runtime: Runtime, sources: Path, console: Console) -> None:
    """Put the files of a lock that is kept into a folder."""
    if plan.asked:
        from ebsif.conda import resolve as conda

        conda.fetch(lock, plan.wanted, plan.recipe, plan.base, runtime, sources, console)
    elif plan.wanted:
        fetch(lock.files, plan.wanted, plan.recipe, ground_of(plan.base), runtime, sources, console)


def _check_upgraded(plan: Plan, names: Sequence[str]) -> None:
    """Refuse names to upgrade that lead nowhere."""
    if plan.asked or plan.wanted is None or plan.locked is None:
        return  # conda packages are named in other ways, and what was never locked is resolved anew
    known = [*(file.name for file in plan.locked.files), *plan.wanted.names]
    spelled = {str(canonicalize_name(name)): name for name in known}
    for name in names:
        if canonicalize_name(name) not in spelled:
            nearest = get_close_matches(canonicalize_name(name), spelled, n=1)
            hint = f"did you mean {spelled[nearest[0]]}?" if nearest else "it lists what is in it under exts_list"
            raise EbsifError(f"{name} is not in the layer of {plan.target}, so that it cannot be upgraded: {hint}")


def preview(plan: Plan, console: Console, *, upgrade: Sequence[str] | None = None) -> Generated:
    """Make the easyconfig of a plan as `generate` does, without leaving any file behind."""
    if plan.lock_is_current and upgrade is None:
        return Generated(plan, plan.text(plan.locked), plan.locked)
    with tempfile.TemporaryDirectory(prefix="ebsif-") as folder:
        return generate(plan, console, upgrade=upgrade, sources=Path(folder))


def eb_finds_image(plan: Plan) -> bool:
    """Return whether EasyBuild will find the image of the easyconfig, as far as it is on this machine at all."""
    if plan.base.path is None or plan.recipe.base.startswith("/"):
        return True
    if any((folder / plan.base.file).exists() for folder in (*plan.site.frozen_folders(), plan.target.parent)):
        return True
    try:
        return any((folder / plan.base.file).exists() for folder in image_folders(plan.recipe.name))
    except EbsifError:
        return True  # as far as anybody knows


def write(generated: Generated) -> None:
    """Write an easyconfig to its file."""
    plan = generated.plan
    plan.target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(plan.target, generated.text.encode(), 0o644)
