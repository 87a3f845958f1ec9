"""Tables of results, as reStructuredText for the documentation."""

from collections.abc import Callable, Sequence

from benchmarks import trace
from benchmarks.bench import BY_HAND, OURS
from benchmarks.cases import AT_ONCE, BARE, LEAST, START_OF_EB
from benchmarks.results import Results, Series
from workbench import easybuild

DOCS = easybuild.PROJECT / "docs" / "benchmarks"
TABLES = "tables.txt"
RANKS = 10_000
NOTHING = "There is no ``benchmarks/results/bench.json``: ``make bench`` makes it.\n"
_MEBIBYTE = 2**20
_UNKNOWN = "–"
INSTALLED = {
    "small-conda": "PyTorch Lightning and TorchMetrics, conda base",
    "small-venv": "the same, venv base",
    "large-conda": "transformers, datasets, scikit-learn and more, conda base",
    "one-conda": "einops, conda base",
    "huge-conda": "as many packages as anybody has, conda base",
}
_USED = {
    "import-warm": "``import torch, pytorch_lightning``",
    "import-cold": "the same, image and layer from the disk",
    "start": "``python -c pass``",
    "module": "``module load`` and ``unload``",
}
PLOTS = {
    "installation": "Seconds that ``eb`` takes, by processors and by the clock",
    "packages": "What grows with the number of packages",
    "at-once": "Starts at once, each with the import of torch and lightning",
}


def write_tables(results: Results | None) -> None:
    """Write the tables for the documentation."""
    DOCS.mkdir(exist_ok=True)
    (DOCS / TABLES).write_text(tables(results))


def tables(results: Results | None) -> str:
    """Return all tables and the plots, or a sentence when nothing was measured."""
    if results is None:
        return NOTHING
    parts = [
        _section("Installation", _installation(results), _plot("installation"), _plot("packages")),
        _section("Use", _use(results)),
        _section("Starts at once", _at_once(results), _plot("at-once")),
        _section("Operations on files", _files(results)),
        _section("The machine", _machine(results)),
    ]
    return "\n".join(part for part in parts if part)


def ranks(results: Results | None, number: int, rate: float) -> str:
    """Return how long a metadata server is busy with the starts of many ranks, in words.

    Parameters
    ----------
    results
        What was measured.
    number
        How many ranks.
    rate
        How many operations the server does in a second.
    """
    if results is None:
        return NOTHING
    lines = []
    for contender in results.contenders("files"):
        total = number * _operations(results, contender)
        lines.append(f"{contender}: {total:,.0f} operations, {total / rate:,.0f} s at {rate:,.0f} operations/s\n")
    return "".join(lines)


def _operations(results: Results, contender: str) -> float:
    return sum(found.median for kind in trace.ALL if (found := results.find("files", contender, kind)))


def _installation(results: Results) -> str:
    rows = []
    for case in INSTALLED:
        least, start = results.find(case, LEAST, "wall"), results.find(case, START_OF_EB, "wall")
        for who in results.contenders(case):
            wall = results.find(case, who, "wall")
            if wall is None or who in (LEAST, START_OF_EB):
                continue
            what = f"{INSTALLED[case]}: {results.packages[case]} packages"
            least_wall = least.median + start.median if least and start else None
            rows.append(
                [
                    what if who == results.contenders(case)[0] else "",
                    who,
                    _seconds(wall),
                    _seconds(results.find(case, who, "processor")),
                    _ratio(wall.median, _median(results.find(case, BY_HAND, "wall"))),
                    _ratio(wall.median, least_wall),
                    _number(results.find(case, who, "layer"), lambda value: f"{value / _MEBIBYTE:.1f}"),
                    _number(results.find(case, who, "starts"), "{:.0f}".format),
                    _number(results.find(case, who, "memory of eb"), "{:.0f}".format),
                ]
            )
    head = ["what", "who", "clock, s", "processors, s", "of by hand", "of the least", "layer, MiB", "starts", "eb, MiB"]
    return _table(head, rows)


def _use(results: Results) -> str:
    rows = []
    for case, what in _USED.items():
        whos = results.contenders(case)
        for who in whos:
            wall = results.find(case, who, "wall")
            other = results.find(case, BARE if case == "start" else BY_HAND, "wall")
            rows.append(
                [
                    what if who == whos[0] else "",
                    who,
                    _seconds(wall),
                    _seconds(results.find(case, who, "processor")),
                    _ratio(_median(wall), _median(other)),
                ]
            )
    return _table(["what", "who", "clock, s", "processors, s", f"of {BY_HAND}"], rows)


def _at_once(results: Results) -> str:
    rows = []
    for number in AT_ONCE:
        case = f"at-once {number}"
        whos = results.contenders(case)
        ours = results.find(case, OURS, "wall")
        for who in whos:
            wall = results.find(case, who, "wall")
            rows.append(
                [
                    str(number) if who == whos[0] else "",
                    who,
                    _seconds(wall),
                    _seconds(results.find(case, who, "processor")),
                    _ratio(_median(wall), _median(ours)),
                ]
            )
    return _table(["starts", "layer", "clock, s", "processors, s", f"of {OURS}"], rows)


def _files(results: Results) -> str:
    rows = []
    for who in results.contenders("files"):
        counts = [_number(results.find("files", who, kind), "{:,.0f}".format) for kind in trace.ALL]
        total = _operations(results, who)
        rows.append([who, *counts, f"{total:,.0f}", f"{RANKS * total:,.0f}"])
    return _table(["layer", *trace.ALL, "all", f"{RANKS:,} ranks"], rows)


def _machine(results: Results) -> str:
    rows = [[name, value] for name, value in results.machine.items()]
    rows += [[f"revision: {name}", value] for name, value in results.revisions.items()]
    return _table(["", ""], rows, head_rows=0)


def _median(series: Series | None) -> float | None:
    return series.median if series else None


def _seconds(series: Series | None) -> str:
    """Return the median, and the least and the largest value."""
    if series is None:
        return _UNKNOWN
    digits = 1 if series.median >= 10 else 2 if series.median >= 1 else 3
    low, middle, high = (f"{value:.{digits}f}" for value in (min(series.values), series.median, max(series.values)))
    return f"{middle} ({low} to {high})" if len(series.values) > 1 else middle


def _ratio(value: float | None, other: float | None) -> str:
    return f"{value / other:.2f}" if value is not None and other else _UNKNOWN


def _number(series: Series | None, form: Callable[[float], str]) -> str:
    return form(series.median) if series else _UNKNOWN


def _plot(name: str) -> str:
    return f".. figure:: benchmarks/{name}.svg\n   :alt: {PLOTS[name]}\n\n   {PLOTS[name]}\n"


def _section(title: str, table: str, *plots: str) -> str:
    """Return a section, or nothing when its table is empty."""
    if not table:
        return ""
    return "\n".join([f"{title}\n{'-' * len(title)}\n", table, *plots])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], head_rows: int = 1) -> str:
    if not rows:
        return ""
    lines = [".. list-table::", f"   :header-rows: {head_rows}", ""] if head_rows else [".. list-table::", ""]
    for row in [head, *rows] if head_rows else rows:
        lines += [f"   {'*' if index == 0 else ' '} - {cell}".rstrip() for index, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
