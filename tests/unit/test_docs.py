"""The documentation speaks of what there is: commands, messages, pages."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ebsif.commands import COMMANDS
from tests.support.documented import NOT_RUN, PAGES, README, ROOT, blocks

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


SHOWN = [(block.page, command) for page in PAGES for block in blocks(page) for command in block.commands]


@pytest.mark.parametrize("page, pattern", NOT_RUN)
def test_what_is_said_not_to_be_run_is_shown(page: str, pattern: str) -> None:
    assert [one for one in SHOWN if re.fullmatch(page, one[0]) and re.fullmatch(pattern, one[1])]


def test_what_runs_the_same_is_there() -> None:
    named = {file for why in NOT_RUN.values() for file in re.findall(r"tests/[\w/]+\.py", why)}
    assert {file for file in named if not (ROOT / file).exists()} == set()


def texts_of_the_program() -> list[str]:
    """Return the files with messages, each with its literals joined, and without what is filled in."""
    files = [
        path
        for top in ("easyblocks/generic", "generator")
        for path in (ROOT / top).rglob("*")
        if path.suffix in (".py", ".sh", ".lua", "") and path.is_file() and "__pycache__" not in path.parts
    ]
    return [re.sub(r"""["'](?:\s*\.\.)?\s*\n\s*[fb]?["']""", "", path.read_text()) for path in files]


def explained_messages() -> list[str]:
    return re.findall(r"^``(.+)``$", (ROOT / "docs" / "errors.rst").read_text(), re.MULTILINE)


def test_the_messages_that_are_explained_are_said() -> None:
    texts = texts_of_the_program()
    messages = [[part.strip() for part in message.split("…")] for message in explained_messages()]
    assert len(messages) > 20
    assert [parts for parts in messages if not any(all(part in text for part in parts) for text in texts)] == []


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = [link for link in re.findall(r"`[^`<]+ <([^>]+)>`_", README.read_text()) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture
def inner_links(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    yield importlib.import_module("inner_links")
    del sys.modules["inner_links"]


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ('<a href="other.html#there">', None),
        ('<a href="#here">', None),
        ('<a href="https://example.org/x">', None),
        ('<a href="other.html#gone">', "page.html leads to other.html#gone: there is no such place on that page"),
        ('<a href="gone.html">', "page.html leads to gone.html, which is not there"),
        ('<img src="gone.svg">', "page.html leads to gone.svg, which is not there"),
        ('<script src="https://example.org/x.js">', "page.html would fetch https://example.org/x.js"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(inner_links: Any, tmp_path: Path, link: str, problem: str | None) -> None:
    (tmp_path / "page.html").write_text(f'<p id="here">{link}')
    (tmp_path / "other.html").write_text('<p id="there">')
    assert list(inner_links.problems(tmp_path)) == ([problem] if problem else [])
