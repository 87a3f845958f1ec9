"""`ebsif verify` on installations that are what they should be, and on some that somebody has changed."""

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ebsif.easyconfig.read import read_easyconfig
from ebsif.inside.provenance import read_layer_record
from tests.support.conda import Channel
from tests.support.conda_layer import PARAMETERS, RATTLER, conda_files, rattler_wheel
from tests.support.download import fetch_wheel
from tests.support.generator import Desk, make_desk, module_of
from tests.support.sdists import BY_SETUPTOOLS, SETUPTOOLS, make_sdist
from tests.support.site import Site
from tests.support.tamper import SQUASHFS, flip_last_byte, tamper
from tests.support.wheels import Wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


@dataclass(frozen=True)
class Place:
    """An installation, and where its Python packages lie in the layer."""

    site: Site
    kind: str
    packages: str

    @property
    def folder(self) -> Path:
        return self.site.installation(self.kind)

    def verify(self, *words: str | Path) -> tuple[int, dict[str, Any]]:
        """Run `ebsif verify`; return its status and what it says."""
        done = self.site.login(shlex.join(["ebsif", "verify", "--json", *map(str, words)]))
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module", params=["venv", "conda"])
def place(
    request: pytest.FixtureRequest,
    make_site: Callable[..., Site],
    layer: list[Wheel],
    channel: Channel,
    wheelhouse: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A venv with wheels and a package built from source, or a conda environment."""

    def with_image(kind: str) -> dict[str, list[str]]:
        return {"checksums": [hashlib.sha256(site.machine.bases[kind].read_bytes()).hexdigest()]}

    site, downloads = make_site(), tmp_path_factory.mktemp("downloads")
    if request.param == "venv":
        fetch_wheel(SETUPTOOLS[1], SETUPTOOLS[0], downloads)
        source = Wheel("raw-one", "1.0", make_sdist(downloads, "raw-one", pyproject=BY_SETUPTOOLS))
        files = [*layer, Wheel("setuptools", "80.9.0", downloads / SETUPTOOLS[1]), source]
        site.install("venv", files, build_packages=["setuptools"], **with_image("venv"))
        return Place(site, "venv", "venv/demo/lib/python3.11/site-packages")
    fetch_wheel(RATTLER[1], RATTLER[0], wheelhouse)
    site.install("bare", [rattler_wheel(wheelhouse), *conda_files(channel)], **PARAMETERS, **with_image("bare"))
    return Place(site, "bare", "conda/envs/demo/lib/python3.11/site-packages")


def test_an_installation_is_what_its_easyconfig_gives(place: Place) -> None:
    before = sorted(place.site.folder.rglob("*"))
    status, told = place.verify(place.folder)
    assert [finding for finding in told["findings"] if finding["level"] != "ok"] == []
    assert f"{SQUASHFS} is what Demo-1.0-{place.kind}.eb gives, byte for byte" in told["findings"][-1]["found"]
    assert (status, told["verified"], told["differences"]) == (0, True, {})
    assert [
        path for path in sorted(place.site.folder.rglob("*")) if path not in before and "home" not in path.parts
    ] == []


@dataclass(frozen=True)
class Changed:
    """What is told of an installation that somebody has changed."""

    place: Place
    module: str
    quick: tuple[int, dict[str, Any]]
    status: int
    told: dict[str, Any]

    def what(self, path: str) -> str:
        """Return what is told of a path."""
        return str(self.difference(path)["what"])

    def difference(self, path: str) -> dict[str, Any]:
        """Return what a path differs in, and the package that brings it."""
        (found,) = [each for each in self.told["differences"][SQUASHFS] if each["path"] == path]
        return dict(found)


@pytest.fixture(scope="module")
def changed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """An installation in which one byte, one .pyc, one permission, one link, one more and one missing file differ."""
    copy = Place(place.site, place.kind, place.packages)
    module = "hello" if place.kind == "venv" else "greet"
    kept = tmp_path_factory.mktemp("kept") / "installation"
    shutil.copytree(place.folder, kept, symlinks=True)

    def change(tree: Path) -> None:
        packages = tree / place.packages
        flip_last_byte(packages / f"{module}.py")
        flip_last_byte(next(packages.glob("__pycache__/_ebsif_layer.*.pyc")))
        (packages / "_ebsif_layer.py").chmod(0o755)
        (packages / "new").mkdir()
        (packages / "new" / "more.py").write_text("")
        (packages / "ebsif_layer.pth").unlink()
        link = packages.parents[2] / "bin" / "python3"
        link.unlink()
        link.symlink_to("/usr/bin/true")

    tamper(copy.folder, tmp_path_factory.mktemp("scratch"), change)
    quick = copy.verify("--quick", copy.site.easyconfig(copy.kind))
    status, told = copy.verify(copy.site.easyconfig(copy.kind))
    shutil.rmtree(copy.folder)
    kept.rename(copy.folder)
    return Changed(copy, module, quick, status, told)


def test_a_changed_layer_is_not_verified(changed: Changed) -> None:
    assert (changed.status, changed.told["verified"]) == (1, False)
    assert len(changed.told["differences"][SQUASHFS]) == 6


def test_one_changed_byte_in_a_file_of_a_package_is_named(changed: Changed) -> None:
    path = f"{changed.place.packages}/{changed.module}.py"
    assert changed.what(path).startswith("other content, from byte ")
    assert changed.difference(path)["package"] in {"hello 1.0", "greet 2.0"}


def test_one_changed_byte_of_compiled_code_is_named(changed: Changed) -> None:
    path = f"{changed.place.packages}/__pycache__/_ebsif_layer.cpython-311.pyc"
    assert changed.what(path).startswith("compiled code that its source does not give, from byte ")


def test_one_changed_permission_is_named(changed: Changed) -> None:
    assert changed.what(f"{changed.place.packages}/_ebsif_layer.py") == "permissions 755 instead of 644"


def test_what_is_missing_and_what_should_not_be_there_is_named(changed: Changed) -> None:
    assert changed.what(f"{changed.place.packages}/new") == "a folder that should not be there"
    assert changed.what(f"{changed.place.packages}/ebsif_layer.pth") == "a file that is missing"


def test_a_link_that_leads_elsewhere_is_named(changed: Changed) -> None:
    path = "/".join(changed.place.packages.split("/")[:-3])
    assert changed.what(f"{path}/bin/python3").startswith("leads to /usr/bin/true instead of ")


# --- what an easyconfig expects ---


@pytest.fixture(scope="module")
def pinned(machine: Machine, make_site: Callable[..., Site], pip_wheel: Wheel, hello_wheel: Wheel) -> tuple[Desk, Path]:
    """A recipe, with an easyconfig into which the content of its installation was written."""
    desk = make_desk(make_site, pip_wheel)
    recipe = desk.new(desk.link(machine.bases["venv"]), "-r", desk.require(hello_wheel))
    desk.run("generate", recipe)
    desk.eb(recipe.with_suffix(".eb"))
    desk.run("generate", "--pin-content", recipe)
    return desk, recipe


def test_pinned_content_stays_in_the_easyconfig(pinned: tuple[Desk, Path]) -> None:
    desk, recipe = pinned
    easyconfig = recipe.with_suffix(".eb")
    digest = read_easyconfig(easyconfig).content_digest
    record = desk.site.folder / "software" / module_of(easyconfig) / "layer.json"
    assert digest == read_layer_record(json.loads(record.read_text())).content_sha256
    desk.run("generate", "--check", recipe)
    desk.run("generate", recipe)
    assert read_easyconfig(easyconfig).content_digest == digest
    desk.run("generate", "--pin-content", easyconfig)


def test_content_that_nobody_has_checked_is_not_pinned(pinned: tuple[Desk, Path]) -> None:
    desk, recipe = pinned
    desk.eb(recipe.with_suffix(".eb"), "--rebuild", "--skip-sanity-check")
    said = desk.refuse("generate", "--pin-content", recipe)
    assert "was installed without a sanity check" in said
    desk.eb(recipe.with_suffix(".eb"), "--rebuild")
    desk.run("generate", "--pin-content", recipe)


def test_eb_installs_the_content_that_is_expected_and_no_other(pinned: tuple[Desk, Path]) -> None:
    desk, recipe = pinned
    easyconfig = recipe.with_suffix(".eb")
    out = desk.eb(easyconfig, "--rebuild", "--trace")
    assert "the content of the layer is what the easyconfig expects" in out
    assert "packages can be imported" not in out
    digest = str(read_easyconfig(easyconfig).content_digest)
    other = desk.recipes / "other" / easyconfig.name
    other.parent.mkdir()
    other.write_text(easyconfig.read_text().replace(digest, "0" * 64))
    done = desk.login(shlex.join(["eb", "--rebuild", str(other)]) + " 2>&1")
    assert done.returncode != 0
    assert f"content_digest is {'0' * 64}, and this layer has {digest}" in done.stdout
    assert "`ebsif verify` names the files that differ" in done.stdout


def test_the_expected_content_on_an_image_that_nobody_knows_is_checked(pinned: tuple[Desk, Path]) -> None:
    desk, recipe = pinned
    easyconfig = recipe.with_suffix(".eb")
    unknown = desk.recipes / "unknown" / easyconfig.name
    unknown.parent.mkdir()
    sha256 = str(read_easyconfig(easyconfig).checksum)
    unknown.write_text(easyconfig.read_text().replace(sha256, "0" * 64))
    assert "packages can be imported: OK" in desk.eb(unknown, "--rebuild", "--trace", "--ignore-checksums")


def test_what_was_installed_from_another_easyconfig_is_not_pinned(pinned: tuple[Desk, Path]) -> None:
    desk, recipe = pinned
    before = recipe.read_text()
    recipe.write_text(before + "user_site: true\n")
    assert "is out of date: run `ebsif generate` and `eb`" in desk.refuse("generate", "--pin-content", recipe)
    desk.run("generate", recipe)
    assert "was installed with another easyconfig" in desk.refuse("generate", "--pin-content", recipe)
    recipe.write_text(before)
    desk.run("generate", recipe)


def test_digests_alone_do_not_tell(changed: Changed) -> None:
    assert (changed.quick[0], changed.quick[1]["verified"]) == (0, True)
