"""The documentation speaks of the commands that there are."""

import re
from pathlib import Path

import pytest

from ebsif.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]


NAMED = {page: re.findall(r"(?:``|^ +)ebsif ([a-z]+)", page.read_text(), re.MULTILINE) for page in PAGES}


@pytest.mark.parametrize("page", [page for page, named in NAMED.items() if named], ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    assert set(NAMED[page]) <= set(COMMANDS)


def test_every_command_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "ebsif.rst").read_text()
    assert all(f"``ebsif {command}" in reference for command in COMMANDS)


PROGRAMS = {path.name for path in (ROOT / "docs" / "examples").iterdir()}
TESTS = ROOT / "tests" / "e2e" / "slurm" / "test_frameworks.py"


def test_every_program_is_shown_and_run() -> None:
    page = (ROOT / "docs" / "many-gpus.rst").read_text()
    assert set(re.findall(r"literalinclude:: examples/(\S+)", page)) == PROGRAMS
    assert set(re.findall(r"\btrain_\w+\.py", TESTS.read_text())) == PROGRAMS
