"""Making the next version of a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ebsif import document
from ebsif.base.image import Base
from ebsif.base.store import base_of, find_base
from ebsif.compare import Changes, changes, of_easyconfig, of_manifest
from ebsif.console import Console
from ebsif.easyconfig.read import read_easyconfig
from ebsif.edit import edited, replaced_item
from ebsif.errors import EbsifError
from ebsif.files import read_text, write_atomically
from ebsif.generate import Plan, generate, make_plan, write
from ebsif.lock import request
from ebsif.names import SUFFIX, easyconfig_name, python_version, software_version
from ebsif.recipe import Recipe, read_recipe
from ebsif.site import Site, read_site


@dataclass(frozen=True)
class Bumped:
    """The next version of a recipe, written beside it.

    Parameters
    ----------
    recipe, easyconfig
        The files that were written.
    module
        The module that the easyconfig gives.
    changes
        What is different from the version before.
    """

    recipe: Path
    easyconfig: Path
    module: str
    changes: Changes


def bump(
    path: Path,
    console: Console,
    *,
    base: Path | None = None,
    date: str | None = None,
    sources: Path | None = None,
) -> Bumped:
    """Make the next version of a recipe, and its easyconfig.

    Parameters
    ----------
    path
        The recipe.
    base
        The image to go to: a path, or a name in the site's folders; by default the same, with newer packages on top.
    date
        The date in the new name, as YYYYMMDD.
    sources
        The folder for the packages' files; by default EasyBuild's for this software.

    Raises
    ------
    EbsifError
        When the new base is not at hand, or the name would stay the same; then nothing is written.
    """
    before = _before(path, console, leaves_base=base is not None)
    new_base = _new_base(before, base, console) if base else before.base
    text = edited(path.read_text(encoding="utf-8"), _values(before, new_base, base, date), after="version")
    text = _moved(text, before, new_base)
    if base and before.recipe.date and not date and not (new_base.name and new_base.name.date):
        console.warn(f"the name of {new_base.file} has no date: that of the recipe, {before.recipe.date}, stays; "
                     "--date gives another one")
    recipe = document.validate(Recipe, document.parse(text, path))
    easyconfig = path.parent / easyconfig_name(recipe, new_base)
    target = easyconfig.with_suffix(path.suffix)
    taken = [file for file in (target, easyconfig) if file.exists() or file == before.easyconfig]
    # Alone, and with the very text, the recipe is what a bump that was killed has left.
    if taken and not (taken == [target] and read_text(target, document.MAXIMUM_SIZE) == text):
        raise EbsifError(
            f"the next version would be {taken[0]}, which is there already: tell it apart with --date, or change the "
            "`variant` in the recipe"
        )
    return _written(before, target, text, console, sources)


@dataclass(frozen=True)
class _Before:
    """The current version of the recipe; its base may be gone."""

    path: Path
    recipe: Recipe
    site: Site
    base: Base
    easyconfig: Path


def _before(path: Path, console: Console, *, leaves_base: bool) -> _Before:
    recipe, written = read_recipe(path)
    site = read_site(recipe.site, path.parent)
    # Check this recipe first: messages must name its lines, not those of the new recipe, which is removed on failure.
    if not leaves_base:
        base_of(recipe, written, site, console)
    base = find_base(recipe.base, site, path.parent, console)
    request(recipe, written, base)
    # Without the base, only an easyconfig named after the recipe can be found.
    beside = path.with_suffix(SUFFIX)
    return _Before(path, recipe, site, base, beside if beside.exists() else path.parent / easyconfig_name(recipe, base))


def _new_base(before: _Before, base: Path, console: Console) -> Base:
    found = find_base(str(base), before.site, Path(), console)
    if found.path is None:
        raise EbsifError(
            f"there is no image {base}: `ebsif list --bases --site {before.recipe.site}` lists those of the site"
        )
    return found


def _values(before: _Before, base: Base, given: Path | None, date: str | None) -> Mapping[str, str | None]:
    """Return the values of the recipe that are different in its next version."""
    values: dict[str, str | None] = {}
    if given and base.path:
        named = base.path.parent in before.site.image_folders()
        values["base"] = base.file if named else _beside(base.path, before.path.parent)
        values["version"] = software_version(before.recipe.name, base) or before.recipe.version
        # The new base is there: its manifest says it all.
        values["expected"] = None
        if base.name and base.name.date:
            values["date"] = base.name.date
    if date:
        values["date"] = date
    return values


def _moved(text: str, before: _Before, base: Base) -> str:
    """Return the text of a recipe in which names that contain a version of the old base have that of the new one."""
    old, new = python_version(before.recipe, before.base), base.python
    # A conda layer has a Python of its own.
    if old and new and before.recipe.layer != "conda":
        text = replaced_item(text, "commands", f"python{old}", f"python{new}")
    names = [side.name.with_ if side.name else () for side in (before.base, base)]
    for was, now in zip(*names, strict=False):
        text = replaced_item(text, "with", was, now)
    return text


def _beside(image: Path, folder: Path) -> str:
    """Return a path as a recipe in a folder names it."""
    return image.name if image.parent == folder else str(image.absolute())


def _written(before: _Before, target: Path, text: str, console: Console, sources: Path | None) -> Bumped:
    """Write the new recipe and its easyconfig; remove the recipe if the easyconfig cannot be made."""
    try:
        write_atomically(target, text.encode(), 0o644)
        plan = make_plan(target, console)
        made = generate(plan, console, upgrade=() if plan.request else None, sources=sources)
        write(made)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Bumped(target, plan.target, made.module, _changes(before, plan))


def _changes(before: _Before, after: Plan) -> Changes:
    bases = [side.base.manifest for side in (before, after)]
    found = changes(*(of_manifest(manifest) for manifest in bases if manifest)) if all(bases) else Changes()
    if not before.easyconfig.exists():
        return found
    layers = changes(of_easyconfig(read_easyconfig(before.easyconfig)), of_easyconfig(read_easyconfig(after.target)))
    return Changes(found.settings, found.base, layers.layer)
