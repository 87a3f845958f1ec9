"""The command ``search``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ebsif.console import Console
from ebsif.easybuild import software_folder
from ebsif.errors import ToolError
from ebsif.listing import easyconfigs, images, installations
from ebsif.search import Having, in_easyconfigs, in_images, in_installations
from ebsif.site import read_site

EXAMPLE = "ebsif search --site lumi 'torch*'"

_TITLES = {"base": "images", "easyconfig": "easyconfigs", "installation": "installations"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("package", metavar="PACKAGE", help="a package; * stands for any part of its name")
    parser.add_argument("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what has the package; the exit status is 1 if nothing has it."""
    found = [
        *in_images(options.package, images(read_site(options.site))),
        *in_easyconfigs(options.package, easyconfigs(Path())),
        *_installed(options.package, console),
    ]
    if options.json:
        console.json([{**asdict(one), "path": str(one.path)} for one in found])
    else:
        _print(found, console)
    if not found:
        console.note(f"nothing that is known has {options.package}; of images, those are that `ebsif inspect` has seen")
    return 0 if found else 1


def _installed(package: str, console: Console) -> list[Having]:
    try:
        return list(in_installations(package, installations(software_folder()), console.warn))
    except ToolError as error:
        console.note(f"installations are left out: {error}")
        return []


def _print(found: list[Having], console: Console) -> None:
    width = max((len(f"{one.package} {one.version}") for one in found), default=0)
    for kind, title in _TITLES.items():
        rows = [one for one in found if one.kind == kind]
        if rows:
            console.say(title)
        for one in rows:
            console.say(f"  {f'{one.package} {one.version}':{width}}  {one.path}")
