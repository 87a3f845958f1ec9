"""Locking what must be built: repositories of a real git server, archives of a forge, and folders of the user."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import workbench
from ebsif.cli import main
from ebsif.easyconfig.read import read_easyconfig
from ebsif.errors import ConflictError, EbsifError, InputError
from ebsif.lock.commit import Commit
from ebsif.lock.model import Lock, LockedFile
from tests.integration.test_lock import Bench, bench_on, file_of, versions
from tests.support import git
from tests.support.git import Forge, Repository, forge, make_repository, package_files
from tests.support.index import serve
from tests.support.wheels import Wheel, make_wheel
from workbench import store

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("environment", "default_index")]

# Takes its version from git, as setuptools-scm does: in an archive there is no git.
FROM_GIT = "import os\nfrom setuptools import setup\nsetup(name='tagged', version=os.environ['{}'], py_modules=[])\n"


@pytest.fixture
def bench(machine: workbench.Machine, tmp_path: Path, pip_wheel: Wheel, environment: None) -> Bench:
    """On the small base, a venv that has six 1.17.0."""
    return bench_on(machine.bases["venv"], tmp_path, machine, pip_wheel)


@pytest.fixture(scope="module")
def default_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of what stands for the public index."""
    folder = tmp_path_factory.mktemp("default")
    for name in ("setuptools", "six"):
        (wheel,) = store.cache_root().glob(f"wheels-small-*/{name}-*.whl")
        shutil.copy(wheel, folder)
    make_wheel(folder, "plain")
    with serve(folder) as index:
        yield index.url


@pytest.fixture
def default_index(default_files: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", default_files)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """A forge with a few packages."""
    folder = tmp_path_factory.mktemp("forge")
    tool = make_repository(folder, "course-tool")
    tool.commit(package_files("course-tool", requires=("six", "plain")), tag="v1.0")
    tool.commit({"setup.py": FROM_GIT.format("SETUPTOOLS_SCM_PRETEND_VERSION")})
    git.git(tool.tree, "tag", "v2.0")
    inner = {f"python/{name}": text for name, text in package_files("inner", "3.0").items()}
    make_repository(folder, "mono").commit({"README": "Many things", **inner})
    with forge(folder) as served:
        needed = f"course-tool @ git+{served.url}/course-tool.git@v1.0"
        needs = package_files("needs-it", requires=(needed, 'gone @ git+https://example.org/x ; python_version < "3"'))
        make_repository(folder, "needs-it").commit(needs)
        tool.push()
        yield served


@pytest.fixture
def own(tmp_path: Path, server: Forge) -> Repository:
    """A repository that the test may change, on the same forge."""
    repository = make_repository(server.folder, f"own-{tmp_path.name}")
    repository.commit(package_files("own"))
    return repository


def commit_of(server: Forge, name: str, ref: str) -> str:
    return git.git(server.folder / f"{name}.git", "rev-parse", ref)


def test_a_repository_becomes_a_source_file_of_its_commit(bench: Bench, server: Forge) -> None:
    resolved = bench.lock(f"packages: ['course-tool @ git+{server.url}/course-tool.git@v1.0']")
    commit = commit_of(server, "course-tool", "v1.0")
    name = f"course-tool-1.0-g{commit[:12]}.tar.xz"
    sha256 = hashlib.sha256((bench.sources / name).read_bytes()).hexdigest()
    assert file_of(resolved.lock, "course-tool") == LockedFile(
        "course-tool", "1.0", name, sha256, commit=Commit(server.url, "course-tool", commit)
    )
    assert resolved.lock.build_packages == ("setuptools",)
    assert resolved.summary.from_base == {"six": "1.17.0"}
    assert resolved.summary.asked == (f"course-tool @ git+{server.url}/course-tool.git@v1.0",)
    assert bench.stored() == {file.filename for file in resolved.lock.files}
    assert "plain" in versions(resolved.lock)


def test_an_address_without_a_name_is_enough_and_tags_give_the_version(bench: Bench, server: Forge) -> None:
    lock = bench.lock(f"packages: ['git+{server.url}/course-tool']").lock
    assert versions(lock)["tagged"] == "2.0"
    layer = bench.request()
    assert (layer.packages(lock), layer.imported(lock)) == (["tagged"], ["tagged"])


def test_a_folder_in_a_repository_can_be_the_package(bench: Bench, server: Forge) -> None:
    lock = bench.lock(f"packages: ['inner @ git+{server.url}/mono#subdirectory=python']").lock
    assert (file_of(lock, "inner").version, file_of(lock, "inner").start_dir) == ("3.0", "python")


def test_what_a_repository_needs_from_another_is_locked_too(bench: Bench, server: Forge) -> None:
    lock = bench.lock(f"packages: ['git+{server.url}/needs-it']").lock
    assert versions(lock).keys() == {"course-tool", "needs-it", "plain", "setuptools"}
    assert all(file_of(lock, name).commit for name in ("course-tool", "needs-it"))


def test_submodules_belong_to_it(bench: Bench, server: Forge, own: Repository) -> None:
    git.git(own.tree, "submodule", "--quiet", "add", f"{server.url}/mono.git", "mono")
    own.commit({"MANIFEST.in": "graft mono\n"})
    commit = file_of(bench.lock(f"packages: ['git+{server.url}/{own.tree.name}']").lock, "own").commit
    assert commit
    assert commit.recursive


def test_a_marker_can_leave_it_out(bench: Bench, server: Forge) -> None:
    address = f"course-tool @ git+{server.url}/course-tool.git@v1.0 ; python_version < '3'"
    assert versions(bench.lock(f'packages: [plain, "{address}"]').lock) == {"plain": "1.0"}


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize("name", ["course-tool @ ", ""])
def test_an_archive_of_a_forge_is_known_by_name_and_version(
    bench: Bench, server: Forge, name: str, suffix: str
) -> None:
    folder = f"{server.url}/course-tool/archive"
    lock = bench.lock(f"packages: ['{name}{folder}/v1.0{suffix}']").lock
    file = file_of(lock, "course-tool")
    assert (file.filename, file.source_url, file.remote_name) == (f"course-tool-1.0{suffix}", folder, f"v1.0{suffix}")
    assert bench.stored() == {file.filename for file in lock.files}
    assert bench.request().imported(lock) == ["course-tool"]


def test_an_archive_on_this_machine_is_locked_too(bench: Bench, server: Forge) -> None:
    words = ["archive", "--format=tar.gz", "--prefix=x/", f"--output={bench.folder / 'x.tgz'}", "v1.0"]
    git.git(server.folder / "course-tool.git", *words)
    lock = bench.lock("packages: [./x.tgz]").lock
    assert file_of(lock, "course-tool").filename == "course-tool-1.0.tar.gz"
    (bench.sources / "course-tool-1.0.tar.gz").unlink()
    bench.fetch(lock)
    assert bench.stored() == {file.filename for file in lock.files}


def test_what_the_base_has_in_that_version_is_replaced_only_where_that_is_allowed(
    bench: Bench, server: Forge, own: Repository
) -> None:
    own.commit(package_files("six", "1.17.0"))
    lines = f"packages: ['six @ git+{server.url}/{own.tree.name}']\n"
    with pytest.raises(ConflictError, match=r"the base has six 1\.17\.0, too: .* add six to `allow_base_packages`"):
        bench.lock(lines)
    assert file_of(bench.lock(f"{lines}allow_base_packages: [six]").lock, "six").commit


def test_files_that_are_missing_are_made_again_of_the_same_bytes(bench: Bench, server: Forge) -> None:
    write_project(bench.folder / "lib", "1")
    packages = [f"git+{server.url}/mono#subdirectory=python", f"{server.url}/course-tool/archive/v1.0.zip", "./lib"]
    lock = bench.lock(f"packages: {packages}").lock
    for file in bench.sources.iterdir():
        if not file.name.startswith("pip-"):
            file.unlink()
    bench.fetch(lock)
    for locked in lock.files:
        assert hashlib.sha256((bench.sources / locked.filename).read_bytes()).hexdigest() == locked.sha256


def test_a_commit_that_is_gone_is_named_with_what_to_do(bench: Bench, server: Forge, own: Repository) -> None:
    lock = bench.lock(f"packages: ['git+{server.url}/{own.tree.name}']").lock
    git.git(own.tree, "commit", "--quiet", "--amend", "--message", "Rewritten")
    own.push()
    bench.fetch(lock)
    (bench.sources / file_of(lock, "own").filename).unlink()
    with pytest.raises(EbsifError, match=r"is not in http://.* any more: its branch was rewritten, or its tag moved"):
        bench.fetch(lock)


def test_a_tag_that_was_moved_is_a_file_with_another_hash(bench: Bench, server: Forge, own: Repository) -> None:
    git.git(own.tree, "tag", "v1")
    own.push()
    lock = bench.lock(f"packages: ['{server.url}/{own.tree.name}/archive/v1.tar.gz']").lock
    own.commit({"more.py": ""})
    git.git(own.tree, "tag", "--force", "v1")
    own.push()
    (bench.sources / file_of(lock, "own").filename).unlink()
    with pytest.raises(EbsifError, match=r"the file was changed; `ebsif generate --upgrade own` takes what is there"):
        bench.fetch(lock)


def write_project(folder: Path, value: str, version: str = "1.0") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["setuptools"]\n[project]\nname = "my-lib"\nversion = "{version}"\n'
        'dependencies = ["plain"]\n[tool.setuptools]\npy-modules = ["my_lib"]\n'
    )
    (folder / "my_lib.py").write_text(f"VALUE = {value!r}\n")


def own_wheel(lock: Lock) -> str:
    file = file_of(lock, "my-lib")
    assert file.is_own
    return file.filename


def test_a_folder_of_the_user_becomes_a_wheel_with_its_digest(bench: Bench) -> None:
    write_project(bench.folder / "lib", "1")
    first = bench.lock("packages: [./lib]").lock
    assert versions(first) == {"my-lib": "1.0", "plain": "1.0"}
    again = bench.lock("packages: ['-e ./lib']").lock
    assert (first.build_packages, own_wheel(again)) == ((), own_wheel(first))
    assert file_of(again, "my-lib").sha256 == file_of(first, "my-lib").sha256
    (bench.folder / "lib" / "my_lib.py").write_text("VALUE = '2'\n")
    assert own_wheel(bench.lock("packages: [./lib]").lock) != own_wheel(first)
    # The wheel of the installation before is still there.
    assert {own_wheel(first)} < bench.stored()
    assert not (bench.folder / "lib" / "build").exists()


def test_a_folder_that_has_changed_cannot_give_the_wheel_of_a_lock(bench: Bench) -> None:
    write_project(bench.folder / "lib", "1")
    lock = bench.lock("packages: [./lib]").lock
    write_project(bench.folder / "lib", "2")
    bench.fetch(lock)
    (bench.sources / own_wheel(lock)).unlink()
    with pytest.raises(EbsifError, match=r"no folder that is named gives it any more: `ebsif generate --upgrade my-l"):
        bench.fetch(lock)


def test_a_build_that_fails_is_told_with_its_line(bench: Bench) -> None:
    (bench.folder / "lib").mkdir()
    (bench.folder / "lib" / "setup.py").write_text("raise SystemExit('nothing works here')\n")
    with pytest.raises(InputError, match=r"(?s)recipe\.yml:5: .*nothing works here"):
        bench.lock("packages:\n- ./lib")
    assert bench.stored() == {"pip-26.3-py3-none-any.whl"}


def test_without_the_image_nothing_is_built(bench: Bench, server: Forge) -> None:
    bench.write(f"packages:\n- git+{server.url}/mono#subdirectory=python\n")
    elsewhere = replace(bench, base=replace(bench.base, path=None))
    with pytest.raises(InputError, match=r"recipe\.yml:5: it is built from source, for which the image must be at"):
        elsewhere.resolve()


def test_an_easyconfig_keeps_its_lock_until_the_folder_changes(
    bench: Bench, server: Forge, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, text in {**package_files("mine"), ".gitignore": "sources/\n"}.items():
        (bench.folder / name).write_text(text)
    git.git(bench.folder, "init", "--quiet")
    bench.write(f"packages:\n- .\n- git+{server.url}/mono#subdirectory=python\n")
    assert main(bench.command) == 0
    easyconfig = read_easyconfig(bench.easyconfig)
    assert easyconfig.lock
    (entry,) = (options for name, _, options in easyconfig.parameters["exts_list"] if name == "mine")
    assert entry["source_urls"] == []
    assert "nowhere else to be had" in entry["download_instructions"]
    assert [(file.commit is not None, file.is_own) for file in easyconfig.lock.installed if file.name != "pip"] == [
        (True, False),
        (False, True),
    ]
    text = bench.easyconfig.read_text()
    assert main([*bench.command, "--check"]) == 0
    (bench.folder / "mine.py").write_text("VERSION = 'other'\n")
    assert main([*bench.command, "--check"]) == 1
    assert main(bench.command) == 0
    assert bench.easyconfig.read_text() != text
