"""An image for another kind of processor: what can be done with its manifest is done; nothing of it is ever started."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ebsif.base.manifest import Manifest
from ebsif.base.store import manifest_path
from ebsif.cli import main
from ebsif.console import Console
from ebsif.easyconfig.read import read_easyconfig
from ebsif.errors import EbsifError
from ebsif.generate import Plan, make_plan
from ebsif.lock import digest
from ebsif.lock.model import Lock, LockedFile
from ebsif.lock.tools import rattler
from tests.support.generator import contents
from tests.support.index import serve
from tests.support.manifests import freeze, make_manifest
from tests.support.wheels import Wheel, make_wheel

HERE = os.uname().machine
OTHER = "aarch64" if HERE != "aarch64" else "x86_64"
IMAGE = "demo.sif"
RECIPE = f"""\
name: Demo
version: 1.0
base: {IMAGE}
"""


def manifest(machine: str = OTHER) -> Manifest:
    return make_manifest(file=IMAGE, machine=machine, tag=f"cp311-cp311-manylinux_2_36_{machine}")


@pytest.fixture(autouse=True)
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image for another machine among the frozen ones, and no runtime."""
    frozen, work = tmp_path / "frozen", tmp_path / "work"
    frozen.mkdir()
    work.mkdir()
    variables: Mapping[str, str | Path] = {
        "EBSIF_IMAGES": frozen, "EASYBUILD_SOURCEPATH": tmp_path / "sources", "HOME": tmp_path, "PATH": "",
        "XDG_CACHE_HOME": tmp_path / "cache",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(work)
    return freeze(frozen, manifest())


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The folder in which EasyBuild looks for the files of layers."""
    return tmp_path / "sources" / "d" / "Demo" / "extensions"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A runtime that would leave a file behind if it were started."""
    path = tmp_path / "bin" / "apptainer"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n: >'{tmp_path}/started'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must be refused and leave nothing; return what it says."""

    def said(*words: str | Path) -> str:
        before = contents(tmp_path)
        assert main([*map(str, words)]) == 2
        assert contents(tmp_path) == before
        told = capsys.readouterr().err
        assert told.count("\n") == 1, "one sentence"
        return told

    return said


def write(text: str) -> Path:
    path = Path("recipe.yml")
    path.write_text(RECIPE + text)
    return path


def lock(plan: Plan, sources: Path) -> None:
    """Write the easyconfig of a recipe that asks for numpy, with its file, as a host of that kind would have done."""
    assert plan.request
    sources.mkdir(parents=True)
    wheel = make_wheel(sources, "numpy", "2.3.0", tag=f"cp311-cp311-manylinux_2_28_{OTHER}")
    numpy = LockedFile("numpy", "2.3.0", wheel.path.name, wheel.sha256)
    plan.target.write_text(plan.text(Lock(digest(plan.request, plan.base.known()), (numpy,))))


# --- without a manifest ---


@pytest.mark.parametrize("command", [["inspect"], ["freeze", "--to", "frozen"], ["sbom"]], ids=" ".join)
def test_it_cannot_be_inspected(
    image: Path, said: Callable[..., str], command: list[str], runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(runtime.parent))
    manifest_path(image).unlink()
    words = [*command, image] if command != ["sbom"] else [*command, image, "-o", "out.json"]
    assert said(*words) == (
        f"ebsif: this host is {HERE}, and {image} is for {OTHER}: inspect it on a host of that kind with `ebsif "
        "freeze`, whose manifest, beside the image, serves here too\n"
    )


# --- with a manifest from a host of its kind ---


def test_an_easyconfig_without_packages_is_made(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(write("layer: none\n"))]) == 0
    assert read_easyconfig(Path("Demo-1.0-cpu-python-3.11-singularity.eb")).image == IMAGE


def test_an_easyconfig_that_is_locked_keeps_its_lock(
    capsys: pytest.CaptureFixture[str], sources: Path, image: Path
) -> None:
    plan = make_plan(write("packages: [numpy]\n"), Console(quiet=True))
    lock(plan, sources)
    assert main(["generate", "recipe.yml", "--check"]) == 0
    write("packages: [numpy]\nconflicts: [Other]\n")
    assert main(["generate", "recipe.yml"]) == 0
    made = read_easyconfig(plan.target)
    assert made.parameters["conflicts"] == ["Other"]
    assert made.lock is not None
    assert [file.name for file in made.lock.files] == ["numpy"]
    capsys.readouterr()
    assert main(["check", str(plan.target)]) == 1
    assert f"ok      all 1 files of the layer are in {sources}" in capsys.readouterr().out


def test_packages_are_locked_without_starting_it(
    image: Path, sources: Path, runtime: Path, pip_wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.mkdir(parents=True)
    shutil.copy(pip_wheel.path, sources)
    make_wheel(tmp_path, "native", "1.0", tag=f"cp311-cp311-manylinux_2_28_{OTHER}")
    make_wheel(tmp_path, "native", "2.0", tag=f"cp311-cp311-manylinux_2_28_{HERE}")
    with serve(tmp_path) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PATH", str(runtime.parent))
        assert main(["generate", str(write("packages: [native]\n"))]) == 0
    made = read_easyconfig(Path("Demo-1.0-cpu-python-3.11-singularity.eb"))
    assert made.lock is not None
    assert {file.name: file.version for file in made.lock.files} == {"pip": pip_wheel.version, "native": "1.0"}
    assert not (tmp_path / "started").exists()


def test_check_says_that_eb_will_refuse_it_and_checks_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(write("layer: none\n"))]) == 0
    assert main(["check", "recipe.yml"]) == 1
    out = capsys.readouterr().out
    assert f"error   this host is {HERE}, and {IMAGE} is for {OTHER}: `eb` installs it on a host of that kind" in out
    assert "ok      Demo-1.0-cpu-python-3.11-singularity.eb is up to date" in out


def test_the_lock_of_another_machine_is_another_one() -> None:
    plan = make_plan(write("packages: [numpy]\n"), Console(quiet=True))
    assert plan.request
    assert digest(plan.request, manifest(HERE)) != digest(plan.request, manifest(OTHER))


@pytest.mark.parametrize("machine", ["aarch64", "ppc64le", "riscv64", "x86_64"])
def test_conda_packages_are_installed_by_a_tool_for_the_machine_of_the_base(machine: str) -> None:
    assert rattler(machine).filename.endswith(f"_{machine}.whl")


def test_a_machine_without_that_tool_is_named() -> None:
    with pytest.raises(EbsifError, match=r"there is no py-rattler .* for s390x: conda layers need one"):
        rattler("s390x")


# --- a machine with several kinds of processors ---


@pytest.mark.parametrize("whose", ["recipe", "site mixed"])
def test_the_name_tells_what_kind_of_processor_a_module_is_for(whose: str, image: Path) -> None:
    key = f"machine: {OTHER}\n"
    site = f"name: mixed\ndescription: ours\nfrozen_images: [{image.parent}]\n"
    Path("site.yml").write_text(site + (key if whose != "recipe" else ""))
    plan = make_plan(write("layer: none\nsite: ./site.yml\n" + (key if whose == "recipe" else "")), Console(quiet=True))
    assert plan.target.name == f"Demo-1.0-{OTHER}-cpu-python-3.11-singularity.eb"


@pytest.mark.parametrize("whose", ["recipe", "site mixed"])
def test_a_base_for_another_machine_than_they_say_is_refused(
    whose: str, image: Path, said: Callable[..., str]
) -> None:
    key = "machine: s390x\n"
    site = f"name: mixed\ndescription: ours\nfrozen_images: [{image.parent}]\n"
    Path("site.yml").write_text(site + (key if whose != "recipe" else ""))
    recipe = write("site: ./site.yml\n" + (key if whose == "recipe" else ""))
    assert said("check", recipe) == f"ebsif: recipe.yml:3: {IMAGE} is for {OTHER}, and the {whose} for s390x\n"


def test_a_machine_is_called_as_uname_calls_it(said: Callable[..., str]) -> None:
    assert "recipe.yml:4: machine: 'arm64' is no machine: write what `uname -m` says there, one of x86_64, aarch64" in (
        said("check", write("machine: arm64\n"))
    )
