"""The command ``sign``."""

import argparse
from pathlib import Path

from ebsif.arguments import add_installed
from ebsif.console import Console
from ebsif.installation import find_installed
from ebsif.verify.signature import sign

EXAMPLE = "ebsif sign PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb --key ~/.ssh/id_ed25519"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_installed(parser)
    parser.add_argument(
        "--key",
        type=Path,
        required=True,
        metavar="FILE",
        help="a private key of SSH, or a public one that an agent has",
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Sign what is written down of the layer."""
    made = sign(find_installed(options.subject), options.key.expanduser(), console)
    console.say(f"{made}: written")
    return 0
