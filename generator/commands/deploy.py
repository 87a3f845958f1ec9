"""The command ``deploy``."""

import argparse
from pathlib import Path

from ebsif.console import Console
from ebsif.deploy import deploy

EXAMPLE = "ebsif deploy $EBU_USER_PREFIX/UserRepo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, help="the repository; on LUMI $EBU_USER_PREFIX/UserRepo")


def run(options: argparse.Namespace, console: Console) -> int:
    """Copy the files, and name those that were written."""
    for path in deploy(options.folder):
        console.say(str(path))
    return 0
