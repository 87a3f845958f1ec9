"""The command ``deploy``."""

import argparse
from pathlib import Path

from ebsif import __version__
from ebsif.console import Console
from ebsif.deploy import deploy

EXAMPLE = "ebsif deploy $EBU_USER_PREFIX/UserRepo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, help="the repository; on LUMI $EBU_USER_PREFIX/UserRepo")


def run(options: argparse.Namespace, console: Console) -> int:
    """Copy the files, and name those that were written or removed."""
    done = deploy(options.folder)
    for path in done.written:
        console.say(str(path))
    for path in done.removed:
        console.say(f"{path} (removed)")
    for path in done.changed:
        console.warn(f"{path} was deployed by an earlier version, and somebody has changed it: remove it yourself")
    if done.replaces and done.replaces != __version__:
        console.note(f"ebsif {__version__} replaces {done.replaces}")
    return 0
