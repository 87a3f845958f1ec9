"""What commands print."""

import pytest

from ebsif.console import Console


def test_a_table_that_is_read_by_a_program_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    value = "x" * 500
    Console().table(["key", "before", "after"], [["a", value, value]])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["key", "before", "after"],
        ["a", value, value],
    ]
