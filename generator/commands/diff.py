"""The command ``diff``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ebsif.compare import Changes, changes, contents_of
from ebsif.console import Console
from ebsif.markdown import markdown

EXAMPLE = "ebsif diff old.sif new.sif"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "before", type=Path, help="a recipe (.yml), an easyconfig (.eb), a manifest (.json) or an image"
    )
    parser.add_argument("after", type=Path, help="another one")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--json", action="store_true", help="print the differences as JSON")
    either.add_argument("--markdown", action="store_true", help="print them as Markdown, for a pull request")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what is different; the exit status is 1 if something is."""
    before, after = (contents_of(path, console) for path in (options.before, options.after))
    found = changes(before, after)
    if options.json:
        console.json(asdict(found))
    elif options.markdown:
        console.write(markdown(before.title, after.title, found))
    else:
        show(found, console)
    return 1 if found else 0


def show(found: Changes, console: Console) -> None:
    """Print differences as a table for each part."""
    for title, part in (("settings", found.settings), ("base", found.base), ("layer", found.layer)):
        if part:
            console.table(
                [title, "before", "after"], [[name, old or "–", new or "–"] for name, (old, new) in part.items()]
            )
    if not found:
        console.say("no difference")
