"""What pip has passed over; lines of logs are such as pip writes."""

from pathlib import Path

import pytest
from packaging.version import Version

from ebsif.errors import ConflictError
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.passed import offered, passed_over
from ebsif.lock.pip.request import PipRequest

TIME = "2026-11-28T18:25:05,564 "
PAGE = "(from https://example.org/simple/my-pkg/)"


def source(file: str, python: str = "") -> str:
    more = f" (requires-python:{python})" if python else ""
    return f"{TIME}  Skipping link: No sources permitted for my-pkg: https://example.org/a/{file} {PAGE}{more}\n"


def wheel(version: str) -> str:
    file = f"my_pkg-{version.replace('+', '%2B')}-py3-none-any.whl"
    return f"{TIME}  Found link https://example.org/a/{file} {PAGE}, version: {version}\n"


def judge(*log: str, taken: str = "1.0", asked: str = "my-pkg", needs: str | None = None) -> list[str]:
    """Return what is said of a version, given what else is asked for and what another package needs."""
    report = {
        "environment": {"python_full_version": "3.11.4", "python_version": "3.11"},
        "install": [
            {"metadata": {"name": "my-pkg", "version": taken}, "is_direct": False},
            {"metadata": {"name": "b", "version": "1", "requires_dist": [needs] if needs else []}, "is_direct": True},
        ],
    }
    return list(passed_over(report, PipRequest((Line(asked, Path("r.txt")),)), log))


@pytest.mark.parametrize("file", ["my_pkg-1!2.0.tar.gz", "my-pkg-1!2.0.zip", "My.Pkg-1%212.0.tar.bz2"])
def test_the_version_of_a_source_package_is_that_of_its_name(file: str) -> None:
    assert list(offered([source(file)])["my-pkg"].sources) == [Version("1!2.0")]


def test_wheels_are_told_from_source_packages() -> None:
    found = offered([source("my_pkg-2.0.tar.gz", ">=3.8"), wheel("1.0+cu12"), source("my_pkg-odd version.tar.gz")])
    assert (found["my-pkg"].wheels, list(found["my-pkg"].sources)) == ({Version("1.0+cu12")}, [Version("2.0")])


@pytest.mark.parametrize(
    "choice",
    [
        {"asked": "my-pkg<2"},
        {"asked": "my-pkg<2 ; python_version > '3'"},
        {"needs": "my-pkg==1.*"},
        {"taken": "2.0"},
    ],
)
def test_a_release_that_nobody_wants_is_not_missed(choice: dict[str, str]) -> None:
    assert judge(source("my_pkg-2.0.tar.gz"), wheel("1.0"), **choice) == []


@pytest.mark.parametrize(
    "log",
    [
        [source("my_pkg-2.0.tar.gz", ">=3.12"), wheel("1.0")],
        [source("my_pkg-2.0rc1.tar.gz"), wheel("1.0")],
        [source("my_pkg-2.0.tar.gz"), wheel("1.0"), wheel("2.0")],
    ],
)
def test_what_does_not_fit_or_has_a_wheel_is_not_missed(log: list[str]) -> None:
    assert judge(*log) == []


@pytest.mark.parametrize(
    "choice", [{"asked": "my-pkg<2 ; python_version < '3'"}, {"needs": "my-pkg<2 ; extra == 'x'"}, {}]
)
def test_a_newer_source_package_is_named(choice: dict[str, str]) -> None:
    (said,) = judge(source("my_pkg-2.0.tar.gz"), wheel("1.0"), **choice)
    assert said.startswith("my-pkg 2.0 is there as a source package only, and 1.0 is taken: add my-pkg to ")


def test_a_pre_release_that_nobody_asked_for_is_refused() -> None:
    log = [source("my_pkg-1.0.tar.gz"), wheel("2.0rc1")]
    with pytest.raises(ConflictError, match=r"my-pkg 1\.0 is there .*, and 2\.0rc1 is a pre-release that nobody asked"):
        judge(*log, taken="2.0rc1")
    assert judge(*log, taken="2.0rc1", asked="my-pkg>=2.0rc1") == []
    assert judge(wheel("2.0rc1"), taken="2.0rc1") == []
