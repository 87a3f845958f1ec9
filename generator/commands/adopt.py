"""The command ``adopt``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ebsif.adopt import of_folder, of_freeze
from ebsif.base.store import find_base
from ebsif.console import Console
from ebsif.document import MAXIMUM_SIZE
from ebsif.errors import EbsifError
from ebsif.files import read_text, write_atomically
from ebsif.names import easyconfig_name
from ebsif.new import base_from, draft, render, site_from
from ebsif.site import read_site

EXAMPLE = "ebsif adopt PyTorch user-software --base lumi-pytorch-….sif --variant mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the software, as EasyBuild calls it")
    add(
        "source",
        type=Path,
        metavar="FOLDER|FILE",
        help="a venv, a layer that was filled by hand (user-software), or what `pip freeze` has written",
    )
    add("--base", required=True, metavar="SIF", help="the image: a path, or a name in the site's folders")
    add("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    add("--version", help="version of the software; by default as found in the base")
    add("--variant", help="what tells this module from others on the same base")
    add("--date", metavar="YYYYMMDD", help="last part of the module's name")
    add("--force", action="store_true", help="replace files that are there")
    add("--json", action="store_true", help="print what was made as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write a recipe, and its constraints, into the current folder."""
    site = read_site(options.site)
    base = find_base(options.base, site, Path(), console)
    manifest = base.known()
    if manifest.python is None:
        raise EbsifError(f"the image {base.file} has no Python that packages could be added to: take another base")
    if options.source.is_dir():
        adopted = of_folder(options.source, manifest.packages, manifest.python.minor)
    else:
        adopted = of_freeze(read_text(options.source, MAXIMUM_SIZE), manifest.packages)
    if not adopted.packages:
        raise EbsifError(f"{options.source} has no packages that {base.file} does not have: load a module of it alone")
    asked = {
        "name": options.name,
        "version": options.version,
        "variant": options.variant,
        "date": options.date,
        "site": site_from(options.site, Path()),
        "base": base_from(base.path or Path(options.base), site, Path()),
        "packages": list(adopted.packages),
        "allow_base_packages": list(adopted.replaced),
    }
    recipe = draft(base, {key: value for key, value in asked.items() if value})
    target = Path(easyconfig_name(recipe, base)).with_suffix(".yml")
    constraints = target.with_suffix(".constraints.txt")
    recipe = recipe.model_copy(update={"constraints": [constraints.name]})
    taken = [str(path) for path in (target, constraints) if path.exists()]
    if taken and not options.force:
        raise EbsifError(f"{taken[0]} is there already: choose another --variant, or replace it with --force")
    write_atomically(constraints, "".join(f"{pin}\n" for pin in adopted.pins).encode(), 0o644)
    write_atomically(target, render(recipe, base).encode(), 0o644)
    if options.json:
        report = [asdict(finding) for finding in adopted.report]
        console.json({"recipe": str(target), "constraints": str(constraints), "report": report})
        return 0
    for finding in adopted.report:
        console.say(f"{finding.level:8}{finding.found}" + (f" ({finding.remedy})" if finding.remedy else ""))
    console.say(f"{target}, {constraints}: written")
    console.note(f"next: ebsif generate {target}; without the constraints, it takes newer versions")
    return 0
