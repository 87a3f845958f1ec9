"""Plots of results, the same results always as the same files."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from benchmarks.bench import BEFORE, BY_HAND, FOLDER, OURS
from benchmarks.cases import AT_ONCE, LEAST, START_OF_EB
from benchmarks.results import Results, Series
from benchmarks.table import DOCS, tables

# Colours that people tell apart who see them differently (Okabe and Ito), and signs for those who see none.
_STYLES = {
    OURS: ("#0072B2", "o"),
    BEFORE: ("#E69F00", "^"),
    BY_HAND: ("#D55E00", "s"),
    LEAST: ("#999999", "D"),
    START_OF_EB: ("#56B4E9", "v"),
    FOLDER: ("#009E73", "P"),
}
_NAMES = {
    LEAST: "the least: venv, unpack, compile, pack",
    START_OF_EB: "start of EasyBuild",
    BY_HAND: "by hand, through eb",
}
_SETTINGS: Any = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 11,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.hashsalt": "ebsif",
}
_DPI = 120
# In the order in which they grow.
_GROWING = ("one-conda", "small-conda", "large-conda", "huge-conda")
_BARS = {
    "small-conda": "small layer, conda base",
    "small-venv": "small layer, venv base",
    "large-conda": "large layer, conda base",
}


def draw(results: Results | None) -> None:
    """Draw the plots that the tables show, into the documentation."""
    DOCS.mkdir(exist_ok=True)
    makers = {"installation": _installation, "packages": _packages, "at-once": _at_once}
    shown = tables(results)
    for name, make in makers.items():
        files = [DOCS / f"{name}.{suffix}" for suffix in ("png", "svg")]
        if results is None or files[-1].name not in shown:
            for file in files:
                file.unlink(missing_ok=True)
            continue
        with mpl.rc_context(_SETTINGS):
            figure = make(results)
            figure.savefig(files[0], dpi=_DPI, metadata={"Software": None})
            figure.savefig(files[1], metadata={"Date": None, "Creator": None})


def _installation(results: Results) -> Figure:
    """Bars: for each layer, what each contender takes, beside the least."""
    cases = [case for case in _BARS if results.contenders(case)]
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    quantities = {"wall": "by the clock", "processor": "of processors"}
    for axes, case in zip(_row(figure, len(cases)), cases, strict=True) if cases else ():
        whos = [who for who in (OURS, BEFORE, BY_HAND) if results.find(case, who, "wall")]
        width = 0.85 / (len(whos) + 1)
        for place, who in enumerate([*whos, START_OF_EB, LEAST]):
            place = min(place, len(whos))
            found = [results.find(case, who, quantity) for quantity in quantities]
            below = [results.find(case, START_OF_EB, quantity) for quantity in quantities] if who == LEAST else None
            _bars(axes, [index + place * width for index in range(2)], found, width, who, below)
        axes.set_xticks([index + len(whos) * width / 2 for index in range(2)], list(quantities.values()))
        axes.set_title(_BARS[case])
        axes.margins(y=0.1)
        axes.grid(axis="x", visible=False)
    if cases:
        figure.axes[0].set_ylabel("eb: seconds")
        _legend(figure)
    return figure


def _bars(
    axes: Axes, places: Sequence[float], found: Sequence[Series | None], width: float, who: str,
    on: Sequence[Series | None] | None,
) -> None:  # fmt: skip
    below = [series.median if series else 0.0 for series in on] if on else [0.0] * len(found)
    heights = [series.median if series else 0.0 for series in found]
    low = [series.median - min(series.values) if series else 0.0 for series in found]
    high = [max(series.values) - series.median if series else 0.0 for series in found]
    bars = axes.bar(places, heights, width, below, color=_STYLES[who][0], label=_NAMES.get(who, who),
                    yerr=[low, high], error_kw={"elinewidth": 1, "ecolor": "#333333"})  # fmt: skip
    if who != START_OF_EB:
        axes.bar_label(bars, [f"{height + under:.3g}" for height, under in zip(heights, below, strict=True)],
                       padding=4, fontsize=9)  # fmt: skip


def _packages(results: Results) -> Figure:
    """Lines: what grows with the number of packages."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    panels: dict[str, tuple[str, str, Callable[[float], float]]] = {
        "eb: seconds by the clock": ("", "wall", float),
        "layer: MiB": ("", "layer", lambda value: value / 2**20),
        "eb: starts of containers": ("", "starts", float),
        "import torch: seconds by the clock": (", import torch", "wall", float),
    }
    cases = [case for case in _GROWING if case in results.packages]
    counts = [results.packages[case] for case in cases]
    for axes, (title, (suffix, quantity, scale)) in zip(_row(figure, 4, columns=2), panels.items(), strict=True):
        for who in (OURS, BEFORE, BY_HAND, LEAST):
            _line(axes, counts, [results.find(case + suffix, who, quantity) for case in cases], who, scale)
        axes.set_title(title)
        axes.set_xlabel("packages in the layer")
        _powers(axes, counts)
    _legend(figure)
    return figure


def _at_once(results: Results) -> Figure:
    """Lines: what several starts at once take."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    numbers = [number for number in AT_ONCE if results.contenders(f"at-once {number}")]
    panels = {"seconds until the last has ended": "wall", "seconds of processors for each": "processor"}
    for axes, (title, quantity) in zip(_row(figure, 2), panels.items(), strict=True):
        for who, label in {OURS: "layer as a SquashFS file", FOLDER: "layer as a folder"}.items():
            found = [results.find(f"at-once {number}", who, quantity) for number in numbers]
            if quantity == "processor":
                found = [_divided(series, number) for series, number in zip(found, numbers, strict=True)]
            _line(axes, numbers, found, who, float, label)
        axes.set_title(title)
        axes.set_xlabel("starts at once")
        _powers(axes, numbers)
    _legend(figure)
    return figure


def _divided(series: Series | None, number: int) -> Series | None:
    if series is None:
        return None
    values = tuple(value / number for value in series.values)
    return Series(series.case, series.contender, series.quantity, series.unit, values)


def _line(
    axes: Axes, numbers: Sequence[int], found: Sequence[Series | None], who: str, scale: Callable[[float], float],
    label: str = "",
) -> None:  # fmt: skip
    points = [(number, series) for number, series in zip(numbers, found, strict=True) if series]
    if points:
        middle = [scale(series.median) for _, series in points]
        low = [scale(series.median) - scale(min(series.values)) for _, series in points]
        high = [scale(max(series.values)) - scale(series.median) for _, series in points]
        colour, sign = _STYLES[who]
        axes.errorbar([number for number, _ in points], middle, [low, high], color=colour, marker=sign,
                      capsize=3, label=label or _NAMES.get(who, who))  # fmt: skip


def _powers(axes: Axes, numbers: Sequence[int]) -> None:
    """Show numbers of which each is a multiple of the one before, and nothing cut off."""
    axes.set_xscale("log")
    if numbers:
        axes.set_xlim(numbers[0] * 0.8, numbers[-1] * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(list(numbers)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_ylim(0, max(axes.dataLim.y1, 0) * 1.1 or 1)


def _row(figure: Figure, number: int, columns: int | None = None) -> list[Axes]:
    columns = columns or number
    found: Any = figure.subplots(number // columns, columns, squeeze=False)
    return list(found.flat)


def _legend(figure: Figure) -> None:
    """One legend for all panels."""
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=min(len(named), 4))
