"""pip's reasons in our words; its texts here are what pip itself has written."""

from pathlib import Path

import pytest

from ebsif.errors import ConflictError
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.messages import explained
from ebsif.lock.target import Installed, Target

LABEL = "Python 3.11 on x86_64"
PACKAGES = (Installed("NumPy", "2.1.0"), Installed("six", "1.17.0"))
BASE = Target(Path("x.sif"), "/opt/venv/bin/python", LABEL, PACKAGES)
RECIPE = Path("recipe.yml")
CONFLICT = """Processing ./needy-1.0-py3-none-any.whl

The conflict is caused by:
    {}
    {}

Additionally, some packages in these conflicts have no matching distributions available for your environment:
    six

To fix this you could try to:
1. loosen the range of package versions you've specified
2. remove package versions to allow pip to attempt to solve the dependency conflict
"""
IMPOSSIBLE = """ERROR: Cannot install needy==1.0 because these package versions have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""
NONE = """ERROR: Could not find a version that satisfies the requirement {} (from versions: {})
ERROR: No matching distribution found for it
"""
RETRY = """WARNING: Retrying (Retry(total={}, connect=None, read=None, redirect=None, status=None)) \
after connection broken by \
'NewConnectionError("HTTPSConnection(host='example.org', port=443): Failed to establish a new connection: [Errno 111] \
Connection refused")': /simple/six/
"""


def conflict(*causes: str, lines: tuple[Line, ...] = ()) -> str:
    error = explained(CONFLICT.format(*causes), IMPOSSIBLE, BASE, lines)
    assert isinstance(error, ConflictError)
    return str(error)


def test_a_conflict_with_the_base_names_both_sides_and_what_to_do() -> None:
    assert conflict("pandas 2.0 depends on numpy<2", "The user requested (constraint) numpy==2.1.0") == (
        "packages conflict: pandas 2.0 needs numpy<2, the base has numpy 2.1.0; to replace it in "
        "the layer, add numpy to `allow_base_packages`"
    )


def test_a_conflict_of_many_versions_names_some_and_what_the_base_has() -> None:
    tried = [f"pandas 1.{minor} depends on numpy<2" for minor in range(30)]
    said = conflict("\n    ".join(tried), "The user requested (constraint) numpy==2.1.0")
    assert said.count("needs numpy<2") == 6
    assert "and 24 more versions that do not fit, the base has numpy 2.1.0; to replace it in" in said


def test_a_conflict_of_the_recipe_itself_names_the_lines() -> None:
    lines = (Line("six<1.17", RECIPE, 5, "six"), Line("six>=1.17 ; python_version > '3'", Path("c.txt"), 2, "six"))
    said = conflict("The user requested six<1.17", "The user requested (constraint) six>=1.17", lines=lines)
    assert said == (
        "packages conflict: six<1.17 is asked for (recipe.yml:5), a constraint asks for six>=1.17 (c.txt:2)"
    )


def test_a_package_that_is_not_there_may_have_a_wrong_name() -> None:
    said = str(explained("", NONE.format("nosuch", "none"), BASE, [Line("nosuch", RECIPE, 4, "nosuch")]))
    assert said.startswith("no wheel of nosuch (recipe.yml:4) fits Python 3.11 on x86_64:")
    assert "is the name right? If there is only a source package, add nosuch to `allow_source`" in said


def test_a_version_that_is_not_there_lists_the_newest() -> None:
    versions = ", ".join(f"1.{minor}" for minor in range(12))
    said = str(explained("", NONE.format("many==3", versions), BASE))
    assert "the newest versions with one are: 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 1.10, 1.11" in said


def test_a_dependency_that_is_not_there_names_who_needs_it() -> None:
    assert "nosuch<2, which needy needs" in str(explained("", NONE.format("nosuch<2 (from needy)", "none"), BASE))


@pytest.mark.parametrize(("left", "reached"), [(0, False), (1, True)])
def test_a_network_that_fails_only_once_is_no_reason(left: int, reached: bool) -> None:
    said = str(explained("", RETRY.format(left) + NONE.format("six", "none"), BASE))
    assert said.startswith("no wheel of six") is reached
    if not reached:
        assert said == (
            "the package index cannot be reached: HTTPSConnection(host='example.org', port=443): Failed to establish a "
            "new connection: [Errno 111] Connection refused"
        )


def test_a_build_backend_that_asks_for_what_has_no_wheel_is_named() -> None:
    errors = "ERROR: Failed to build 'asking' when installing backend dependencies for asking\n"
    assert str(explained("", errors, BASE)).startswith(
        "asking cannot be locked from source: its build backend asks for packages that have no wheels that fit Python"
    )


def test_a_package_of_the_base_that_pip_does_not_read_is_to_be_replaced() -> None:
    errors = """error: invalid-installed-package

× Cannot process installed package omegaconf 2.0.6 in '/opt/venv/lib/python3.11/site-packages' because it has an invalid
requirement:
│ .* suffix can only be used with `==` or `!=` operators
│     PyYAML (>=5.1.*)
│             ~~~~~~^
╰─> Starting with pip 24.1, packages with invalid requirements can not be processed.

hint: To proceed this package must be uninstalled.
"""
    assert str(explained("", errors, BASE)) == (
        "the base has omegaconf 2.0.6, whose metadata pip does not accept any more: add omegaconf to "
        "`allow_base_packages`, and a newer version of it to `packages`"
    )


def test_the_last_lines_of_a_build_are_told() -> None:
    errors = "ERROR: Failed to build 'sklearn' when getting requirements to build wheel\n"
    time = "2026-11-28T18:25:31,290 "
    said = ["Running command pip", "Collecting", "Running command Getting", "The 'sklearn' package is deprecated, use"]
    said += ["'scikit-learn'", "Traceback (most recent call last):", '  File "setup.py"', "    raise X", "X: end"]
    log = [f"{time}  {line}\n" for line in [*said, "ERROR: Getting exited with 1", "full command: python"]]
    assert "must run: The 'sklearn' package is deprecated, use 'scikit-learn' X: end; a build sees no packages" in (
        str(explained("", errors, BASE, log=log))
    )


def test_anything_else_is_what_pip_says() -> None:
    errors = "WARNING: something\nERROR: x.whl is not a supported wheel on this platform.\n"
    assert str(explained("", errors, BASE)) == "pip failed: ERROR: x.whl is not a supported wheel on this platform."
