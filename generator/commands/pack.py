"""The command ``pack``."""

import argparse
from pathlib import Path

from ebsif.console import Console
from ebsif.easyconfig.read import read_container
from ebsif.pack import collect, fetch, write
from ebsif.site import read_site

EXAMPLE = "ebsif pack PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb --with-image -o pytorch.tar"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("easyconfig", type=Path, help="the easyconfig (.eb); a recipe beside it is packed, too")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE", help="the new archive")
    parser.add_argument("--with-image", action="store_true", help="also pack the container image, with its manifest")
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="DIR",
        help="a folder with files of packages, beside those in which EasyBuild looks",
    )
    parser.add_argument("--fetch", action="store_true", help="first have eb fetch what is missing, over the network")
    parser.add_argument("--site", default="local", help="the site in whose folders the image lies")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the archive."""
    easyconfig = read_container(options.easyconfig)
    if options.fetch:
        fetch(easyconfig, options.sources)
    site = read_site(options.site) if options.with_image else None
    members = collect(easyconfig, console, sources=options.sources, site=site)
    write(options.output, members, console)
    console.say(f"{options.output}: {len(members)} files, {options.output.stat().st_size / 1e6:.1f} MB")
    if not options.with_image:
        console.note(f"without the image {easyconfig.image}, which --with-image packs, too")
    return 0
