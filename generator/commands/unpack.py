"""The command ``unpack``."""

import argparse
from pathlib import Path

from ebsif.console import Console
from ebsif.easybuild import source_paths
from ebsif.inside.text import shell_words
from ebsif.unpack import unpack

EXAMPLE = "ebsif unpack pytorch.tar --to pytorch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("pack", type=Path, help="an archive that `ebsif pack` has made")
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="the new folder; by default called as the archive, in the current folder"
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Unpack the archive, and tell how to install from it."""
    made = unpack(options.pack, options.to or Path(options.pack.stem), console)
    console.note(f"{made.folder}: {made.files} files, each with the SHA256 that it was packed with")
    places = [made.sources.absolute()]
    if not made.has_image:
        image = made.easyconfig.image
        console.warn(f"the image {image} was not packed: put it into {made.sources}, if eb does not find it")
        places += source_paths()
    console.say(shell_words("eb", f"--sourcepath={':'.join(map(str, places))}", str(made.easyconfig.path)))
    return 0
