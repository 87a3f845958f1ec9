"""The command ``check``."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ebsif.check import check_easyconfig, check_recipe, in_folder
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.finding import Finding

EXAMPLE = "ebsif check --site lumi PyTorch-2.7.1-rocm-6.2.4-python-3.12-singularity-20250827.eb"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="RECIPE|EASYCONFIG|FOLDER",
        help="recipes (.yml), easyconfigs (.eb), or folders with them",
    )
    parser.add_argument(
        "--site", default="local", help="the site of an easyconfig (default: %(default)s); a recipe names its own"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what was found; the exit status is that of the worst: 1 if something is wrong, 2 if it cannot be read."""
    files = [file for named in options.files for file in (in_folder(named) if named.is_dir() else [named])]
    worst, said = 0, []
    for file in files:
        try:
            found = _check(file, options.site, console)
        except EbsifError as error:
            if len(options.files) == 1 and not options.files[0].is_dir():
                raise
            found, worst = [Finding("file", str(error), "error")], 2
        worst = max(worst, int(any(finding.level == "error" for finding in found)))
        said += [{"file": str(file), **asdict(finding)} for finding in found]
        if not options.json:
            _print(console, found, file if len(files) > 1 else None)
    if options.json:
        console.json(said)
    return worst


def _check(file: Path, site: str, console: Console) -> list[Finding]:
    return list(check_easyconfig(file, site, console) if file.suffix == ".eb" else check_recipe(file, console))


def _print(console: Console, found: Sequence[Finding], file: Path | None) -> None:
    if file:
        console.say(str(file))
    for finding in found:
        console.say(f"{'  ' if file else ''}{finding.level:8}{finding.found}")
