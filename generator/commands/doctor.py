"""The command ``doctor``."""

import argparse
from dataclasses import asdict

from ebsif.console import Console
from ebsif.doctor import examine
from ebsif.site import read_site

LABELS = {"ok": "ok", "warning": "optional", "error": "missing"}
EXAMPLE = "ebsif doctor --site lumi --network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    parser.add_argument("--network", action="store_true", help="ask the package index too")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Say of each thing whether it is there, and how to get it; 1 when something necessary is missing."""
    findings = list(examine(read_site(options.site), console, network=options.network))
    if options.json:
        console.json([asdict(finding) for finding in findings])
    for finding in [] if options.json else findings:
        console.say(f"{LABELS[finding.level]:8}  {finding.what}: {finding.found}")
        if finding.remedy:
            console.say(f"{'':10}{finding.remedy}")
    return int(any(finding.level == "error" for finding in findings))
