"""From a recipe to its easyconfig."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.base.manifest import SUFFIX
from ebsif.base.store import base_of
from ebsif.console import Console
from ebsif.document import Document
from ebsif.easyconfig.read import parse_easyconfig, read_easyconfig
from ebsif.easyconfig.render import render
from ebsif.errors import EbsifError
from ebsif.feature import Feature, asked_features
from ebsif.files import write_atomically
from ebsif.lock import (
    LayerRequest,
    check_format,
    check_upgraded,
    digest,
    fetch,
    is_outdated,
    kept_summary,
    misfits,
    request,
    resolve,
)
from ebsif.lock.model import Lock
from ebsif.lock.sources import image_folders, missing_files, source_path
from ebsif.lock.summary import Summary
from ebsif.names import easyconfig_name, module_name
from ebsif.recipe import Recipe, read_recipe
from ebsif.runtime import Runtime, find_runtime
from ebsif.settings import ModuleSettings, merged, unnamed_folders
from ebsif.site import Site, read_site


@dataclass(frozen=True)
class Plan:
    """A recipe, with everything that it refers to.

    Parameters
    ----------
    path
        The recipe's file.
    recipe, document
        The recipe, and where each of its values stands.
    site
        Its site.
    base
        Its base, with what is known of it.
    request
        What it asks to lock; None when it has no layer, or a layer that its user fills.
    target
        The easyconfig's file.
    present
        The text of the existing easyconfig; None when there is none.
    locked
        The lock in the existing easyconfig.
    features
        What it brings of the machine.
    content_digest
        What the layer of the existing easyconfig must hold; None when that is open.
    """

    path: Path
    recipe: Recipe
    document: Document
    site: Site
    base: Base
    request: LayerRequest | None
    target: Path
    present: str | None
    locked: Lock | None
    features: tuple[Feature, ...] = ()
    content_digest: str | None = None

    @property
    def settings(self) -> ModuleSettings:
        """What the module sets, as site, family of images, features and recipe say it."""
        return merged(self.site.settings(self.base.family), *self.features, self.recipe)

    @property
    def inputs(self) -> str | None:
        """The digest of everything that the lock depends on; None for a layer without a lock."""
        return digest(self.request, self.base.known()) if self.request else None

    @property
    def lock_is_current(self) -> bool:
        """Whether the existing lock still is the lock of the recipe."""
        return self.inputs == (self.locked.inputs if self.locked else None)

    def text(self, lock: Lock | None) -> str:
        """Return the text of the easyconfig with a lock, and with what the layer must hold while it stays the same."""
        text = self._rendered(lock, None)
        if self.content_digest is None or self.present is None:
            return text
        before, now = (parse_easyconfig(found, self.target) for found in (self.present, text))
        return self._rendered(lock, self.content_digest) if before.layer == now.layer else text

    def _rendered(self, lock: Lock | None, content_digest: str | None) -> str:
        about = (self.recipe, self.path.name, self.site, self.base, lock, self.request, self.features)
        return render(*about, content_digest)


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
    summary
        What the recipe asks for, and what comes of it; None for a layer without a lock.
    warnings
        What in the layer probably does not work on the base, a sentence each.
    """

    plan: Plan
    text: str
    lock: Lock | None
    summary: Summary | None = None
    warnings: Sequence[str] = ()

    @property
    def changed(self) -> bool:
        """Whether it differs from the existing file."""
        return self.text != self.plan.present

    @property
    def module(self) -> str:
        """The module that the easyconfig gives."""
        return module_name(self.plan.recipe, self.plan.base)


def make_plan(path: Path, console: Console, *, folder: Path | None = None) -> Plan:
    """Read a recipe and everything that it refers to; inspect the base if nobody has done so yet.

    Parameters
    ----------
    path
        The recipe.
    folder
        The folder for the easyconfig; by default that of the recipe.

    Raises
    ------
    EbsifError
        When a part cannot be read, or the parts do not fit together.
    """
    recipe, document = read_recipe(path)
    site = read_site(recipe.site, path.parent)
    base = base_of(recipe, document, site, console)
    features = asked_features(recipe, document, site, base, console)
    if unnamed := unnamed_folders(site.settings(base.family), *features, recipe):
        where = "of the recipe, nor in that of its site, family and features"
        raise document.error(("start_folders",), f"start_folders: {unnamed} is not in start_env {where}")
    wanted = request(recipe, document, base)
    if wanted and base.path is None:
        _check_without_image(recipe, document, base)
    target = (folder or path.parent) / easyconfig_name(recipe, base)
    there = read_easyconfig(target) if target.exists() else None
    if there and there.lock:
        check_format(there.lock, target)
    present = target.read_text(encoding="utf-8") if there else None
    locked = there.lock if there else None
    pinned = there.content_digest if there else None
    return Plan(path, recipe, document, site, base, wanted, target, present, locked, features, pinned)


def _check_without_image(recipe: Recipe, document: Document, base: Base) -> None:
    """Refuse a recipe that can only be locked where its image is."""
    missing = f"the image {base.file} is not at hand, and "
    if base.manifest is None:
        raise document.error(
            ("base",),
            f"{missing}packages can only be locked on it, or on what its publisher says of it: `ebsif inspect` on the "
            f"publisher's list makes {base.file}{SUFFIX}, which belongs beside the recipe",
        )
    if recipe.layer == "conda":
        raise document.error(("layer",), f"{missing}an environment of conda can only be locked on it")
    if recipe.allow_source:
        raise document.error(("allow_source",), f"{missing}only its Python can tell how source packages are built")


def is_current(plan: Plan) -> bool:
    """Tell whether the existing easyconfig is the one that the recipe gives; nothing is resolved or written."""
    return plan.lock_is_current and plan.text(plan.locked) == plan.present


def generate(
    plan: Plan,
    console: Console,
    *,
    upgrade: Sequence[str] | None = None,
    sources: Path | None = None,
    keep: bool = True,
) -> Generated:
    """Make the easyconfig of a plan, and fetch the files of its layer; warn of what probably does not work on the base.

    Parameters
    ----------
    upgrade
        The packages to look for newer versions of; an empty sequence for all of them; None to keep a lock that
        still fits the recipe.
    sources
        The folder for the files; by default EasyBuild's for this software.
    keep
        Whether new files stay there.

    Raises
    ------
    EbsifError
        When no set of packages fits together and on the base.
    """
    if plan.request is None:
        if upgrade is not None:
            raise EbsifError(f"{plan.path} asks for no packages: there is nothing to upgrade")
        return Generated(plan, plan.text(None), None)
    check_upgraded(upgrade or (), plan.request, plan.locked, plan.target)
    sources = sources or source_path(plan.recipe.name)
    if plan.lock_is_current and upgrade is None and plan.locked:
        kept = _kept(plan, plan.locked, console)
        if missing_files(plan.locked.files, sources):
            fetch(plan.locked, plan.request, plan.base, _runtime(plan), sources, console)
        _check_exceptions(plan, plan.locked)
        warnings = misfits(plan.locked, plan.request, plan.base.known(), sources, amd=plan.site.amd)
        return _warned(replace(kept, warnings=warnings), console)
    previous = plan.locked if upgrade is None or upgrade else None
    if previous and is_outdated(previous):
        console.note(
            f"an older ebsif has locked {plan.target}, and did not note all that a lock depends on: it is locked anew, "
            "and keeps its versions where they still fit"
        )
    resolved = resolve(
        plan.request,
        plan.base,
        _runtime(plan),
        sources,
        console,
        amd=plan.site.amd,
        previous=previous,
        upgrade=upgrade or (),
        keep=keep,
    )
    _check_exceptions(plan, resolved.lock)
    text = plan.text(resolved.lock)
    return _warned(Generated(plan, text, resolved.lock, resolved.summary, resolved.warnings), console)


def _kept(plan: Plan, lock: Lock, console: Console) -> Generated:
    """Return the easyconfig with the lock that it has, and tell what that is."""
    assert plan.request
    told = kept_summary(lock, plan.request, plan.base.known())
    for line in told.lines():
        console.note(line)
    return Generated(plan, plan.text(lock), lock, told)


def _warned(made: Generated, console: Console) -> Generated:
    for warning in made.warnings:
        console.warn(warning)
    return made


def _runtime(plan: Plan) -> Runtime | None:
    """Return the runtime that starts the image; None where there is no image to start."""
    return find_runtime() if plan.base.path else None


def _check_exceptions(plan: Plan, lock: Lock) -> None:
    """Refuse exceptions for packages that nobody would import anyway."""
    there = {file.key for file in lock.installed}
    for name in plan.recipe.import_exceptions:
        if canonicalize_name(name) not in there:
            raise plan.document.error(("import_exceptions", name), f"{name} is not in the layer: remove the exception")


def preview(
    plan: Plan, console: Console, *, upgrade: Sequence[str] | None = None, sources: Path | None = None
) -> Generated:
    """Make the easyconfig of a plan as `generate` does, without leaving any file behind."""
    if plan.lock_is_current and upgrade is None:
        return _kept(plan, plan.locked, console) if plan.locked else Generated(plan, plan.text(None), None)
    return generate(plan, console, upgrade=upgrade, sources=sources, keep=False)


def eb_finds_image(plan: Plan) -> bool:
    """Return whether EasyBuild will find the image; also True where the image is not on this machine."""
    if plan.base.path is None or plan.recipe.base.startswith("/"):
        return True
    if any((folder / plan.base.file).exists() for folder in (*plan.site.frozen_folders(), plan.target.parent)):
        return True
    try:
        return any((folder / plan.base.file).exists() for folder in image_folders(plan.recipe.name))
    except EbsifError:
        return True  # nobody can tell


def write(generated: Generated) -> None:
    """Write an easyconfig to its file."""
    plan = generated.plan
    plan.target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(plan.target, generated.text.encode(), 0o644)
