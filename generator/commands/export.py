"""The command ``export``: each kind of file is a module in `ebsif.export`."""

import argparse
import importlib

from ebsif.console import Console
from ebsif.export import KINDS

EXAMPLE = "ebsif export pylock PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb -o pylock.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: those of each kind."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for name, purpose in KINDS.items():
        module = importlib.import_module(f"ebsif.export.{name}")
        kind = kinds.add_parser(
            name,
            help=purpose,
            description=f"Write {purpose}.",
            epilog=f"example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(kind)


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the file."""
    return int(importlib.import_module(f"ebsif.export.{options.kind}").run(options, console))
