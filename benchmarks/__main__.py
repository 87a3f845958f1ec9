"""The command: measures, and makes tables and plots of what was measured."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from benchmarks import results
from benchmarks.bench import bench
from benchmarks.cases import CASES
from benchmarks.errors import BenchmarkError
from benchmarks.table import RANKS, ranks, write_tables
from workbench import WorkbenchError, prepared


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="measure, and write the results")
    running.add_argument("--output", type=Path, default=results.DEFAULT, metavar="FILE", help="where to write them")
    running.add_argument(
        "--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES)
    )
    running.add_argument("--rounds", type=int, help="how many rounds, instead of what each case says")
    running.add_argument("--also", metavar="REVISION", help="measure the easyblocks of this revision, too")
    running.add_argument("--scratch", type=Path, metavar="DIR", help="where to install (default: $TMPDIR or /tmp)")
    for name, text in {"table": "write the tables", "plot": "draw the plots"}.items():
        making = commands.add_parser(name, help=f"{text} for the documentation")
        making.add_argument("results", nargs="?", type=Path, help="file of results (default: that of this project)")
    counting = commands.add_parser("ranks", help="tell what the starts of many ranks ask of a metadata server")
    counting.add_argument("results", nargs="?", type=Path, help="file of results (default: that of this project)")
    counting.add_argument("--ranks", type=int, default=RANKS, help=f"how many (default: {RANKS})")
    counting.add_argument("--rate", type=float, required=True, help="operations that the server does in a second")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    try:
        if chosen.command == "run":
            run(chosen)
        elif chosen.command == "table":
            write_tables(_results(chosen.results))
        elif chosen.command == "ranks":
            print(ranks(_results(chosen.results), chosen.ranks, chosen.rate), end="")
        else:
            from benchmarks.plots import draw  # the others do without matplotlib

            draw(_results(chosen.results))
    except (BenchmarkError, WorkbenchError, OSError) as error:
        sys.exit(f"benchmarks: {error}")


def stop(number: int, frame: FrameType | None) -> None:
    """End this process as a signal asks, but remove what was installed."""
    sys.exit(128 + number)


def run(chosen: argparse.Namespace) -> None:
    """Measure the chosen cases; what is measured is written after each."""
    with bench(chosen.also, chosen.rounds, chosen.scratch, prepared()) as running:
        for name in chosen.cases:
            CASES[name].run(running, name, CASES[name].rounds)
            chosen.output.parent.mkdir(parents=True, exist_ok=True)
            chosen.output.write_text(running.results.text())
    print(chosen.output)


def _results(path: Path | None) -> results.Results | None:
    return results.read(path) if path else results.stored()


if __name__ == "__main__":
    main()
