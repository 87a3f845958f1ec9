"""The command ``build``."""

import argparse
import os
import subprocess
from pathlib import Path

from ebsif.commands.generate import report
from ebsif.console import Console
from ebsif.easybuild import find_eb, source_paths
from ebsif.errors import EbsifError
from ebsif.generate import generate, make_plan, write

EXAMPLE = "ebsif build PyTorch-2.13.0-cpu-python-3.11-singularity-mine.yml -- --rebuild"

# Options with which eb installs nothing, so that there is no module to load.
NOT_INSTALLING = {"-D", "-n", "-x", "--check-contrib", "--dry-run", "--dry-run-short", "--extended-dry-run", "--fetch"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("recipe", type=Path, help="the recipe, a YAML file")
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="DIR",
        help="where to put the packages' files; by default where EasyBuild looks for them",
    )
    parser.add_argument("eb", nargs="*", metavar="OPTION", help="options for eb, after --")


def run(options: argparse.Namespace, console: Console) -> int:
    """Make the easyconfig, install it, and tell how to load its module."""
    eb = find_eb()
    plan = make_plan(options.recipe, console)
    made = generate(plan, console, sources=options.sources)
    if made.changed:
        write(made)
    report(made, console)
    env = dict(os.environ)
    if options.sources:
        # Last, since eb writes into the first.
        env["EASYBUILD_SOURCEPATH"] = ":".join(map(str, [*source_paths(), options.sources.absolute()]))
    done = subprocess.run([eb, str(plan.target), *options.eb], env=env, check=False)
    if done.returncode != 0:
        raise EbsifError(f"eb ended with status {done.returncode}: what it printed says why")
    if not NOT_INSTALLING.intersection(options.eb):
        console.say(f"module load {' '.join([*plan.site.modules, made.module])}")
    return 0
