"""Benchmarks: what becomes of numbers, and what the documentation shows of them."""

from pathlib import Path

import pytest

from benchmarks import results, table, trace
from benchmarks.errors import BenchmarkError
from benchmarks.results import Results, alternate, parse


@pytest.fixture
def measured() -> Results:
    """Two contenders, three rounds."""
    found = Results({"processor": "a processor"}, {"ours": "abc"}, {"small-conda": 12})
    for ours, by_hand, least, start in [(6.0, 14.0, 4.0, 1.0), (9.0, 16.0, 4.5, 1.0), (6.5, 15.0, 4.2, 1.0)]:
        for who, value in {"ours": ours, "by hand": by_hand, "least": least, "start of eb": start}.items():
            found.add("small-conda", who, "wall", "s", value)
    found.add("small-conda", "ours", "layer", "byte", 3 * 2**20)
    for who, number in {"ours": 20, "ours, folder": 4000}.items():
        found.add("files", who, trace.OPENED, "", number)
    return found


def test_each_round_has_everybodys_turn_once() -> None:
    assert list(alternate(2, ["ours", "by hand"])) == [(0, "ours"), (0, "by hand"), (1, "ours"), (1, "by hand")]


def test_a_series_has_its_values_in_their_order_and_a_median(measured: Results) -> None:
    series = measured.find("small-conda", "ours", "wall")
    assert series is not None
    assert (series.values, series.median) == ((6.0, 9.0, 6.5), 6.5)


def test_results_are_the_same_after_being_written_and_read(measured: Results) -> None:
    assert parse(measured.text()) == measured
    assert parse(measured.text()).text() == measured.text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 0}', '{"format": 1, "series": [{"case": "x"}]}'])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(BenchmarkError):
        parse(text)


def test_a_table_has_median_spread_and_ratios(measured: Results) -> None:
    cells = [line.strip(" *-") for line in table.tables(measured).splitlines()]
    start = cells.index("ours")
    # Of by hand, 15.0; of the least and the start of EasyBuild, 5.2.
    assert cells[start : start + 6] == ["ours", "6.50 (6.00 to 9.00)", "–", "0.43", "1.25", "3.0"]


def test_a_quantity_that_was_not_measured_has_no_section(measured: Results) -> None:
    assert "Operations on files" in table.tables(measured)
    assert "Starts at once" not in table.tables(measured)


def test_operations_of_many_ranks_take_as_long_as_the_rate_says(measured: Results) -> None:
    assert table.ranks(measured, 10_000, 50_000) == (
        "ours: 200,000 operations, 4 s at 50,000 operations/s\n"
        "ours, folder: 40,000,000 operations, 800 s at 50,000 operations/s\n"
    )


LOG = """\
7 openat(AT_FDCWD</home/u>, "/soft/x/bin/python", O_RDONLY) = 3</soft/x/bin/python>
7 newfstatat(AT_FDCWD</home/u>, "/soft/x/more", 0x7ffd, 0) = -1 ENOENT (No such file or directory)
7 openat(AT_FDCWD</home/u>, "/usr/lib/libc.so", O_RDONLY) = 3</usr/lib/libc.so>
7 newfstatat(3</soft/x/bin/python>, "", {st_mode=S_IFREG|0755}, AT_EMPTY_PATH) = 0
8 stat("/user-software/venv", <unfinished ...>
7 access("/soft/xy", R_OK) = 0
8 <... stat resumed>{st_mode=S_IFDIR}) = 0
8 getdents64(4</user-software/venv/lib>, 0x55 /* 3 entries */, 32768) = 96
8 openat(4</user-software/venv/lib>, "a.py", O_RDONLY|O_CLOEXEC) = 5</user-software/venv/lib/a.py>
8 +++ exited with 0 +++
"""


@pytest.mark.parametrize(
    ("bound", "expected"), [("user-software", [2, 1, 1, 1]), ("user-software.squashfs", [1, 1, 0, 0])]
)
def test_the_host_sees_what_is_in_the_installation_and_not_what_is_in_an_image(
    tmp_path: Path, bound: str, expected: list[int]
) -> None:
    (tmp_path / bound).mkdir()
    log = LOG.replace("/soft/x/", f"{tmp_path}/").replace("/soft/xy", f"{tmp_path}y")
    assert trace.count(log, tmp_path) == dict(zip(trace.ALL, expected, strict=True))


def test_the_documentation_shows_the_results_that_are_stored() -> None:
    text = table.tables(results.stored())
    assert (table.DOCS / table.TABLES).read_text() == text
    shown = {f"{name}.{suffix}" for name in table.PLOTS if f"{name}.svg" in text for suffix in ("png", "svg")}
    assert {path.name for path in table.DOCS.iterdir()} == {table.TABLES, *shown}
