"""The command ``kernel``."""

import argparse
import os
from pathlib import Path

from ebsif.arguments import add_installed
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.installation import find_installation
from ebsif.process import run as run_program

EXAMPLE = "ebsif kernel PyTorch/2.13.0-cpu-python-3.11-singularity-mine"

# The command of an installation that does it.
_COMMAND = Path("bin", "install-kernel")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_installed(parser)
    parser.add_argument("--name", help="the name of the kernel's folder (default: follows from the module)")
    parser.add_argument("--display-name", help="what Jupyter shows (default: the name of the module)")
    parser.add_argument("--prefix", type=Path, metavar="FOLDER", help="a folder for others to use, too")


def run(options: argparse.Namespace, console: Console) -> int:
    """Have the installation write the specification of a kernel, and tell where it is."""
    installation = find_installation(options.subject)
    command = installation.path / _COMMAND
    if not command.exists():
        raise EbsifError(
            f"{installation.path} has no {_COMMAND}: it has no Python of its own, or an earlier version of ebsif has "
            "installed it (eb --rebuild)"
        )
    asked = {"--name": options.name, "--display-name": options.display_name, "--prefix": options.prefix}
    words = [f"{option}={value}" for option, value in asked.items() if value is not None]
    done = run_program([str(command), *words], os.environ)
    if done.returncode != 0:
        raise EbsifError(" ".join(done.stderr.split()) or f"{command} ended with status {done.returncode}")
    console.say(f"{done.stdout.strip()}: written")
    console.note("Jupyter offers it from now on; `jupyter kernelspec remove` removes it")
    return 0
