"""The command ``selftest``."""

import argparse
from dataclasses import asdict
from datetime import date
from time import monotonic

from ebsif import __version__
from ebsif.arguments import add_installed
from ebsif.console import Console
from ebsif.finding import Finding
from ebsif.installation import find_installation
from ebsif.selftest import Trial, as_public, differences, in_job

EXAMPLE = "ebsif selftest PyTorch/2.13.0-cpu-python-3.11-singularity-mine --job -- --partition=small --time=10"

# Seconds: under five minutes.
_LIMIT = 270


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_installed(parser)
    parser.add_argument("--job", action="store_true", help="try it in a job, too, which is waited for")
    parser.add_argument(
        "options", nargs="*", metavar="OPTION", help="options of sbatch for that, behind --: partition, account, …"
    )
    parser.add_argument(
        "--limit",
        type=_seconds,
        default=_LIMIT,
        metavar="SECONDS",
        help="begin nothing more after this time, and say what was not tried; a job has as long (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings of this host as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print a report that can be shown to others; the exit status is 1 if something does not work."""
    installation = find_installation(options.subject)
    here = list(map(as_public, Trial(installation, monotonic() + options.limit).findings(console)))
    if options.json:
        console.json([asdict(finding) for finding in here])
        return _status(here)
    console.say(f"ebsif {__version__}, selftest of {installation.module}, {date.today()}")
    _print("on this host", here, console)
    if not options.job:
        return _status(here)
    with console.waiting("waiting for the job"):
        there = in_job(installation, options.limit, options.options)
    _print("in a job", there, console)
    other = list(differences(here, there))
    _print("what is different", other, console)
    return _status([*here, *there])


def _print(title: str, findings: list[Finding], console: Console) -> None:
    if findings:
        console.say(f"{title}:")
    for finding in findings:
        console.say(f"  {finding.level:8}{finding.what}: {finding.found}")
        if finding.remedy:
            console.say(f"{'':10}{finding.remedy}")


def _status(findings: list[Finding]) -> int:
    return int(any(finding.level == "error" for finding in findings))


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, from 1 on")
    return int(text)
