"""The command ``freeze``."""

import argparse
from pathlib import Path

from ebsif.base.freeze import freeze
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import can_write
from ebsif.runtime import find_runtime
from ebsif.site import Site, read_site

EXAMPLE = "ebsif freeze --site lumi /appl/local/containers/sif-images/lumi-pytorch-….sif"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("image", type=Path, metavar="SIF", help="the image, or a link to it")
    parser.add_argument("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="the folder; by default the site's first that can be used"
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Copy the image, or verify that it is there."""
    folder = options.to or frozen_folder(read_site(options.site))
    frozen = freeze(options.image, folder, find_runtime(), console)
    if options.json:
        verified_with = [str(file) for file in frozen.verified_with]
        made = {"image": str(frozen.image), "sha256": frozen.manifest.sha256, "new": frozen.is_new}
        console.json({**made, "verified_with": verified_with})
    else:
        console.say(f"{frozen.image}: " + ("frozen" if frozen.is_new else "frozen already, and unchanged"))
        publisher = ", ".join(map(str, frozen.verified_with))
        said = f", as in {publisher}" if publisher else "; no file beside the image says which one was published"
        console.note(f"SHA256 {frozen.manifest.sha256}{said}")
    return 0


def frozen_folder(site: Site) -> Path:
    """Return the first of a site's folders of frozen images that this user can write to, or make.

    Raises
    ------
    EbsifError
        When there is none.
    """
    for folder in site.frozen_folders():
        if can_write(folder):
            return folder
    folders = ", ".join(site.frozen_images) or "none"
    raise EbsifError(
        f"no folder of frozen images of the site {site.name} can be written to ({folders}): give one with --to"
    )
