"""`ebsif deploy` copies what EasyBuild needs, removes what it does not need any more, and touches nothing else."""

import hashlib
import json
from pathlib import Path

import pytest

from ebsif import __version__
from ebsif.cli import main
from ebsif.deploy import LIST, deploy

GENERIC = "easybuild/easyblocks/generic"
OLD = b"from easybuild.framework import old\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository to which an earlier version has deployed files that this one has not."""
    files = {f"{GENERIC}/_sifold.py": OLD, f"{GENERIC}/sif/old.sh": b"", "easybuild/easyconfigs/d/Demo/Demo-0.eb": b""}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (tmp_path / LIST).write_text(json.dumps({"format": 1, "version": "0.0.9", "files": digests}))
    return tmp_path


def test_easyblocks_come_with_the_files_that_they_install(tmp_path: Path) -> None:
    deploy(tmp_path)
    generic = tmp_path / "easybuild" / "easyblocks" / "generic"
    assert {"sifcontainer.py", "sifvenv.py", "_siftext.py"} <= {path.name for path in generic.iterdir()}
    assert (generic / "sif" / "wrapper.sh").exists()
    assert (generic / "sif" / "runscripts" / "get-master").exists()


def test_only_our_files_are_copied(tmp_path: Path) -> None:
    deploy(tmp_path)
    assert not list(tmp_path.rglob("__init__.py"))
    # EasyBuild's own, in the folders that ours join.
    assert not (tmp_path / "easybuild" / "easyblocks" / "generic" / "conda.py").exists()


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    assert deploy(tmp_path).written
    again = deploy(tmp_path)
    assert (again.written, again.removed, again.changed, again.replaces) == ((), (), (), __version__)


def test_the_list_names_what_was_deployed(tmp_path: Path) -> None:
    deploy(tmp_path)
    listed = json.loads((tmp_path / LIST).read_text())
    assert listed["version"] == __version__
    assert {tmp_path / name for name in [*listed["files"], LIST]} == {p for p in tmp_path.rglob("*") if p.is_file()}
    blob = (tmp_path / GENERIC / "sifvenv.py").read_bytes()
    assert listed["files"][f"{GENERIC}/sifvenv.py"] == hashlib.sha256(blob).hexdigest()


def test_easyblocks_of_an_earlier_version_are_removed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", str(repository)]) == 0
    assert not (repository / GENERIC / "_sifold.py").exists()
    assert not (repository / GENERIC / "sif" / "old.sh").exists()
    told = capsys.readouterr()
    assert f"{repository}/{GENERIC}/_sifold.py (removed)" in told.out
    assert f"ebsif {__version__} replaces 0.0.9" in told.err


def test_easyconfigs_of_an_earlier_version_stay(repository: Path) -> None:
    """What was installed from them may be installed again."""
    deploy(repository)
    assert (repository / "easybuild/easyconfigs/d/Demo/Demo-0.eb").exists()


def test_an_easyblock_that_somebody_has_changed_stays_and_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = repository / GENERIC / "_sifold.py"
    changed.write_bytes(OLD + b"# ours\n")
    assert main(["deploy", str(repository)]) == 0
    assert changed.exists()
    assert f"{changed} was deployed by an earlier version, and somebody has changed it" in capsys.readouterr().err


def test_files_of_the_user_stay(repository: Path) -> None:
    own = repository / GENERIC / "_sifown.py"
    own.write_text("")
    deploy(repository)
    assert own.exists()


def test_files_of_the_version_that_wrote_no_list_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tmp_path / "ebsif" / "deployed" / "0.1.0.json"
    first.parent.mkdir(parents=True)
    digests = {f"{GENERIC}/_sifold.py": hashlib.sha256(OLD).hexdigest()}
    first.write_text(json.dumps({"format": 1, "version": "0.1.0", "files": digests}))
    monkeypatch.setattr("ebsif.deploy.resources.files", lambda name: tmp_path / name)
    old = tmp_path / "UserRepo" / GENERIC / "_sifold.py"
    old.parent.mkdir(parents=True)
    old.write_bytes(OLD)
    assert deploy(tmp_path / "UserRepo").replaces == "0.1.0"
    assert not old.exists()


def test_an_empty_repository_had_no_version(tmp_path: Path) -> None:
    assert deploy(tmp_path).replaces is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "version": "9", "files": {}}',
        f'{{"version": "9", "files": {{"easybuild/easyblocks/../../x": "{"0" * 64}"}}}}',
        f'{{"version": "9", "files": {{"/etc/passwd": "{"0" * 64}"}}}}',
    ],
)
def test_a_list_that_is_none_of_ours_is_refused_and_nothing_written(
    repository: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / LIST).write_text(text)
    assert main(["deploy", str(repository)]) == 2
    assert f"{repository / LIST} is not a list of this version of `ebsif deploy`" in capsys.readouterr().err
    assert not (repository / GENERIC / "sifvenv.py").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["deploy", str(tmp_path / "file" / "UserRepo")]) == 2
    assert f"cannot write {tmp_path}/file/UserRepo" in capsys.readouterr().err
