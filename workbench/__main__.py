"""Prepares what the demo and the tests need on a machine, and runs the demo."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from workbench import store
from workbench.demo import demo
from workbench.errors import WorkbenchError
from workbench.fuzz import fuzz
from workbench.machine import exports
from workbench.prepare import PARTS, PURPOSES, hand_over, lock, prepare
from workbench.pythons import run_tests


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python3 -m workbench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("prepare", help="install and build what is missing, into $EBSIF_CACHE")
    making.add_argument("--for", dest="purpose", choices=PURPOSES, default="test", help="for what to prepare it")
    making.add_argument("--no-torch", action="store_true", help="leave out the base images that hold torch")
    making.add_argument("--only", action="append", choices=PARTS, help="prepare just this part; may be repeated")
    commands.add_parser("env", help='print shell commands for a developer: eval "$(python3 -m workbench env)"')
    commands.add_parser("demo", help="install the demo's easyconfig and use its module")
    commands.add_parser("pythons", help="run the unit tests under the other Pythons and versions of EasyBuild")
    commands.add_parser("lock", help="look up anew what ebsif needs, and write it into its easyconfig")
    handing = commands.add_parser("dist", help="make the archive, the wheel, and the easyconfig for that archive")
    handing.add_argument("folder", nargs="?", type=Path, default=Path("dist"), help="where to (default: dist)")
    fuzzing = commands.add_parser("fuzz", help="run the property tests with new seeds until time is over")
    fuzzing.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    try:
        if chosen.command == "env":
            sys.stdout.write(exports())
        elif chosen.command == "demo":
            demo()
        elif chosen.command == "lock":
            lock()
        elif chosen.command == "dist":
            hand_over(chosen.folder)
        elif chosen.command == "fuzz":
            sys.exit(0 if fuzz(chosen.minutes * 60) else 1)
        elif chosen.command == "pythons":
            sys.exit(0 if run_tests(store.cache_root()) else 1)
        else:
            prepare(purpose=chosen.purpose, torch=not chosen.no_torch, parts=chosen.only or PARTS)
    except (WorkbenchError, OSError) as error:
        sys.exit(f"workbench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def stop(number: int, frame: FrameType | None) -> None:
    """End this process as a signal asks, but tidy up on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
