"""Which files the default package index lists; the log here is what pip itself has written."""

from ebsif.lock.pip.report import listed_at

LOG = """\
2026-11-25T05:00:00,100 1 location(s) to search for versions of rich:
2026-11-25T05:00:00,100 * https://repo.example/pypi/simple/rich/
2026-11-25T05:00:00,101 Fetching project page and analyzing links: https://repo.example/pypi/simple/rich/
2026-11-25T05:00:00,101 Getting page https://repo.example/pypi/simple/rich/
2026-11-25T05:00:00,200   Found link https://repo.example/files/rich-1.0-py3-none-any.whl#sha256=00 \
(from https://repo.example/pypi/simple/rich/) (requires-python:>=3.8), version: 1.0
2026-11-25T05:00:00,201   Skipping link: not a file: https://repo.example/files/
2026-11-25T05:00:00,201 Fetching project page and analyzing links: https://****@repo.example/own/simple/rich/
2026-11-25T05:00:00,202   Found link https://repo.example/files/rich-2.0-py3-none-any.whl \
(from https://repo.example/own/simple/rich/), version: 2.0
"""


def test_the_page_that_lists_a_file_tells_its_index() -> None:
    lines = LOG.splitlines(keepends=True)
    first, second = (f"https://repo.example/files/rich-{number}.0-py3-none-any.whl" for number in (1, 2))
    assert listed_at("https://repo.example/pypi/simple", lines) == {first}
    assert listed_at("https://repo.example/pypi/simple/", lines) == {first}
    assert listed_at("https://me:secret@repo.example/own/simple", lines) == {second}
    assert listed_at("https://repo.example/pypi", lines) == set()
