"""Which files the default package index lists, and which can be locked; the log here is what pip has written."""

import pytest

from ebsif.errors import EbsifError
from ebsif.lock.model import LockedFile
from ebsif.lock.pip.report import listed_at, locked_files
from ebsif.lock.pip.request import PipRequest

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


def lock(filename: str, name: str, version: str) -> list[LockedFile]:
    info = {"url": f"https://example.org/a/{filename}", "archive_info": {"hashes": {"sha256": "0" * 64}}}
    item = {"metadata": {"name": name, "version": version}, "is_direct": True, "download_info": info}
    return locked_files({"install": [item]}, PipRequest(()), frozenset())


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        (
            "flash_attn-2.8.3%2Bcu12-py3-none-any.whl",
            "flash_attn-2.8.3+cu12-py3-none-any.whl is not called as flash_attn 2.8.3, which it is by its metadata: "
            "download it, name it so, and add its path to `packages`",
        ),
        ("v2.8.3.tar.gz", "v2.8.3.tar.gz is not called as flash_attn 2.8.3, which it is by its metadata: build a "),
        ("2.8.3.zip", "2.8.3.zip is not called as flash_attn 2.8.3"),
        (
            "flash_attn-2.8.3.tar.bz2",
            "flash_attn-2.8.3.tar.bz2 is no file that can be installed (.whl, .tar.gz, .tar.xz, .zip)",
        ),
        ("flash_attn-2.8.3.tgz", "flash_attn-2.8.3.tgz is no file that can be installed"),
    ],
)
def test_a_file_that_easybuild_would_refuse_is_refused(filename: str, said: str) -> None:
    with pytest.raises(EbsifError) as caught:
        lock(filename, "flash_attn", "2.8.3")
    assert said in str(caught.value)


@pytest.mark.parametrize("filename", ["vpkg-0.1.0-py3-none-any.whl", "VPkg-0.1-py3-none-any.whl", "vpkg-0.1.tar.gz"])
def test_a_version_may_be_spelled_otherwise(filename: str) -> None:
    assert [file.filename for file in lock(filename, "vpkg", "0.1")] == [filename]
