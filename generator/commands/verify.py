"""The command ``verify``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ebsif.arguments import add_installed
from ebsif.console import Console
from ebsif.installation import find_installed
from ebsif.verify import verify

EXAMPLE = "ebsif verify PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb"

# As many are named on a terminal.
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_installed(parser)
    parser.add_argument(
        "--easyconfig",
        type=Path,
        metavar="FILE",
        help="what to compare with; by default the easyconfig that lies there",
    )
    parser.add_argument("--quick", action="store_true", help="only compare SHA256, and do not make the layer again")
    parser.add_argument(
        "--signature",
        type=Path,
        metavar="ALLOWED_SIGNERS",
        help="also check that one of those whom the file names has signed it (ssh-keygen(1), ALLOWED SIGNERS)",
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON, with all differences")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what was found; the exit status is 1 if the installation is not what its easyconfig gives."""
    installed = find_installed(options.subject, options.easyconfig)
    console.note(f"{installed.path}, by {installed.easyconfig.path}")
    verified = verify(installed, console, quick=options.quick, allowed_signers=options.signature)
    if options.json:
        console.json(
            {
                "installation": str(installed.path),
                "easyconfig": str(installed.easyconfig.path),
                "verified": verified.is_good,
                **asdict(verified),
            }
        )
    else:
        for finding in verified.findings:
            console.say(f"{finding.level:8}{finding.found}")
        for layer, found in verified.differences.items():
            for difference in found[:_SHOWN]:
                package = f" ({difference.package})" if difference.package else ""
                console.say(f"  {layer}/{difference.path}{package}: {difference.what}")
            if len(found) > _SHOWN:
                console.say(f"  and {len(found) - _SHOWN} more, which --json names")
    return 0 if verified.is_good else 1
