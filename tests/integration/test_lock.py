"""Locking on real bases: which files pip finds there, from where, and what is said when there are none."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import workbench
from ebsif import process
from ebsif.base.image import Base
from ebsif.base.store import manifest_of
from ebsif.cli import main
from ebsif.easyconfig.read import read_easyconfig
from ebsif.errors import ConflictError, EbsifError, InputError
from ebsif.lock import LayerRequest, Resolved, digest, fetch, request, resolve
from ebsif.lock.model import PIP, Lock, LockedFile
from ebsif.recipe import read_recipe
from ebsif.runtime import Runtime
from tests.support.conda_bench import QUIET, CondaBench
from tests.support.index import Index, serve
from tests.support.runtime import CountedRuntime, use_runtime, with_variable
from tests.support.sdists import make_asking_sdist, make_sdist
from tests.support.wheels import Wheel, make_wheel
from workbench import store

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("environment", "default_index")]

HEAD = "name: Demo\nversion: 1.0\nbase: {}\n"

# A build backend that can do no more than tell what a source package is called.
BACKEND = """\
import pathlib, shutil

def build_wheel(*arguments):
    raise NotImplementedError

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    fields = dict(line.split(": ") for line in pathlib.Path("PKG-INFO").read_text().splitlines())
    info = pathlib.Path(folder, "{Name}-{Version}.dist-info".format(**fields))
    info.mkdir()
    shutil.copy("PKG-INFO", info / "METADATA")
    return info.name
"""


@dataclass(frozen=True)
class Bench(CondaBench):
    """A recipe for a venv on a base, with a folder for sources that has pip already."""

    def write(self, lines: str) -> None:
        assert self.base.path
        self.recipe.write_text(HEAD.format(self.base.path) + lines)

    def fetch(self, lock: Lock) -> None:
        fetch(lock, self.request(), self.base, self.runtime, self.sources, QUIET)

    def resolve(self) -> Resolved:
        runtime = self.runtime if self.base.path else None
        return resolve(self.request(), self.base, runtime, self.sources, QUIET)

    def request(self) -> LayerRequest:
        found = request(*read_recipe(self.recipe), self.base)
        assert found
        return found


def bench_on(image: Path, folder: Path, machine: workbench.Machine, pip_wheel: Wheel) -> Bench:
    bench = Bench(folder, Base(image.name, image, manifest_of(image, QUIET)), Runtime(machine.runtime))
    bench.sources.mkdir()
    shutil.copy(pip_wheel.path, bench.sources)
    return bench


@pytest.fixture
def make_bench(
    machine: workbench.Machine, tmp_path: Path, pip_wheel: Wheel, environment: None
) -> Callable[[str], Bench]:
    return lambda name: bench_on(machine.bases[name], tmp_path, machine, pip_wheel)


@pytest.fixture
def bench(make_bench: Callable[[str], Bench]) -> Bench:
    """On the small base, a venv that has six 1.17.0."""
    return make_bench("venv")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with a few packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, version, requires in [
        ("six", "1.16.0", []),
        ("old", "1.0", ["six<1.17"]),
        ("new", "1.0", ["six>=1.17", "many"]),
        ("many", "1.0", []),
        ("many", "2.0", []),
        ("other", "1.0", ["many<2"]),
        ("more", "1.0", []),
    ]:
        make_wheel(folder, name, version, requires=requires)
    make_sdist(folder, "tiny")
    with serve(folder) as index:
        yield index


@pytest.fixture(scope="module")
def default_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """What stands for the public index: packages for a layer on torch, and what source packages are built with."""
    folder = tmp_path_factory.mktemp("default")
    for name in ("setuptools", "six"):
        (wheel,) = store.cache_root().glob(f"wheels-small-*/{name}-*.whl")
        shutil.copy(wheel, folder)
    make_wheel(folder, "lightning", requires=["torch>=2.1", "numpy", "metrics"])
    make_wheel(folder, "metrics", requires=["torch>=2", "numpy>1.20"])
    make_wheel(folder, "plain")
    make_wheel(folder, "own_backend", files={"own_backend.py": BACKEND})
    with serve(folder) as index:
        yield index


@pytest.fixture
def default_index(default_files: Index, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index of packages for which no other is named."""
    monkeypatch.setenv("PIP_INDEX_URL", default_files.url)
    return default_files


def file_of(lock: Lock, name: str) -> LockedFile:
    return next(file for file in lock.files if file.name == name)


def earlier(**versions: str) -> Lock:
    """Return a lock with wheels of those versions, but not the same files."""
    files = [LockedFile(name, of, f"{name}-{of}-py3-none-any.whl", "0" * 64) for name, of in versions.items()]
    return Lock("an earlier recipe", (PIP, *files))


def versions(lock: Lock) -> dict[str, str]:
    return {file.name: file.version for file in lock.files if file.name != "pip"}


@pytest.mark.parametrize("base", ["venv-torch", "conda-torch"])
def test_what_the_base_has_is_not_locked(make_bench: Callable[[str], Bench], base: str) -> None:
    resolved = make_bench(base).lock("packages: [lightning]")
    assert versions(resolved.lock) == {"lightning": "1.0", "metrics": "1.0"}
    assert resolved.summary.from_base == {"numpy": "2.4.6", "torch": "2.13.0+cpu"}


@pytest.mark.parametrize("base", ["conda", "conda-active"])
def test_each_kind_of_base_can_be_locked_on(make_bench: Callable[[str], Bench], index: Index, base: str) -> None:
    bench = make_bench(base)
    assert versions(bench.lock(f"packages: [many]\nindex: {index.url}").lock) == {"many": "2.0"}
    assert bench.stored() == {"pip-26.3-py3-none-any.whl", "many-2.0-py3-none-any.whl"}


def test_a_base_without_python_is_named(make_bench: Callable[[str], Bench], index: Index) -> None:
    with pytest.raises(EbsifError, match=r"the image demo-rocm.* has no Python that a venv can be made with"):
        make_bench("bare").lock(f"packages: [many]\nindex: {index.url}")


def test_a_conflict_with_the_base_names_both_sides_and_the_line(bench: Bench, index: Index) -> None:
    with pytest.raises(ConflictError) as error:
        bench.lock(f"index: {index.url}\npackages:\n- many\n- six<1.17")
    assert str(error.value) == (
        f"packages conflict: six<1.17 is asked for ({bench.recipe}:7), the base has six 1.17.0; "
        "to replace it in the layer, add six to `allow_base_packages`"
    )


def test_a_package_that_wants_another_version_than_the_base_has_is_named(bench: Bench, index: Index) -> None:
    with pytest.raises(ConflictError, match=r"old 1.0 needs six<1.17, the base has six 1.17.0"):
        bench.lock(f"index: {index.url}\npackages: [old]")


def test_a_package_of_the_base_may_be_replaced(bench: Bench, index: Index) -> None:
    resolved = bench.lock(f"index: {index.url}\npackages: [old]\nallow_base_packages: [six]")
    assert versions(resolved.lock) == {"old": "1.0", "six": "1.16.0"}
    assert "six" not in resolved.summary.from_base


def test_requirements_that_contradict_each_other_are_named(bench: Bench, index: Index) -> None:
    with pytest.raises(ConflictError) as error:
        bench.lock(f"index: {index.url}\npackages: [other, many>=2]")
    assert f"many>=2 is asked for ({bench.recipe}:5)" in str(error.value)
    assert "other 1.0 needs many<2" in str(error.value)


def test_an_unknown_package_is_named_with_its_line(bench: Bench, index: Index) -> None:
    with pytest.raises(ConflictError) as error:
        bench.lock(f"index: {index.url}\npackages: [nosuch]")
    assert f"no wheel of nosuch ({bench.recipe}:5) fits Python 3." in str(error.value)


def test_versions_that_there_are_are_listed(bench: Bench, index: Index) -> None:
    with pytest.raises(ConflictError, match=r"many==3 .*the newest versions with one are: 1.0, 2.0"):
        bench.lock(f"index: {index.url}\npackages: [many==3]")


def test_a_project_that_needs_another_python_is_refused(bench: Bench) -> None:
    text = '[project]\nname = "x"\ndependencies = ["six"]\nrequires-python = ">=3.12"\n'
    (bench.folder / "pyproject.toml").write_text(text)
    said = bench.refuse("pyproject: {}")
    assert said.startswith("pyproject.toml:4: the project needs Python >=3.12, and the base has 3.11.")


def test_a_newer_release_without_a_wheel_is_named(bench: Bench, index: Index) -> None:
    make_sdist(index.folder, "many", "3.0")
    resolved = bench.lock(f"index: {index.url}\npackages: [many]")
    assert versions(resolved.lock) == {"many": "2.0"}
    assert resolved.warnings == [
        "many 3.0 is there as a source package only, and 2.0 is taken: add many to `allow_source`, or write many==2.0 "
        "if that is meant"
    ]
    assert bench.lock(f"index: {index.url}\npackages: [many==2.0]").warnings == []


def test_a_pre_release_in_place_of_a_release_without_a_wheel_is_refused(bench: Bench, index: Index) -> None:
    make_wheel(index.folder, "deep", "0.3.1.dev5")
    make_sdist(index.folder, "deep", "0.19.8")
    assert bench.refuse(f"index: {index.url}\npackages: [deep]", ConflictError) == (
        "deep 0.19.8 is there as a source package only, and 0.3.1.dev5 is a pre-release that nobody asked for: add "
        "deep to `allow_source`, or write deep==0.3.1.dev5"
    )
    assert versions(bench.lock(f"index: {index.url}\npackages: ['deep>=0.3.dev0']").lock) == {"deep": "0.3.1.dev5"}


def test_a_dependency_that_has_no_wheel_is_no_contradiction(bench: Bench, index: Index) -> None:
    for version in ("1.3.1", "1.3.2"):
        make_wheel(index.folder, "hydra", version, requires=["antlr==4.9.*"])
    make_sdist(index.folder, "antlr", "4.9.3")
    said = bench.refuse(f"index: {index.url}\npackages: ['hydra>=1.3']", ConflictError)
    assert said.startswith("no wheel of antlr==4.9.*, which hydra 1.3.2 needs, fits Python 3.11 on ")
    assert "; the newest source package is 4.9.3: to build from source, add antlr to `allow_source`" in said


@pytest.mark.parametrize("packages", ["bad==2.0.6", "uses"])
def test_metadata_that_pip_does_not_accept_are_named(bench: Bench, index: Index, packages: str) -> None:
    make_wheel(index.folder, "bad", "2.0.6", requires=["six>=1.5.*"])
    for version in ("1.0", "1.1"):
        make_wheel(index.folder, "uses", version, requires=["bad==2.0.6"])
    assert "bad 2.0.6 has metadata that pip does not accept any more (`six>=1.5.*`: .* suffix can only be used" in (
        bench.refuse(f"index: {index.url}\npackages: [{packages}]", ConflictError)
    )


def test_what_a_build_says_when_it_cannot_begin_is_told(bench: Bench, index: Index) -> None:
    make_sdist(index.folder, "flash", files={"setup.py": "import torch\n"})
    said = bench.refuse(f"packages: [flash]\nallow_source: [flash]\nextra_indexes: ['{index.url}']")
    assert said.startswith(
        "flash cannot be locked from source, for which its build must run: "
        "ModuleNotFoundError: No module named 'torch'; a build sees no packages of the image: "
    )


def test_a_local_wheel_is_locked_and_copied(bench: Bench, index: Index) -> None:
    wheel = make_wheel(bench.folder, "mine", "1.0+local.1", requires=["many"])
    lock = bench.lock(f"index: {index.url}\npackages: [./{wheel.path.name}]").lock
    assert file_of(lock, "mine") == LockedFile("mine", "1.0+local.1", wheel.path.name, wheel.sha256, None)
    assert versions(lock) == {"mine": "1.0+local.1", "many": "2.0"}
    assert (bench.sources / wheel.path.name).read_bytes() == wheel.path.read_bytes()


def test_a_wheel_named_by_its_url_has_a_source_url(bench: Bench, index: Index) -> None:
    lock = bench.lock(f"packages: ['many @ {index.files_url}/many-1.0-py3-none-any.whl']").lock
    assert file_of(lock, "many").source_url == index.files_url
    assert "many-1.0-py3-none-any.whl" in bench.stored()


def test_a_page_of_links_is_a_place_of_files_too(bench: Bench, index: Index) -> None:
    (bench.folder / "r.txt").write_text(f"--find-links {index.url}/more/\nmore\nplain\n")
    lock = bench.lock("requirements: [r.txt]").lock
    assert (file_of(lock, "more").source_url, file_of(lock, "plain").source_url) == (index.files_url, None)


def test_of_an_extra_index_its_files_alone_have_a_source_url(bench: Bench, index: Index) -> None:
    lock = bench.lock(f"packages: [more==1.0, plain]\nextra_indexes: [{index.url}]").lock
    assert file_of(lock, "plain").source_url is None
    assert file_of(lock, "more").source_url == index.files_url


def test_what_the_image_sets_for_pip_does_not_count(
    bench: Bench, index: Index, default_index: Index, tmp_path: Path
) -> None:
    (tmp_path / "runtime").mkdir()
    program = with_variable(tmp_path / "runtime", bench.runtime.path, f"PIP_EXTRA_INDEX_URL={index.url} PIP_PRE=1")
    run = Runtime(program)
    assert bench.base.path
    assert "PIP_PRE=1" in run.output(bench.base.path, ["env"])
    assert "no wheel of more" in replace(bench, runtime=run).refuse("packages: [more]")


def test_an_index_may_be_a_folder(bench: Bench, index: Index) -> None:
    pages = bench.folder / "own index" / "more"
    pages.mkdir(parents=True)
    wheel = make_wheel(pages, "more", "3.0").path
    (pages / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    url = pages.parent.as_uri()
    resolved = bench.lock(f"packages: [more, many]\nindex: {index.url}\nextra_indexes: ['{url}']")
    assert versions(resolved.lock) == {"more": "3.0", "many": "2.0"}
    assert file_of(resolved.lock, "more").source_url is None
    shutil.rmtree(pages.parent)
    said = bench.refuse(f"packages: [more]\nindex: {url}")
    assert said == f"the package index {url.replace(f'{bench.folder}/', '')} is not there: there is no folder own index"


def test_an_extra_index_may_be_on_the_host_of_the_default_one(
    bench: Bench, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index.folder / "other").mkdir()
    make_wheel(index.folder / "other", "inner")
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    lock = bench.lock(f"packages: [many, inner]\nextra_indexes: [{index.other_url}]").lock
    assert file_of(lock, "many").source_url is None
    assert file_of(lock, "inner").source_url == f"{index.files_url}/other"


def test_a_file_with_another_hash_is_refused_with_its_line(bench: Bench, index: Index) -> None:
    (bench.folder / "r.txt").write_text(f"more\nmany==1.0 --hash=sha256:{'a' * 64}\n")
    with pytest.raises(InputError, match=r"r\.txt:2: many-1.0-py3-none-any.whl has SHA256 .* none of those asked for"):
        bench.lock(f"index: {index.url}\nrequirements: [r.txt]")
    assert bench.stored() == {"pip-26.3-py3-none-any.whl"}


def test_a_hash_of_a_constraint_counts_too(bench: Bench, index: Index) -> None:
    (bench.folder / "c.txt").write_text(f"many==2.0 --hash=sha256:{'0' * 64}\n")
    said = bench.refuse(f"index: {index.url}\npackages: [new]\nconstraints: [c.txt]", InputError)
    assert said.startswith("c.txt:1: many-2.0-py3-none-any.whl has SHA256 ")


def test_what_would_come_is_told_before_anything_is_fetched(
    bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken").mkdir()
    make_wheel(tmp_path / "broken", "many", requires=["six"])
    make_wheel(tmp_path / "broken", "six", "1.16.0")
    with serve(tmp_path / "broken", cut=True, states=("sha256", "metadata")) as index:
        lines = f"index: {index.url}\npackages: [many, six<1.17, 'never; python_version < \"3\"']\n"
        bench.write(lines + "allow_base_packages: [six]\n")
        assert main(bench.command) == 2
    assert capfd.readouterr().err.splitlines()[:4] == [
        "asked for: many, six<1.17",
        "in the layer (2): many 1.0, six 1.16.0",
        "replaced: six 1.17.0 of the base by 1.16.0",
        'ignored: never; python_version < "3": its marker does not hold',
    ]


def test_scripts_learn_what_would_come(bench: Bench, index: Index, capfd: pytest.CaptureFixture[str]) -> None:
    bench.write(f"index: {index.url}\npackages: [new, six]\n")
    assert main([*bench.command, "--dry-run", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    parts = ("asked_for", "from_base", "layer", "replaced", "ignored")
    assert {part: told[part] for part in parts} == {
        "asked_for": ["new", "six"],
        "from_base": {"six": "1.17.0"},
        "layer": {"many": "2.0", "new": "1.0"},
        "replaced": {},
        "ignored": {},
    }
    assert not list(bench.folder.glob("*.eb"))


def test_a_source_package_must_be_allowed(bench: Bench, index: Index) -> None:
    with pytest.raises(ConflictError, match="add tiny to `allow_source`"):
        bench.lock(f"index: {index.url}\npackages: [tiny]")


def test_a_source_package_comes_with_what_it_is_built_with(bench: Bench, index: Index) -> None:
    tiny = f"tiny @ {index.files_url}/tiny-1.0.tar.gz"
    lock = bench.lock(f"extra_indexes: [{index.url}]\npackages: ['{tiny}']\nallow_source: [tiny]").lock
    archive = index.folder / "tiny-1.0.tar.gz"
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert file_of(lock, "tiny") == LockedFile("tiny", "1.0", archive.name, sha256, index.files_url)
    assert "setuptools" in lock.build_packages
    assert file_of(lock, "setuptools").source_url is None
    assert bench.stored() == {file.filename for file in lock.files}


def test_a_build_backend_that_the_base_lacks_is_no_obstacle(bench: Bench, index: Index) -> None:
    pyproject = '[build-system]\nrequires = ["own_backend>=1"]\nbuild-backend = "own_backend"\n'
    make_sdist(index.folder, "rare", pyproject=pyproject)
    lock = bench.lock(f"packages: [rare==1.0]\nallow_source: [rare]\nextra_indexes: [{index.url}]").lock
    assert lock.build_packages == ("own_backend",)
    assert {"rare-1.0.tar.gz"} < bench.stored()


def test_what_a_build_backend_asks_for_when_it_runs_is_locked_too(bench: Bench, index: Index) -> None:
    make_asking_sdist(index.folder, "asking", "new")
    lock = bench.lock(f"packages: [asking==1.0]\nallow_source: [asking]\nextra_indexes: [{index.url}]").lock
    assert set(lock.build_packages) == {"setuptools", "new", "many", "six"}
    assert bench.stored() == {file.filename for file in lock.files}


HANGING = """\
import subprocess, sys
from setuptools.build_meta import *

def get_requires_for_build_wheel(config_settings=None):
    if {when}:
        subprocess.run(["bash", "-c", "exec -a {mark} tail -f /dev/null"])
    return []
"""


@pytest.mark.parametrize("when", ["True", "sys.flags.no_site"], ids=["always", "when asked by ebsif"])
def test_a_build_backend_that_hangs_is_ended_with_all_that_it_has_started(
    bench: Bench, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    mark, looks = f"{tmp_path.name}{os.getpid()}", itertools.count(1)

    def hanging() -> bool:
        return mark in subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout

    # Each look at the clock takes an hour, once it hangs.
    monkeypatch.setattr(process, "monotonic", lambda: time.monotonic() + (next(looks) * 3600 if hanging() else 0))
    pyproject = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    make_sdist(index.folder, "slow", pyproject=pyproject, files={"backend.py": HANGING.format(when=when, mark=mark)})
    said = r"slow.* cannot be locked from source: its build backend has not told what it needs within 600 seconds; if "
    with pytest.raises(EbsifError, match=said):
        bench.lock(f"packages: [slow==1.0]\nallow_source: [slow]\nextra_indexes: [{index.url}]")
    assert not hanging()
    assert bench.stored() == {"pip-26.3-py3-none-any.whl"}


def test_a_build_backend_cannot_change_the_pip_that_runs_after_it(bench: Bench, index: Index) -> None:
    backend = (
        "import glob, os\nfrom setuptools.build_meta import *\n\n"
        "def get_requires_for_build_wheel(config_settings=None):\n"
        "    assert [os.access(path, os.W_OK) for path in glob.glob('/ebsif/lock/pip-*.whl')] == [False]\n"
        "    return []\n"
    )
    pyproject = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    make_sdist(index.folder, "curious", pyproject=pyproject, files={"backend.py": backend})
    found = bench.lock(f"packages: [curious==1.0]\nallow_source: [curious]\nextra_indexes: [{index.url}]")
    assert versions(found.lock)["curious"] == "1.0"


def test_what_a_build_backend_asks_for_without_a_wheel_is_named(bench: Bench, index: Index) -> None:
    make_asking_sdist(index.folder, "asking", "tiny")
    recipe = f"packages: [asking==1.0]\nallow_source: [asking]\nextra_indexes: [{index.url}]"
    with pytest.raises(ConflictError, match="asking cannot be locked from source: its build backend asks for packages"):
        bench.lock(recipe)
    assert bench.stored() == {"pip-26.3-py3-none-any.whl"}


@pytest.mark.parametrize("with_pip", [True, False])
def test_without_a_network_there_is_one_sentence_after_three_tries(
    bench: Bench, index: Index, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], with_pip: bool
) -> None:
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("HTTPS_PROXY", index.address)
    if not with_pip:
        (bench.sources / "pip-26.3-py3-none-any.whl").unlink()
    before = bench.stored()
    bench.write("packages: [plain]\n")
    assert main(bench.command) == 2
    assert index.requests == ["pypi.org:443"] * 3
    assert capfd.readouterr().err.splitlines()[-1].startswith("ebsif: the package index cannot be reached: ")
    assert bench.stored() == before
    assert list(bench.folder.glob("*.eb")) == []


def test_a_download_that_breaks_off_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    make_wheel(tmp_path / "broken", "many")
    with serve(tmp_path / "broken", cut=True) as index, pytest.raises(EbsifError):
        bench.lock(f"index: {index.url}\npackages: [many]")
    assert bench.stored() == {"pip-26.3-py3-none-any.whl"}


@pytest.mark.parametrize("folder", ["/proc/ebsif", "/sys/kernel"])
def test_sources_that_cannot_be_written_are_named(bench: Bench, index: Index, folder: str) -> None:
    bench.write(f"index: {index.url}\npackages: [many]")
    with pytest.raises(EbsifError, match=f"cannot (write|make the folder) {folder}.*; choose "):
        resolve(bench.request(), bench.base, bench.runtime, Path(folder), QUIET)


def test_the_files_of_a_lock_can_be_fetched_again(bench: Bench, index: Index) -> None:
    wheel = make_wheel(bench.folder, "mine")
    lock = bench.lock(f"index: {index.url}\npackages: [new, ./{wheel.path.name}]").lock
    (bench.sources / "many-2.0-py3-none-any.whl").unlink()
    (bench.sources / wheel.path.name).write_bytes(b"something else")
    make_wheel(index.folder, "many", "3.0")
    bench.fetch(lock)
    for file in lock.files:
        assert hashlib.sha256((bench.sources / file.filename).read_bytes()).hexdigest() == file.sha256


def test_a_file_that_is_not_as_it_was_locked_is_refused(bench: Bench, index: Index) -> None:
    bench.write(f"index: {index.url}\npackages: [many]")
    with pytest.raises(EbsifError, match="SHA256"):
        bench.fetch(earlier(many="2.0"))
    assert bench.stored() == {"pip-26.3-py3-none-any.whl"}


def test_an_added_package_keeps_the_other_versions(bench: Bench, index: Index) -> None:
    make_wheel(index.folder, "many", "3.0")
    lock = bench.lock(f"index: {index.url}\npackages: [many, more]", previous=earlier(many="2.0")).lock
    assert versions(lock) == {"many": "2.0", "more": "1.0"}


def test_a_kept_version_gives_way_where_it_must(bench: Bench, index: Index) -> None:
    lock = bench.lock(f"index: {index.url}\npackages: [many, other]", previous=earlier(many="2.0")).lock
    assert versions(lock) == {"many": "1.0", "other": "1.0"}


def test_one_package_is_upgraded_alone(bench: Bench, index: Index) -> None:
    make_wheel(index.folder, "many", "3.0")
    make_wheel(index.folder, "more", "2.0")
    recipe, previous = f"index: {index.url}\npackages: [many, more]", earlier(many="2.0", more="1.0")
    assert versions(bench.lock(recipe, previous=previous, upgrade=("More",)).lock) == {"many": "2.0", "more": "2.0"}


def test_a_base_that_now_has_a_locked_package_does_not_upgrade_the_others(bench: Bench, index: Index) -> None:
    make_wheel(index.folder, "many", "3.0")
    lock = bench.lock(f"index: {index.url}\npackages: [many, six]", previous=earlier(many="2.0", six="1.16.0")).lock
    assert versions(lock) == {"many": "2.0"}


@pytest.fixture(scope="module")
def generated(
    tmp_path_factory: pytest.TempPathFactory, machine: workbench.Machine, cache: Path, pip_wheel: Wheel
) -> Path:
    """A folder with a recipe that asks the default index for `many`, its easyconfig and its files."""
    with pytest.MonkeyPatch.context() as patch:
        use_runtime(machine, cache, patch)
        bench = bench_on(machine.bases["venv"], tmp_path_factory.mktemp("generated"), machine, pip_wheel)
        files = tmp_path_factory.mktemp("index")
        make_wheel(files, "many", "2.0")
        with serve(files) as index:
            patch.setenv("PIP_INDEX_URL", index.url)
            bench.write("packages: [many]\n")
            assert main(bench.command) == 0
    return bench.folder


@pytest.fixture
def bench_with_lock(generated: Path, bench: Bench, index: Index, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A copy of that; since then, the default index has got `many` 3.0."""
    shutil.copytree(generated, bench.folder, dirs_exist_ok=True)
    make_wheel(index.folder, "many", "3.0")
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    return bench


def test_the_lock_is_known_by_its_inputs(bench_with_lock: Bench) -> None:
    lock = read_easyconfig(bench_with_lock.easyconfig).lock
    assert lock
    assert lock.inputs == digest(bench_with_lock.request(), bench_with_lock.base.known())


def test_a_conflict_at_the_command_line_changes_nothing(
    bench_with_lock: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = bench_with_lock
    text, stored = bench.easyconfig.read_text(), bench.stored()
    bench.write("packages: [old]\n")
    assert main(bench.command) == 2
    assert capfd.readouterr().err.startswith("ebsif: packages conflict: ")
    assert (bench.easyconfig.read_text(), bench.stored()) == (text, stored)


def test_a_lock_of_an_older_ebsif_is_made_anew_with_its_versions(
    bench_with_lock: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = bench_with_lock
    text = bench.easyconfig.read_text()
    bench.easyconfig.write_text(text.replace("# Lock: 2:", "# Lock: "))
    assert main([*bench.command, "--check"]) == 1
    assert main(bench.command) == 0
    assert f"an older ebsif has locked {bench.easyconfig}, and did not note all" in capfd.readouterr().err
    assert bench.easyconfig.read_text() == text


def test_a_lock_of_a_newer_ebsif_is_refused(bench_with_lock: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench = bench_with_lock
    text = bench.easyconfig.read_text().replace("# Lock: 2:", "# Lock: 3:")
    bench.easyconfig.write_text(text)
    assert main(bench.command) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith(f"ebsif: {bench.easyconfig} was locked by a newer ebsif")
    assert bench.easyconfig.read_text() == text


def test_unchanged_inputs_keep_the_lock_and_start_no_container(
    bench_with_lock: Bench, index: Index, counted: CountedRuntime, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = bench_with_lock
    text = bench.easyconfig.read_text()
    assert main([*bench.command, "--json"]) == 0
    assert bench.easyconfig.read_text() == text
    assert (counted.starts(), index.requests) == ([], [])
    told = json.loads(capfd.readouterr().out)
    assert (told["asked_for"], told["layer"]) == (["many"], {"many": "2.0"})


def test_what_is_named_is_upgraded_though_the_inputs_are_unchanged(
    bench_with_lock: Bench, index: Index, counted: CountedRuntime
) -> None:
    bench = bench_with_lock
    assert main([*bench.command, "--upgrade", "many"]) == 0
    assert "many-3.0-py3-none-any.whl" in bench.easyconfig.read_text()
    assert "/simple/many/" in index.requests
    assert counted.starts()
