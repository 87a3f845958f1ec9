"""Environments that others have locked: `@EXPLICIT` files and `conda-lock.yml`."""

from pathlib import Path

import pytest

from ebsif.errors import InputError
from ebsif.lock.model import LockedFile
from tests.support.environments import ask, in_file, refuse

SHA = "a" * 64
URL = "https://example.org/channel"


def explicit(*lines: str) -> str:
    return "# made by conda\n@EXPLICIT\n" + "".join(f"{line}\n" for line in lines)


def package(name: str = "tool", *, platform: str = "linux-64", more: str = "", digest: str = f"sha256: {SHA}") -> str:
    url = f"{URL}/{platform}/{name}-1.0-h1_0.conda"
    return (
        f"- name: {name}\n  version: 1.0\n  manager: conda\n  platform: {platform}\n  url: {url}\n"
        f"  hash: {{md5: x, {digest}}}\n{more}"
    )


def conda_lock(*packages: str, version: int = 1) -> str:
    return f"version: {version}\nmetadata:\n  channels: []\npackage:\n" + "".join(packages)


@pytest.mark.parametrize("digest", [SHA, SHA.upper(), f"sha256:{SHA}"])
def test_an_explicit_file_lists_files(tmp_path: Path, digest: str) -> None:
    text = explicit(f"{URL}/linux-64/two-words-1!2.0-h1_0.conda#{digest}", "", f"{URL}/noarch/old-3-0.tar.bz2#{SHA}")
    asked = ask(tmp_path, in_file(tmp_path, text, "environment.txt"))
    assert [pinned.file for pinned in asked.pinned] == [
        LockedFile("two-words", "1!2.0", "two-words-1!2.0-h1_0.conda", SHA, f"{URL}/linux-64"),
        LockedFile("old", "3", "old-3-0.tar.bz2", SHA, f"{URL}/noarch"),
    ]
    assert [pinned.number for pinned in asked.pinned] == [3, 5]
    assert (asked.specs, asked.channels) == ((), ())


def test_packages_of_pip_in_comments_of_an_explicit_file_are_left_to_pip(tmp_path: Path) -> None:
    lines = (f"# pip six @ https://x/six-1.17.0-py2.py3-none-any.whl#sha256={SHA.upper()}", "# pip more==1.0", "# pip")
    text = explicit(f"{URL}/noarch/old-3-0.tar.bz2#{SHA}", *lines, "# pipette is a comment")
    asked = ask(tmp_path, in_file(tmp_path, text, "environment.txt"))
    assert [(entry.text, entry.hashes, entry.number) for entry in asked.pip] == [
        ("six @ https://x/six-1.17.0-py2.py3-none-any.whl", (f"sha256:{SHA}",), 4),
        ("more==1.0", (), 5),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{URL}/noarch/a-1-0.conda", "a-1-0.conda has no SHA256, so that it cannot be locked: `conda list --explicit"),
        (f"{URL}/noarch/a-1-0.conda#{'b' * 32}", "a-1-0.conda has no SHA256"),
        (f"{URL}/osx-64/a-1-0.conda#{SHA}", "a-1-0.conda is for osx-64, and the base is linux-64"),
        (f"{URL}/noarch/a.conda#{SHA}", f"'{URL}/noarch/a.conda' is not the URL of a package of conda"),
        (f"/opt/noarch/a-1-0.conda#{SHA}", "'/opt/noarch/a-1-0.conda' is not the URL of a package of conda"),
        (f"https://me:secret@x/noarch/a-1-0.conda#{SHA}", "a URL must not hold a password"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, message: str) -> None:
    said = refuse(tmp_path, in_file(tmp_path, explicit(line), "environment.txt"))
    assert said.startswith(f"environment.txt:3: {message}")


def test_of_a_conda_lock_the_packages_for_the_base_count(tmp_path: Path) -> None:
    dev = package("dev", more="  category: dev\n  optional: true\n")
    text = conda_lock(package(), package("mac", platform="osx-64"), dev)
    asked = ask(tmp_path, in_file(tmp_path, text, "conda-lock.yml"))
    (pinned,) = asked.pinned
    assert pinned.file == LockedFile("tool", "1.0", "tool-1.0-h1_0.conda", SHA, f"{URL}/linux-64")
    assert pinned.number == 5


def test_what_a_conda_lock_leaves_to_pip_keeps_version_and_sha256(tmp_path: Path) -> None:
    wheel = package("some-wheel").replace("manager: conda", "manager: pip")
    (entry,) = ask(tmp_path, in_file(tmp_path, conda_lock(package(), wheel), "conda-lock.yml")).pip
    assert (entry.text, entry.hashes, entry.number) == ("some-wheel==1.0", (f"sha256:{SHA}",), 11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (conda_lock(package(digest="sha512: x")), "5: tool-1.0-h1_0.conda has no SHA256, so that it cannot be locked"),
        (conda_lock(package(platform="osx-64")), "4: the lock is for osx-64, and the base is linux-64: lock again"),
        (conda_lock(package(), version=2), "1: only version 1 of conda-lock.yml can be read"),
        ("version: 1\nmetadata: {}\npackage: x\n", "3: package must be a list of packages"),
    ],
)
def test_a_conda_lock_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refuse(tmp_path, in_file(tmp_path, text, "conda-lock.yml")).startswith(f"conda-lock.yml:{message}")


def test_without_a_base_nothing_is_chosen(tmp_path: Path) -> None:
    text = in_file(tmp_path, explicit(f"{URL}/osx-64/a-1-0.conda#{SHA}"), "environment.txt")
    assert len(ask(tmp_path, text, platform=None).pinned) == 1
    with pytest.raises(InputError):
        ask(tmp_path, text)
