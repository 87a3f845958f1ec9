"""The command ``check``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ebsif.check import check_easyconfig, check_recipe
from ebsif.console import Console

EXAMPLE = "ebsif check --site lumi PyTorch-2.7.1-rocm-6.2.4-python-3.12-singularity-20250827.eb"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", type=Path, metavar="RECIPE|EASYCONFIG", help="a recipe (.yml) or an easyconfig (.eb)")
    parser.add_argument(
        "--site", default="local", help="the site of an easyconfig (default: %(default)s); a recipe names its own"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what was found; the exit status is 1 if something is wrong."""
    is_easyconfig = options.file.suffix == ".eb"
    found = list(
        check_easyconfig(options.file, options.site, console) if is_easyconfig else check_recipe(options.file, console)
    )
    if options.json:
        console.json([asdict(finding) for finding in found])
    else:
        for finding in found:
            console.say(f"{finding.level:8}{finding.found}")
    return 1 if any(finding.level == "error" for finding in found) else 0
