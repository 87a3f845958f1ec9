"""How an installation comes about: options of EasyBuild, and the same bytes every time."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.download import fetch_wheel
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine

pytestmark = pytest.mark.e2e

SQUASHFS = "user-software.squashfs"

SETUPTOOLS = (
    "setuptools==80.9.0 --hash=sha256:062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922",
    "setuptools-80.9.0-py3-none-any.whl",
)


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    site = make_site()
    site.install("venv", layer)
    return site


def run_eb(site: Site, layer: list[Wheel], *options: str) -> str:
    done = site.eb(site.write("venv", layer), *options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_files_of_an_installation_with_packages(installed: Site) -> None:
    names = sorted(path.name for path in installed.installation("venv").iterdir())
    base = installed.machine.bases["venv"].name
    assert names == sorted(["bin", "binds", "easybuild", "layer.json", "runscripts", SQUASHFS, base])


def test_layer_is_recorded(installed: Site) -> None:
    folder = installed.installation("venv")
    record = json.loads((folder / "layer.json").read_text())
    base = installed.machine.bases["venv"]
    assert record["base"] == {"file": base.name, "sha256": hashlib.sha256(base.read_bytes()).hexdigest()}
    assert record["packages"] == {"pip": "26.3", "hello": "1.0"}
    assert record["squashfs_sha256"] == hashlib.sha256((folder / SQUASHFS).read_bytes()).hexdigest()
    assert len(record["content_sha256"]) == 64


def test_the_same_bytes_whoever_builds_where_with_how_many_processors(
    make_site: Callable[..., Site], machine: Machine, layer: list[Wheel], installed: Site
) -> None:
    other = make_site(user=machine.user, name="another name")
    done = other.eb(other.write("venv", layer), "--parallel=1", "--buildpath", other.folder / "elsewhere")
    assert done.returncode == 0, done.stdout
    one, two = (site.installation("venv") / SQUASHFS for site in (installed, other))
    assert one.read_bytes() == two.read_bytes()
    one, two = (json.loads((site.installation("venv") / "layer.json").read_text()) for site in (installed, other))
    assert one == two


def test_no_path_of_the_build_is_in_the_layer(installed: Site, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run(["unsquashfs", "-no-progress", "-quiet", "-dest", tree, installed.installation("venv") / SQUASHFS],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    names = [str(installed.folder).encode(), b"/ebsif/"]
    found = [path for path in tree.rglob("*") if path.is_file() and any(name in path.read_bytes() for name in names)]
    assert found == []


def test_dry_run_installs_nothing(site: Site, layer: list[Wheel]) -> None:
    digest = hashlib.sha256(site.machine.bases["venv"].read_bytes()).hexdigest()
    done = site.eb(site.write("venv", layer, checksums=[digest]), "--extended-dry-run")
    assert done.returncode == 0, done.stdout
    out = done.stdout
    assert "(no ignored errors during dry run)" in out, out
    assert "installing 2 packages into /user-software/venv/demo" in out
    assert site.leftovers() == []


def test_fetch_installs_nothing(site: Site, layer: list[Wheel]) -> None:
    run_eb(site, layer, "--fetch")
    assert not site.module_file("venv").exists()


def test_module_only_gives_the_same_module(installed: Site, layer: list[Wheel]) -> None:
    before = installed.module_file("venv").read_text()
    installed.module_file("venv").unlink()
    run_eb(installed, layer, "--module-only")
    assert installed.module_file("venv").read_text() == before


def test_sanity_check_only(installed: Site, layer: list[Wheel]) -> None:
    out = run_eb(installed, layer, "--sanity-check-only", "--trace")
    assert "the environment in the container is that of an activated one: OK" in out


def test_skip_keeps_a_layer_that_is_the_right_one(installed: Site, layer: list[Wheel]) -> None:
    before = (installed.installation("venv") / SQUASHFS).stat()
    assert "the layer is installed already" in run_eb(installed, layer, "--skip", "--rebuild")
    assert (installed.installation("venv") / SQUASHFS).stat() == before


def test_skip_refuses_a_layer_that_is_another_one(installed: Site, layer: list[Wheel], wheelhouse: Path) -> None:
    more = make_wheel(wheelhouse, "more")
    done = installed.eb(installed.write("venv", [*layer, more]), "--skip", "--rebuild")
    assert done.returncode != 0
    assert "use --rebuild instead of --skip" in done.stdout
    assert installed.output("venv", "hello") == "hello []\n"


def test_gzip_where_mksquashfs_cannot_use_zstd(site: Site, layer: list[Wheel]) -> None:
    tools = site.folder / "tools"
    tools.mkdir()
    script = '#!/bin/bash\n[[ " $* " != *" -comp zstd "* ]] || { echo "Compressor zstd is not supported"; exit 1; }\n'
    (tools / "mksquashfs").write_text(f'{script}exec /usr/bin/mksquashfs "$@"\n')
    (tools / "mksquashfs").chmod(0o755)
    done = site.login(f"export PATH={tools}:$PATH; eb {site.write('venv', layer)}")
    assert done.returncode == 0, done.stdout
    assert json.loads((site.installation("venv") / "layer.json").read_text())["compressor"] == "gzip"
    assert site.output("venv", "hello") == "hello []\n"


def test_image_can_be_linked(site: Site, layer: list[Wheel]) -> None:
    site.install("venv", layer, image_install="link")
    base = site.machine.bases["venv"]
    installed = site.installation("venv") / base.name
    assert installed.readlink() == base.resolve()
    assert site.output("venv", "hello") == "hello []\n"
    installed.unlink()
    installed.symlink_to("/gone.sif")
    assert site.loaded("venv", "true").returncode == 99


def test_image_is_found_among_the_frozen_ones(site: Site, layer: list[Wheel]) -> None:
    base = site.machine.bases["venv"]
    done = site.eb(site.write("venv", layer, frozen_images=[str(base.parent)]), "--sourcepath", site.sources)
    assert done.returncode == 0, done.stdout


def test_container_without_a_layer(site: Site) -> None:
    site.install("bare", easyblock="SifContainer", commands=["rocminfo"], exts_list=None)
    assert site.output("bare", "rocminfo").strip()
    assert not (site.installation("bare") / "user-software").exists()


def test_module_can_be_made_again_for_a_layer_that_its_user_has_changed(
    site: Site, layer: list[Wheel], wheelhouse: Path
) -> None:
    site.install("venv", layer)
    shutil.copy(make_wheel(wheelhouse, "more").path, site.sources)
    site.output("venv", "unmake-squashfs")
    more = site.sources / "more-1.0-py3-none-any.whl"
    site.output("venv", f"export APPTAINER_BIND={site.sources}; pip install --quiet --no-index --no-deps {more}")
    site.module_file("venv").unlink()
    run_eb(site, layer, "--module-only")
    assert "more" in site.output("venv", "list-packages layer")


def test_installing_again_keeps_what_its_user_has_filled(site: Site, hello_wheel: Wheel) -> None:
    site.install("venv")
    shutil.copy(hello_wheel.path, site.sources)
    wheel = site.sources / hello_wheel.path.name
    site.output("venv", f"export APPTAINER_BIND={site.sources}; pip install --quiet --no-index --no-deps {wheel}")
    assert "which its user may have filled" in " ".join(site.install("venv").split())
    assert site.output("venv", "start-shell -c 'hello you'") == "hello ['you']\n"
    assert site.leftovers() == ["1.0-venv"]


def test_skip_refuses_a_layer_that_its_user_has_changed(site: Site, layer: list[Wheel]) -> None:
    site.install("venv", layer)
    site.output("venv", "unmake-squashfs && make-squashfs")
    done = site.eb(site.write("venv", layer), "--skip", "--rebuild")
    assert done.returncode != 0
    assert "use --rebuild instead of --skip" in done.stdout


def make_source(
    folder: Path, name: str, version: str = "1.0", *, stem: str | None = None, suffix: str = ".tar.gz"
) -> Wheel:
    """Make a source package of one module named like the package, to be built with setuptools.

    Parameters
    ----------
    stem
        Name of the file and of the folder in it, by default as PEP 625 wants it.
    suffix
        ``.tar.gz`` or ``.zip``.
    """
    module = name.replace("-", "_")
    stem = stem or f"{module}-{version}"
    contents = {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n\n[tool.setuptools]\npy-modules = ["{module}"]\n',
        f"{module}.py": f"VERSION = {version!r}\n",
    }
    path = folder / f"{stem}{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for target, text in contents.items():
                archive.writestr(f"{stem}/{target}", text)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for target, text in contents.items():
                entry = tarfile.TarInfo(f"{stem}/{target}")
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
    return Wheel(name, version, path)


def test_source_packages_are_built_to_the_same_bytes(
    make_site: Callable[..., Site], pip_wheel: Wheel, tmp_path: Path
) -> None:
    fetch_wheel(SETUPTOOLS[1], SETUPTOOLS[0], tmp_path)
    setuptools = Wheel("setuptools", "80.9.0", tmp_path / SETUPTOOLS[1])
    old_name = make_source(tmp_path, "raw-two", stem="raw-two-1.0", suffix=".zip")
    layer = [pip_wheel, setuptools, make_source(tmp_path, "raw-one"), old_name]
    places = [make_site(), make_site(name="another name")]
    for place in places:
        place.install("venv", layer, build_packages=["setuptools"])
    one, two = places
    program = "import raw_one, raw_two; print(raw_one.VERSION, raw_two.VERSION)"
    assert one.output("venv", f"python -c '{program}'") == "1.0 1.0\n"
    assert one.output("venv", "list-packages layer | cut -d' ' -f1").split() == ["pip", "raw-one", "raw-two"]
    record = json.loads((one.installation("venv") / "layer.json").read_text())
    assert record["build_packages"] == {"setuptools": "80.9.0"}
    assert "setuptools" not in one.module_file("venv").read_text()
    assert (one.installation("venv") / SQUASHFS).read_bytes() == (two.installation("venv") / SQUASHFS).read_bytes()
