"""The command ``sbom``."""

import argparse
from pathlib import Path

from ebsif import sbom
from ebsif.base.store import find_base, manifest_of
from ebsif.console import Console
from ebsif.easyconfig.read import read_container
from ebsif.site import read_site

EXAMPLE = "ebsif sbom PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb -o pytorch.cdx.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("subject", type=Path, help="an easyconfig (.eb) or an image")
    parser.add_argument(
        "--output", "-o", type=Path, required=True, metavar="FILE", help="the file: JSON, or XML with the suffix .xml"
    )
    parser.add_argument("--site", default="local", help="the site in whose folders the image of an easyconfig lies")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the bill of materials."""
    if options.subject.suffix != ".eb":
        bom = sbom.of_image(manifest_of(options.subject, console))
    else:
        easyconfig = read_container(options.subject)
        base = find_base(easyconfig.image, read_site(options.site), options.subject.parent, console, inspect=False)
        if base.manifest is None:
            why = f"nobody has looked into {base.path} (`ebsif inspect` does)" if base.path else "it is not at hand"
            console.warn(f"what is in the image {base.file} is not listed: {why}")
        bom = sbom.of_easyconfig(easyconfig, base.manifest)
    sbom.write(bom, options.output)
    console.say(f"{options.output}: {len(bom.components)} components")
    return 0
