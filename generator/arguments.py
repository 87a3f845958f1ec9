"""Arguments that several commands have."""

import argparse
from pathlib import Path


def add_installed(parser: argparse.ArgumentParser) -> None:
    """Add ``subject``, something that EasyBuild has installed, as `ebsif.installation` finds it."""
    parser.add_argument(
        "subject",
        type=Path,
        metavar="MODULE|INSTALLATION|EASYCONFIG",
        help="a module that EasyBuild has installed, the folder of its installation, or its easyconfig (.eb)",
    )
