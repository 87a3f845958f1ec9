"""The easyconfig for ebsif itself locks what setup.cfg asks for, for each Python and machine."""

import hashlib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from ebsif import __version__
from workbench import distribution, easybuild
from workbench.errors import WorkbenchError
from workbench.progress import Progress

LOCKED = {package.name: package for package in distribution.locked()}


def test_it_is_for_this_version() -> None:
    assert distribution.easyconfig().name == f"ebsif-{__version__}.eb"
    assert f"\nversion = '{__version__}'\n" in distribution.easyconfig().read_text()


@pytest.mark.parametrize("line", distribution.requirements())
def test_each_requirement_is_locked_in_a_version_that_it_takes(line: str) -> None:
    requirement = Requirement(line)
    assert LOCKED[canonicalize_name(requirement.name)].version in requirement.specifier


@pytest.mark.parametrize("python", distribution.PYTHONS)
@pytest.mark.parametrize("machine", distribution.MACHINES)
def test_each_package_has_a_file_for_each_python_and_machine(python: str, machine: str) -> None:
    release = (3, int(python.partition(".")[2]))
    tags = {*cpython_tags(release, platforms=[*(f"manylinux_2_{minor}_{machine}" for minor in range(17, 29)), "any"])}
    universal = {f"{name}-none-any" for name in ("py3", "py2")}
    for package in LOCKED.values():
        offered = {tag for file in package.files for tag in parse_wheel_filename(file)[3]}
        assert offered & tags or {str(tag) for tag in offered} & universal, package.name


def test_each_file_is_of_the_version_that_is_locked() -> None:
    for package in LOCKED.values():
        for file in package.files:
            name, version, _, _ = parse_wheel_filename(file)
            assert (name, str(version)) == (package.name, package.version)


def test_what_is_written_is_what_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / distribution.easyconfig().name
    text = distribution.easyconfig().read_text()
    copy.write_text(text)
    monkeypatch.setattr(distribution, "_FOLDER", tmp_path)
    monkeypatch.setattr(distribution, "_look_up", lambda cache, progress: LOCKED)
    distribution.lock(tmp_path, Progress())
    assert copy.read_text() == text


def test_the_easyconfig_that_is_handed_over_states_the_digest_of_its_archive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive, wheel = tmp_path / "ebsif-1.tar.gz", tmp_path / "ebsif-1-py3-none-any.whl"
    archive.write_bytes(b"archive")
    wheel.write_bytes(b"wheel")
    monkeypatch.setattr(easybuild, "project_files", lambda cache: [wheel, archive])
    *_, easyconfig = distribution.hand_over(tmp_path, tmp_path / "dist")
    assert hashlib.sha256(b"archive").hexdigest() in easyconfig.read_text()
    assert "None" not in easyconfig.read_text()


def test_an_easyconfig_without_a_place_for_what_is_locked_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ebsif-1.eb").write_text("components = []\n")
    monkeypatch.setattr(distribution, "_FOLDER", tmp_path)
    with pytest.raises(WorkbenchError, match="has no lines that enclose what is locked"):
        distribution.locked()
