"""How an installation comes about: options of EasyBuild, other users and folders, other layers."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebsif.inside.provenance import read_layer_record
from tests.support.download import fetch_wheel
from tests.support.layers import digests
from tests.support.records import packages_of
from tests.support.sdists import BY_SETUPTOOLS, SETUPTOOLS, make_sdist
from tests.support.site import Site
from tests.support.versions import every_easybuild, newest_easybuild
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine

pytestmark = pytest.mark.e2e

SQUASHFS = "user-software.squashfs"


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    site = make_site()
    site.install("venv", layer)
    return site


def run_eb(site: Site, layer: list[Wheel], *options: str) -> str:
    done = site.eb(site.write("venv", layer), *options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def record_of(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.installation("venv") / "layer.json").read_text()))


@every_easybuild
def test_files_of_an_installation_with_packages(installed: Site) -> None:
    names = sorted(path.name for path in installed.installation("venv").iterdir())
    base = installed.machine.bases["venv"].name
    assert names == sorted(["bin", "easybuild", "layer.json", "module.lua", "runscripts", SQUASHFS, base])


@every_easybuild
def test_layer_is_recorded(installed: Site) -> None:
    record = record_of(installed)
    base = installed.machine.bases["venv"]
    definition = record["predicate"]["buildDefinition"]
    image, *files = definition["resolvedDependencies"]
    assert image == {"name": base.name, "digest": {"sha256": hashlib.sha256(base.read_bytes()).hexdigest()}}
    wheels = [hashlib.sha256((installed.sources / each["name"]).read_bytes()).hexdigest() for each in files]
    assert [each["digest"]["sha256"] for each in files] == wheels
    assert packages_of(record) == {"pip": "26.3", "hello": "1.0"}
    assert definition["externalParameters"] == {
        "base_python": "/opt/venv/bin/python",
        "easyblock": "SifVenv",
        "environment": "/user-software/venv/demo",
        "start_with": "run",
    }
    squashfs = (installed.installation("venv") / SQUASHFS).read_bytes()
    assert read_layer_record(record).image_sha256 == hashlib.sha256(squashfs).hexdigest()
    assert record["predicate"]["runDetails"]["builder"]["version"]["easybuild"] == installed.version


@every_easybuild
def test_no_path_of_the_build_is_in_the_layer(installed: Site, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run(["unsquashfs", "-no-progress", "-quiet", "-dest", tree, installed.installation("venv") / SQUASHFS],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    names = [str(installed.folder).encode(), b"/ebsif/"]
    found = [path for path in tree.rglob("*") if path.is_file() and any(name in path.read_bytes() for name in names)]
    assert found == []


@every_easybuild
def test_module_only_gives_the_same_module(installed: Site, layer: list[Wheel]) -> None:
    before = installed.module_file("venv").read_text()
    installed.module_file("venv").unlink()
    run_eb(installed, layer, "--module-only")
    assert installed.module_file("venv").read_text() == before


@every_easybuild
def test_sanity_check_only(installed: Site, layer: list[Wheel]) -> None:
    out = run_eb(installed, layer, "--sanity-check-only", "--trace")
    assert "the environment in the container is that of an activated one: OK" in out


@every_easybuild
def test_skip_keeps_a_layer_that_is_the_right_one(installed: Site, layer: list[Wheel]) -> None:
    before = (installed.installation("venv") / SQUASHFS).stat()
    assert "the layer is installed already" in run_eb(installed, layer, "--skip", "--rebuild")
    assert (installed.installation("venv") / SQUASHFS).stat() == before


@every_easybuild
def test_skip_refuses_a_layer_that_is_another_one(installed: Site, layer: list[Wheel], wheelhouse: Path) -> None:
    more = make_wheel(wheelhouse, "more")
    done = installed.eb(installed.write("venv", [*layer, more]), "--skip", "--rebuild")
    assert done.returncode != 0
    assert "use --rebuild instead of --skip" in done.stdout
    assert installed.output("venv", "hello") == "hello []\n"


@newest_easybuild
def test_skip_refuses_an_environment_of_another_name(installed: Site, layer: list[Wheel]) -> None:
    done = installed.eb(installed.write("venv", layer, venv_name="other"), "--skip", "--rebuild")
    assert done.returncode != 0
    assert "use --rebuild instead of --skip" in done.stdout


@every_easybuild
def test_dry_run_installs_nothing(site: Site, layer: list[Wheel]) -> None:
    digest = hashlib.sha256(site.machine.bases["venv"].read_bytes()).hexdigest()
    done = site.eb(site.write("venv", layer, checksums=[digest]), "--extended-dry-run")
    assert done.returncode == 0, done.stdout
    out = done.stdout
    assert "(no ignored errors during dry run)" in out, out
    assert "installing 2 packages into /user-software/venv/demo" in out
    assert site.leftovers() == []


@every_easybuild
def test_fetch_installs_nothing(site: Site, layer: list[Wheel]) -> None:
    run_eb(site, layer, "--fetch")
    assert not site.module_file("venv").exists()


# --- another user, in a folder with a space in its name ---


@pytest.fixture(scope="module")
def elsewhere(make_site: Callable[..., Site], machine: Machine, layer: list[Wheel]) -> Site:
    """An installation of another user in another folder."""
    other = make_site(user=machine.user, name="another name")
    done = other.eb(other.write("venv", layer), "--buildpath", other.folder / "elsewhere")
    assert done.returncode == 0, done.stdout
    return other


@newest_easybuild
def test_installation_folder_with_a_space_in_lua(elsewhere: Site) -> None:
    assert elsewhere.output("venv", "hello 'a b'") == "hello ['a b']\n"


# --- a layer that its user has changed ---


@pytest.fixture(scope="module")
def gzipped(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation made where mksquashfs cannot use zstd."""
    site = make_site()
    tools = site.folder / "tools"
    tools.mkdir()
    script = '#!/bin/bash\n[[ " $* " != *" -comp zstd "* ]] || { echo "Compressor zstd is not supported"; exit 1; }\n'
    (tools / "mksquashfs").write_text(f'{script}exec /usr/bin/mksquashfs "$@"\n')
    (tools / "mksquashfs").chmod(0o755)
    done = site.login(f"export PATH={tools}:$PATH; eb {site.write('venv', layer)}")
    assert done.returncode == 0, done.stdout
    return site


def test_gzip_where_mksquashfs_cannot_use_zstd(gzipped: Site) -> None:
    assert record_of(gzipped)["subject"][0]["annotations"] == {"compressor": "gzip"}
    assert gzipped.output("venv", "hello") == "hello []\n"


@newest_easybuild
def test_the_digest_of_the_content_is_the_same_however_it_is_packed(installed: Site, gzipped: Site) -> None:
    (content, image), (same_content, other_image) = digests(installed, "venv"), digests(gzipped, "venv")
    assert (content, image == other_image) == (same_content, False)


@pytest.fixture(scope="module")
def changed(gzipped: Site, wheelhouse: Path) -> Site:
    """An installation whose user has unpacked the layer and installed a package into it."""
    more = Path(shutil.copy(make_wheel(wheelhouse, "more").path, gzipped.sources))
    gzipped.output("venv", "unmake-squashfs")
    gzipped.output("venv", f"export APPTAINER_BIND={more.parent}; pip install --quiet --no-index --no-deps {more}")
    return gzipped


def test_module_can_be_made_again_for_a_layer_that_its_user_has_changed(changed: Site) -> None:
    changed.module_file("venv").unlink()
    changed.make_module("venv")
    assert "more" in changed.output("venv", "list-packages layer")


def test_skip_refuses_a_layer_that_its_user_has_changed_and_packed_again(changed: Site) -> None:
    changed.output("venv", "make-squashfs")
    done = changed.eb(changed.easyconfig("venv"), "--skip", "--rebuild")
    assert done.returncode != 0
    assert "use --rebuild instead of --skip" in done.stdout


# --- other layers ---


def test_container_without_a_layer(site: Site) -> None:
    site.install("bare", easyblock="SifContainer", commands=["rocminfo"], exts_list=None)
    assert site.output("bare", "rocminfo").strip()
    assert not (site.installation("bare") / "user-software").exists()


def test_source_packages_are_built_and_what_builds_them_is_not_in_the_layer(
    site: Site, pip_wheel: Wheel, tmp_path: Path
) -> None:
    fetch_wheel(SETUPTOOLS[1], SETUPTOOLS[0], tmp_path)
    setuptools = Wheel("setuptools", "80.9.0", tmp_path / SETUPTOOLS[1])
    one_name = make_sdist(tmp_path, "raw-one", pyproject=BY_SETUPTOOLS)
    old_name = make_sdist(tmp_path, "raw-two", pyproject=BY_SETUPTOOLS, stem="raw-two-1.0", suffix=".zip")
    layer = [pip_wheel, setuptools, Wheel("raw-one", "1.0", one_name), Wheel("raw-two", "1.0", old_name)]
    site.install("venv", layer, build_packages=["setuptools"])
    program = "import raw_one, raw_two; print(raw_one.VERSION, raw_two.VERSION)"
    assert site.output("venv", f"python -c '{program}'") == "1.0 1.0\n"
    assert site.output("venv", "list-packages layer | cut -d' ' -f1").split() == ["pip", "raw-one", "raw-two"]
    assert packages_of(record_of(site), build_only=True) == {"setuptools": "80.9.0"}
    assert "setuptools" not in site.module_file("venv").read_text()
