"""What was measured: series of numbers, kept as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.errors import BenchmarkError

FORMAT = 1
DEFAULT = Path(__file__).with_name("results") / "bench.json"


@dataclass(frozen=True)
class Series:
    """One quantity of one contender in one case, a value for each round.

    Parameters
    ----------
    case
        The name of the case.
    contender
        Who, or in which way.
    quantity
        What: ``wall``, ``processor``, …
    unit
        The unit of the values; nothing for what is counted.
    values
        In the order in which they were measured.
    """

    case: str
    contender: str
    quantity: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values."""
        return median(self.values)


@dataclass
class Results:
    """All that one run has measured, and where.

    Parameters
    ----------
    machine
        What the machine is and which tools it has, in words.
    revisions
        The revision of the project for each contender that is one.
    packages
        How many packages the layer of each case has.
    series
        What was measured.
    """

    machine: dict[str, str]
    revisions: dict[str, str]
    packages: dict[str, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)

    def add(self, case: str, contender: str, quantity: str, unit: str, value: float) -> None:
        """Add a value to its series."""
        for index, old in enumerate(self.series):
            if (old.case, old.contender, old.quantity) == (case, contender, quantity):
                self.series[index] = Series(case, contender, quantity, unit, (*old.values, value))
                return
        self.series.append(Series(case, contender, quantity, unit, (value,)))

    def find(self, case: str, contender: str, quantity: str) -> Series | None:
        """Return a series, or None if that was not measured."""
        for series in self.series:
            if (series.case, series.contender, series.quantity) == (case, contender, quantity):
                return series
        return None

    def contenders(self, case: str) -> list[str]:
        """Return the contenders of a case, in the order in which they were measured."""
        return list(dict.fromkeys(series.contender for series in self.series if series.case == case))

    def cases(self, *quantities: str) -> list[str]:
        """Return the cases that have one of the quantities, in the order in which they were measured."""
        return list(dict.fromkeys(series.case for series in self.series if series.quantity in quantities))

    def text(self) -> str:
        """Return them as JSON, the same values always as the same text."""
        lists = [json.dumps(asdict(series), sort_keys=True) for series in self.series]
        head = {"format": FORMAT, "machine": self.machine, "packages": self.packages, "revisions": self.revisions}
        lines = json.dumps(head, indent=1, sort_keys=True).removesuffix("\n}")
        return f'{lines},\n "series": [\n  ' + ",\n  ".join(lists) + "\n ]\n}\n"


def parse(text: str, where: str = "the text") -> Results:
    """Return the results that a text of `Results.text` says.

    Raises
    ------
    BenchmarkError
        When it says something else.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        if found["format"] != FORMAT:
            raise BenchmarkError(f"{where} has format {found['format']}, not {FORMAT}: measure again")
        series = [Series(**{**entry, "values": tuple(entry["values"])}) for entry in found["series"]]
        return Results(found["machine"], found["revisions"], found["packages"], series)
    except (KeyError, TypeError, ValueError) as error:
        raise BenchmarkError(f"{where} is no result of a benchmark: {error!r}") from error


def read(path: Path) -> Results:
    """Return the results in a file."""
    return parse(path.read_text(), str(path))


def stored() -> Results | None:
    """Return the results that come with the project, if it has some."""
    return read(DEFAULT) if DEFAULT.exists() else None


def alternate(rounds: int, contenders: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield whose turn it is, each once in a round: what changes on the machine meanwhile then meets all alike."""
    for turn in range(rounds):
        for contender in contenders:
            yield turn, contender
