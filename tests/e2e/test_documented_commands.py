"""The commands of README and documentation, run as they stand there by somebody who follows a page from top to bottom.

A page's commands run in a folder with what the README's have made. Which are not run, and why, is in
tests/support/documented.py.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.conda import Channel
from tests.support.conda_layer import RATTLER
from tests.support.conda_packages import make_package
from tests.support.documented import PAGES, README, script
from tests.support.download import fetch_wheel
from tests.support.generator import Desk, make_desk
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

# What stands for the images that a page names.
IMAGE = "lumi-pytorch-rocm-6.2.4-python-3.11-pytorch-v2.7.1-dockerhash-0123456789ab.sif"
PROJECT = """
[project]
name = "mine"
version = "1.0"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("mine.pth", "/nowhere")
        wheel.writestr("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        wheel.writestr("mine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.0.dist-info/RECORD", "")
    return name
"""


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


@dataclass(frozen=True)
class Reader:
    """Somebody who types what a page shows, in a folder for each page."""

    desk: Desk

    @property
    def published(self) -> Path:
        """The folder with the images of the site."""
        return self.desk.site.folder / "published"

    @property
    def frozen(self) -> Path:
        """The folder with the site's frozen images."""
        return self.desk.site.folder / "easybuild-sif-images"

    def folder(self, page: Path) -> Path:
        return self.desk.recipes / page.stem

    def follow(self, page: Path) -> "subprocess.CompletedProcess[str]":
        """Run the commands of a page."""
        typed = script(page)
        for shown, here in {
            "/appl/local/containers/sif-images": str(self.published),
            "/appl/local/containers/easybuild-sif-images": str(self.frozen),
            "/project/project_465000000/EasyBuild": str(self.desk.site.folder),
            "lumi-pytorch-….sif": IMAGE,
            "PyTorch/…": "PyTorch",
            "GDAL/…": "GDAL",
            "…": "*",
        }.items():
            typed = typed.replace(shown, here)
        # Their status 1 is an answer.
        typed = re.sub(r"^ebsif (?:diff|doctor)\b.*", r"\g<0> || [[ $? == 1 ]]", typed, flags=re.MULTILINE)
        env = {
            "EBU_USER_PREFIX": str(self.desk.site.folder),
            "LUMI_CONTAINER_REPOSITORY_ROOT": str(self.desk.site.folder),
            "EBSIF_CACHE_TOP": str(self.desk.site.folder / "caches"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.desk.site.folder / "index"),
        }
        return self.desk.site.login(f"set -e\ncd {self.folder(page)}\n{typed}", env=env)


@pytest.fixture(scope="module")
def reader(
    machine: Machine,
    make_site: Callable[..., Site],
    pip_wheel: Wheel,
    hello_wheel: Wheel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Reader:
    """Somebody who has followed the README, up to an installed module."""
    reader = Reader(make_desk(make_site, pip_wheel))
    place, wheels = reader.desk.site, tmp_path_factory.mktemp("wheels")
    fetch_wheel(RATTLER[1], RATTLER[0], wheels)
    for software, file in {"p/PyTorch": pip_wheel.path, "g/GDAL": wheels / RATTLER[1]}.items():
        extensions = place.sources / software / "extensions"
        extensions.mkdir(parents=True)
        reader.desk.give(file, extensions)
    index = place.folder / "index"
    for folder in (reader.published, reader.frozen, index, place.folder / "caches"):
        folder.mkdir()
    shutil.copy(machine.bases["venv"], reader.published / IMAGE)
    make_wheel(index, "rich")
    gdal = {"bin/gdalinfo": "#!/bin/sh\necho GDAL 3.9\n"}
    make_package(place.folder / "channel", "gdal", "3.9", files=gdal, executable=list(gdal))
    Channel(place.folder / "channel").index()
    folder = reader.folder(README)
    prepare(reader, folder)
    reader.desk.give(hello_wheel.path, folder)
    (folder / "requirements.txt").write_text(f"./{hello_wheel.path.name}\n")
    done = reader.follow(README)
    assert done.returncode == 0, done.stdout + done.stderr
    return reader


def prepare(reader: Reader, folder: Path) -> None:
    """Put into a folder what a reader has at hand: a program, a project, a key, an image that has appeared."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text("import hello\nprint(hello.__file__)\n")
    (folder / "my-project").mkdir(exist_ok=True)
    (folder / "my-project" / "pyproject.toml").write_text(PROJECT)
    (folder / "my-project" / "backend.py").write_text(BACKEND)
    channel = Channel(reader.desk.site.folder / "channel")
    (folder / "environment.yml").write_text(f"channels:\n  - {channel.url}\ndependencies:\n  - gdal\n")
    (folder / "mysite.yml").write_text("name: mysite\ndescription: the cluster of the institute\n")
    (folder / "new.sif").symlink_to(reader.desk.site.machine.bases["venv-pythonpath"])
    home = reader.desk.site.folder / "home"
    if not (home / ".ssh").exists():
        (home / ".ssh").mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / ".ssh" / "id_ed25519"], check=True)
        (home / "my-library" / "src").mkdir(parents=True)
        (home / "my-library" / "src" / "my_library.py").touch()
    key = (home / ".ssh" / "id_ed25519.pub").read_text()
    (folder / "allowed_signers").write_text(f'me@example.org namespaces="ebsif-layer" {key}')


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if script(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(reader: Reader, page: Path) -> None:
    folder = reader.folder(page)
    shutil.copytree(reader.folder(README), folder, symlinks=True)
    made = sorted(folder.glob("PyTorch-*"))
    assert [path.suffix for path in made] == [".eb", ".yml"]
    if re.search(r"^ebsif new ", script(page), re.MULTILINE):
        for path in made:
            path.unlink()
    else:
        shutil.copy(made[0], folder / "new.eb")
    done = reader.follow(page)
    assert done.returncode == 0, done.stdout + done.stderr
