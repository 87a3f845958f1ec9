"""The command ``new``."""

import argparse
import difflib
import re
from pathlib import Path
from typing import Any, NoReturn

from ebsif.base.store import find_base
from ebsif.console import Console
from ebsif.document import MAXIMUM_SIZE
from ebsif.errors import EbsifError
from ebsif.files import is_there, read_text, write_atomically
from ebsif.lock.conda.environment import read_environment
from ebsif.lock.pip.foreign import MAXIMUM_SIZE as MAXIMUM_LOCK
from ebsif.lock.pip.foreign import is_lock
from ebsif.lock.pip.line import Entry
from ebsif.lock.pip.requirements import read_line
from ebsif.names import easyconfig_name, module_name
from ebsif.new import base_from, draft, render, seen_from, site_from
from ebsif.site import Site, read_site

EXAMPLE = """ebsif new PyTorch --base lumi-pytorch-….sif --variant mine lightning 'torchmetrics>=1.4'
         ebsif new Analysis --version 1.0 --base lumi-rocm-….sif -f environment.yml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the software, as EasyBuild calls it")
    add("packages", nargs="*", metavar="PACKAGE", help="Python package to add, as in a requirements file")
    add("--base", required=True, metavar="SIF", help="the image: a path, or a name in the site's folders")
    add(
        "--requirements",
        "-r",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="requirements file, or a lock of another tool: pylock.toml, uv.lock, poetry.lock",
    )
    add("--pyproject", "-p", type=Path, metavar="FILE", help="pyproject.toml whose dependencies to add, or its lock")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--environment",
        "-f",
        type=Path,
        metavar="FILE",
        help="environment of conda to have: an environment.yml, conda-lock.yml, pixi.lock or @EXPLICIT file; the "
        "recipe names it",
    )
    either.add_argument(
        "--from-env",
        type=Path,
        metavar="FILE",
        help="exactly the packages of an environment, in a file that `conda env export` has written; they are copied "
        "into the recipe, without the name and folder of that environment",
    )
    add("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    add("--version", help="version of the software; by default as found in the base")
    add("--variant", help="what tells this module from others on the same base")
    add("--date", metavar="YYYYMMDD", help="last part of the module's name")
    add("--output", "-o", type=Path, metavar="FILE", help="what to write; by default named as the easyconfig")
    add("--force", action="store_true", help="replace the file if there is one")
    add("--json", action="store_true", help="print what was made as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the recipe."""
    site = read_site(options.site)
    base = find_base(options.base, site, Path(), console)
    image = base.path or (Path(options.base) if base.manifest else _not_there(options.base, site))
    folder = options.output.parent if options.output else Path()
    recipe = draft(base, _asked(options, site, image, folder))
    target = options.output or Path(easyconfig_name(recipe, base)).with_suffix(".yml")
    if target.exists() and not options.force:
        raise EbsifError(f"{target} is there already: choose another name with --output, or replace it with --force")
    write_atomically(target, render(recipe, base).encode(), 0o644)
    if options.json:
        names = {"easyconfig": easyconfig_name(recipe, base), "module": module_name(recipe, base)}
        console.json({"recipe": str(target), **names})
        return 0
    console.say(f"{target}: written")
    if base.path and image.parent not in site.frozen_folders():
        console.note(f"{image} is not frozen, so that it may change: `ebsif freeze` keeps a copy that does not")
    console.note(f"next: ebsif generate {target}")
    return 0


def _not_there(given: str, site: Site) -> NoReturn:
    """Raise an error about an image that is not there, with the nearest name that is."""
    folders = [Path(given).parent, *([] if "/" in given else site.image_folders())]
    names = {image.name: str(image) for folder in folders for image in sorted(folder.glob("*.sif"))}
    nearest = difflib.get_close_matches(Path(given).name, names, n=1)
    hint = "`ebsif list --bases` lists the images of the site"
    if nearest:
        hint = f"did you mean {names[nearest[0]] if '/' in given else nearest[0]}?"
    raise EbsifError(f"there is no image {given} (site {site.name}): {hint}")


def _asked(options: argparse.Namespace, site: Site, image: Path, folder: Path) -> dict[str, Any]:
    """Return what the command line says, by the keys of recipes."""
    files = [seen_from(folder, _existing(file)) for file in options.requirements]
    project = seen_from(folder, _existing(options.pyproject)) if options.pyproject else None
    if project and is_lock(read_text(options.pyproject, MAXIMUM_LOCK), options.pyproject):
        files, project = [*files, project], None
    asked = {
        "name": options.name,
        "version": options.version,
        "variant": options.variant,
        "date": options.date,
        "site": site_from(options.site, folder),
        "base": base_from(image, site, folder),
        "packages": [_requirement(package, folder) for package in options.packages],
        "requirements": files,
        "pyproject": {"file": project} if project else None,
        "environment": _environment(options, folder),
    }
    return {key: value for key, value in asked.items() if value or key == "name"}


def _environment(options: argparse.Namespace, folder: Path) -> str | dict[str, Any] | None:
    """Return the environment of conda that the command line names: its file, or what an exported one holds."""
    if options.environment:
        return seen_from(folder, _existing(options.environment))
    if options.from_env is None:
        return None
    path = _existing(options.from_env)
    exported, _ = read_environment(read_text(path, MAXIMUM_SIZE), path)
    return exported.model_dump(exclude={"name", "prefix"}, exclude_defaults=True)


def _requirement(package: str, folder: Path) -> str:
    """Return a package as it is written in the recipe: what lies on this machine is named as seen from there."""
    # Read as if it stood in a file in the current folder.
    line = read_line(Entry(package, Path("the command line")))
    path = line.local
    if path is None:
        return package
    there = seen_from(folder, path)
    named = there if path.is_absolute() else f"./{there}"
    if line.source:
        extras = f"[{','.join(line.source.extras)}]" if line.source.extras else ""
        return named + extras + (f" ; {line.source.marker}" if line.source.marker else "")
    return named + package[package.index(".whl") + len(".whl") :]


def _existing(file: Path) -> Path:
    if not is_there(file, Path.is_file):
        if re.match("https?:/", str(file)):
            raise EbsifError(f"{file} is an address: download the file, and name that")
        raise EbsifError(f"there is no file {file}")
    return file
