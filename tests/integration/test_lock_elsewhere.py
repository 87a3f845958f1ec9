"""Locking without the image: the lock is the one that the image gives, and what cannot be known is said."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import workbench
from ebsif.base.image import Base
from ebsif.base.manifest import Facts, Manifest
from ebsif.base.publisher import published_manifest
from ebsif.base.store import manifest_of
from ebsif.cli import main
from ebsif.errors import ConflictError, EbsifError
from ebsif.lock import Resolved, request, resolve
from ebsif.lock.model import PIP
from ebsif.lock.pip.elsewhere import options
from ebsif.lock.target import markers, target_of
from ebsif.recipe import read_recipe
from ebsif.runtime import Inside, Runtime
from tests.support.conda_bench import QUIET
from tests.support.index import Index, serve
from tests.support.publisher import publish
from tests.support.wheels import Wheel, make_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("environment")]


def published(manifest: Manifest, folder: Path) -> Manifest:
    """Return what a publisher would say of an image that was inspected."""
    python = manifest.python
    assert python
    apt = {"libc6": f"{manifest.glibc}-9", "binutils-x86-64-linux-gnu": "2.40-2"}
    listing = publish(folder, image=Path(manifest.file).stem, apt=apt, pip=manifest.packages, sha256=manifest.sha256)
    facts = Facts(
        kind="venv", python=python.path, python_version=python.version, start_with=manifest.start_with
    )
    return published_manifest(listing, facts, QUIET)


@dataclass(frozen=True)
class Twice:
    """A recipe on a base, to be locked with its image and without."""

    folder: Path
    image: Base
    elsewhere: Base
    runtime: Runtime
    pip: Path

    def lock(self, base: Base, lines: str) -> Resolved:
        recipe = self.folder / "recipe.yml"
        recipe.write_text(f"name: Demo\nversion: 1.0\nbase: {base.path or base.file}\n{lines}")
        layer = request(*read_recipe(recipe), base)
        assert layer
        sources = self.folder / ("with" if base.path else "without")
        sources.mkdir(exist_ok=True)
        shutil.copy(self.pip, sources)
        resolved = resolve(layer, base, self.runtime if base.path else None, sources, QUIET)
        assert {file.filename for file in resolved.lock.files} == {file.name for file in sources.iterdir()}
        return resolved

    def same(self, lines: str) -> dict[str, str]:
        """Lock twice; return what both locks hold."""
        here, there = (self.lock(base, lines) for base in (self.image, self.elsewhere))
        assert there.lock.files == here.lock.files
        assert there.summary.from_base == here.summary.from_base
        return {file.name: file.version for file in there.lock.files if file != PIP}


@pytest.fixture(params=["venv", "conda-torch"])
def twice(
    request: pytest.FixtureRequest, machine: workbench.Machine, tmp_path: Path, pip_wheel: Wheel, environment: None
) -> Twice:
    image = machine.bases[request.param]
    manifest = manifest_of(image, QUIET)
    elsewhere = Base(image.name, None, published(manifest, tmp_path))
    return Twice(
        tmp_path, Base(image.name, image, manifest), elsewhere, Runtime(machine.runtime), pip_wheel.path
    )


on_venv = pytest.mark.parametrize("twice", ["venv"], indirect=True)
on_torch = pytest.mark.parametrize("twice", ["conda-torch"], indirect=True)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    for name, requires in [
        ("application", ["six", "helper>=1", 'tail; extra == "tail"']),
        ("lightning", ["torch>=2.1", "numpy", "helper"]),
        ("helper", []),
        ("tail", []),
        ("wants_extra", ["pytest-xdist[psutil]>=3"]),
        ("old", ["six<1.17"]),
        ("eleven", ['tail; python_version == "3.11"', 'helper; python_full_version < "3.11.2"',
                    'nosuch; platform_machine != "x86_64" or sys_platform != "linux"']),
    ]:  # fmt: skip
        make_wheel(folder, name, requires=requires)
    make_wheel(folder, "six", "1.16.0")
    # As in the base, whose own metadata nobody knows without the image.
    make_wheel(folder, "pytest_xdist", "3.8.0", requires=["execnet>=2.1", 'psutil>=3.0; extra == "psutil"'])
    make_wheel(folder, "psutil", "7.0")
    make_wheel(folder, "native", tag="cp311-cp311-manylinux_2_17_x86_64")
    make_wheel(folder, "native", "2.0", tag="cp311-cp311-manylinux_2_36_x86_64")
    make_wheel(folder, "native", "3.0", tag="cp311-cp311-manylinux_2_37_x86_64")
    make_wheel(folder, "native", "4.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(folder, "native", "5.0", tag="cp311-cp311-manylinux_2_17_aarch64")
    with serve(folder) as index:
        yield index


@on_torch
def test_the_lock_is_the_one_that_the_image_gives(twice: Twice, index: Index) -> None:
    assert twice.same(f"index: {index.url}\npackages: ['application[tail]', lightning]") == {
        "application": "1.0", "helper": "1.0", "lightning": "1.0", "tail": "1.0"
    }  # fmt: skip


@on_venv
def test_markers_platforms_and_extras_of_the_bases_packages_count_as_in_the_image(twice: Twice, index: Index) -> None:
    assert twice.same(f"index: {index.url}\npackages: [eleven, native, wants_extra]") == {
        "eleven": "1.0", "tail": "1.0", "native": "2.0", "wants_extra": "1.0", "psutil": "7.0"
    }  # fmt: skip


@on_venv
def test_a_package_of_the_base_may_be_replaced(twice: Twice, index: Index) -> None:
    recipe = f"index: {index.url}\npackages: [old]\nallow_base_packages: [six]"
    assert twice.same(recipe) == {"old": "1.0", "six": "1.16.0"}


@on_venv
@pytest.mark.parametrize(("processor", "native"), [("x86_64", "4.0"), ("aarch64", "6.0")])
def test_this_processorand_its_python_do_not_count(twice: Twice, index: Index, processor: str, native: str) -> None:
    make_wheel(index.folder, "native", "6.0", tag="cp312-cp312-manylinux_2_28_aarch64")
    make_wheel(index.folder, "twelve", requires=[
        "native", 'helper; python_full_version == "3.12.30" and platform_machine == "aarch64"',
        'nosuch; python_version != "3.12"',
    ])  # fmt: skip
    manifest = twice.elsewhere.known()
    assert manifest.python
    python = manifest.python.model_copy(update={"version": "3.12.30"})
    other = manifest.model_copy(update={"python": python, "machine": processor})
    lock = twice.lock(Base(twice.elsewhere.file, None, other), f"index: {index.url}\npackages: [twelve]").lock
    helper = {"helper": "1.0"} if processor == "aarch64" else {}
    assert {file.name: file.version for file in lock.pip if file != PIP} == {"twelve": "1.0", "native": native} | helper


def test_the_python_that_pip_takes_for_its_own_is_that_of_the_image(twice: Twice) -> None:
    """What pip in the image says of itself, but for the kernel."""
    target = target_of(twice.elsewhere)
    assert target.elsewhere
    script = "import json; from pip._vendor.packaging import markers, tags; print(json.dumps([dict(markers." \
             "default_environment()), list(map(str, tags.sys_tags()))]))"  # fmt: skip
    inside = Inside(binds=[f"{twice.pip}:/{twice.pip.name}:ro"], env={"PYTHONPATH": f"/{twice.pip.name}"})
    assert twice.image.path
    environment, tags = json.loads(
        twice.runtime.output(twice.image.path, [target.python, "-c", script], inside).splitlines()[-1]
    )
    kernel = dict.fromkeys(("platform_release", "platform_version"), "")
    assert markers(target.elsewhere) == environment | kernel
    words = options(target.elsewhere)
    platforms = [words[i + 1] for i, word in enumerate(words) if word == "--platform"]
    assert platforms == list(dict.fromkeys(tag.split("-")[2] for tag in tags if tag.startswith("cp311-cp311-")))


@on_venv
def test_a_conflict_with_the_base_is_the_same_sentence(twice: Twice, index: Index) -> None:
    messages = set()
    for base in (twice.image, twice.elsewhere):
        with pytest.raises(ConflictError) as error:
            twice.lock(base, f"index: {index.url}\npackages: [old]")
        messages.add(str(error.value))
    (message,) = messages
    assert "old 1.0 needs six<1.17, the base has six 1.17.0" in message


@on_venv
def test_an_extra_of_a_version_that_no_index_has_is_not_guessed(twice: Twice, index: Index) -> None:
    (index.folder / "pytest_xdist-3.8.0-py3-none-any.whl").unlink()
    with pytest.raises(EbsifError, match=r"an extra of pytest-xdist is needed.*no package index has 3\.8\.0, the ver"):
        twice.lock(twice.elsewhere, f"index: {index.url}\npackages: [wants_extra]")


@pytest.fixture
def recipe(twice: Twice, index: Index) -> Path:
    """A recipe beside the manifest that was made without the image, which is not there."""
    assert twice.elsewhere.manifest
    (twice.folder / f"{twice.image.file}.manifest.json").write_text(twice.elsewhere.manifest.to_json())
    sources = twice.folder / "sources"
    sources.mkdir()
    shutil.copy(twice.pip, sources)
    recipe = twice.folder / "demo.yml"
    recipe.write_text(
        f"name: Demo\nversion: 1.0\nbase: ./{twice.image.file}\nindex: {index.url}\npackages: [application]\n"
    )
    return recipe


def generate(recipe: Path, *words: str) -> int:
    return main(["generate", str(recipe), "--sources", str(recipe.parent / "sources"), *words])


def text_of(recipe: Path) -> str:
    (easyconfig,) = recipe.parent.glob("*.eb")
    return easyconfig.read_text()


@on_venv
def test_a_recipe_is_locked_without_image_and_runtime_and_judged_again_with_both(
    twice: Twice, recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert twice.image.path and twice.image.manifest
    with monkeypatch.context() as without:
        without.setenv("PATH", "/usr/bin:/bin")
        assert generate(recipe) == 0
    assert "what its publisher lists was taken for what it has" in " ".join(capsys.readouterr().err.split())
    before = text_of(recipe)
    assert "# Made without the image, from what its publisher says of it" in before
    assert f"checksums = ['{twice.image.manifest.sha256}']" in before
    assert "activation_env" not in before
    assert generate(recipe, "--check") == 0

    (recipe.parent / twice.image.file).symlink_to(twice.image.path)
    assert generate(recipe, "--check") == 1
    assert generate(recipe) == 0
    after = text_of(recipe)
    assert "without the image" not in after
    assert after.partition("exts_list = ")[2] == before.partition("exts_list = ")[2]


@on_venv
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("allow_source: [application]\n", "demo.yml:6: .*is not at hand, and only its Python can tell"),
        ("layer: conda\nenvironment: {channels: [x], dependencies: [y]}\n", "demo.yml:6: .*an environment of conda"),
    ],
)
def test_what_needs_the_image_is_refused_with_its_line(
    recipe: Path, capsys: pytest.CaptureFixture[str], lines: str, message: str
) -> None:
    recipe.write_text(recipe.read_text() + lines)
    assert generate(recipe) == 2
    assert re.search(message, " ".join(capsys.readouterr().err.split()))


@on_venv
def test_an_image_that_is_not_the_one_of_its_publisher_is_refused(
    twice: Twice, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert twice.elsewhere.manifest and twice.image.path
    manifest = recipe.parent / f"{twice.image.file}.manifest.json"
    manifest.write_text(twice.elsewhere.manifest.model_copy(update={"sha256": "a" * 64}).to_json())
    (recipe.parent / twice.image.file).write_bytes(twice.image.path.read_bytes())
    assert generate(recipe) == 2
    assert "it is another file than was published" in " ".join(capsys.readouterr().err.split())
