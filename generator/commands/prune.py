"""The command ``prune``."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from rich.filesize import decimal

from ebsif.console import Console
from ebsif.prune import Candidate, candidates
from ebsif.site import read_site

EXAMPLE = "ebsif prune --keep 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--keep",
        type=_count,
        default=1,
        metavar="N",
        help="how many to keep, the youngest, of installations with the same name and version suffix; a date at "
        "its end does not count (default: 1)",
    )
    parser.add_argument("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--yes", action="store_true", help="remove all of it without asking")
    either.add_argument("--json", action="store_true", help="print it as JSON, and remove nothing")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what could go, and remove what is confirmed."""
    found = candidates(read_site(options.site), Path(), options.keep)
    if options.json:
        console.json([_data(one) for one in found])
        return 0
    for one in found:
        console.say(f"{one.kind:13}{decimal(one.size):>10}  {one.files:>7} files  {one.path}  ({one.reason})")
    if not found:
        console.note("there is nothing that could be removed")
    elif not options.yes and not sys.stdin.isatty():
        console.note("nothing was removed: --yes removes all of it; on a terminal, each is asked for")
    else:
        _remove([one for one in found if options.yes or _is_confirmed(one)], console)
    return 0


def _remove(chosen: list[Candidate], console: Console) -> None:
    for one in chosen:
        one.remove()
        console.note(f"{one.path}: removed")
    console.say(f"{decimal(sum(one.size for one in chosen))} in {sum(one.files for one in chosen)} files removed")


def _is_confirmed(one: Candidate) -> bool:
    """Ask; whatever is not a clear yes is a no."""
    return input(f"remove {one.path}? [y/N] ").strip().lower() in ("y", "yes")


def _data(one: Candidate) -> dict[str, object]:
    return {**asdict(one), "path": str(one.path), "links": [str(link) for link in one.links]}


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of installations, from 1 on")
    return int(text)
