"""The command ``bump``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ebsif.bump import bump
from ebsif.commands.diff import show
from ebsif.console import Console
from ebsif.files import write_atomically
from ebsif.markdown import markdown

EXAMPLE = "ebsif bump PyTorch-2.13.0-cpu-python-3.11-singularity-mine.yml --base new.sif --markdown changes.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("recipe", type=Path, help="the recipe, a YAML file")
    parser.add_argument(
        "--base", type=Path, metavar="SIF", help="the image to go to; by default the same, with newer packages on top"
    )
    parser.add_argument("--date", metavar="YYYYMMDD", help="the date in the new name")
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="DIR",
        help="where to put the packages' files; by default where EasyBuild looks for them",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write what changes for a pull request")
    parser.add_argument("--json", action="store_true", help="print what was made, and what changes, as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the next recipe and easyconfig, and tell what changes."""
    made = bump(options.recipe, console, base=options.base, date=options.date, sources=options.sources)
    if options.markdown:
        text = markdown(options.recipe.stem, made.recipe.stem, made.changes)
        write_atomically(options.markdown, text.encode(), 0o644)
    if options.json:
        files = {"recipe": str(made.recipe), "easyconfig": str(made.easyconfig), "module": made.module}
        console.json({**files, "changes": asdict(made.changes)})
        return 0
    show(made.changes, console)
    console.say(f"{made.recipe}: written")
    console.say(f"{made.easyconfig}: written")
    return 0
