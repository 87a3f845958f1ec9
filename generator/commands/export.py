"""The command ``export``."""

import argparse
import importlib
from types import ModuleType

from ebsif.console import Console

EXAMPLE = "ebsif export sif PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb -o pytorch.sif"

# What can be made, each by the module of its name in ebsif.export; that has EXAMPLE, add_arguments and run, as commands
# do.
KINDS = {
    "sif": "base, layer and activation in one SIF file",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for name, purpose in KINDS.items():
        module = _module(name)
        kind = kinds.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(kind)


def run(options: argparse.Namespace, console: Console) -> int:
    """Make what was asked for."""
    return int(_module(options.kind).run(options, console))


def _module(kind: str) -> ModuleType:
    return importlib.import_module(f"ebsif.export.{kind}")
