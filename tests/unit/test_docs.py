"""The documentation speaks of the commands that there are."""

import re
from pathlib import Path

import pytest

from ebsif.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"(?:``|^ +)ebsif ([a-z]+)", page.read_text(), re.MULTILINE)
    assert set(named) <= set(COMMANDS)


def test_every_command_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "ebsif.rst").read_text()
    assert all(f"``ebsif {command}" in reference for command in COMMANDS)
