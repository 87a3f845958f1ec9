"""Arguments that several commands have."""

import argparse
from pathlib import Path

# The function of a shell that completes such an argument.
INSTALLED = "_ebsif_installed"


def add_installed(parser: argparse.ArgumentParser) -> None:
    """Add ``subject``, something that EasyBuild has installed, as `ebsif.installation` finds it."""
    argument = parser.add_argument(
        "subject",
        type=Path,
        metavar="MODULE|INSTALLATION|EASYCONFIG",
        help="a module that EasyBuild has installed, the folder of its installation, or its easyconfig (.eb)",
    )
    # Where shtab looks for it.
    argument.complete = {"bash": INSTALLED, "zsh": INSTALLED}  # type: ignore[attr-defined]
