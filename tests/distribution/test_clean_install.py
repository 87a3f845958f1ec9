"""Archive and wheel are complete, and install without network in a fresh environment of the Python that runs this."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ebsif import __version__
from workbench import distribution, easybuild, store, venvs

CACHE = store.cache_root()
# Where the wheel has the folders of the project.
FOLDERS = {"easyblocks": "easybuild/easyblocks", "easyconfigs": "easybuild/easyconfigs", "generator": "ebsif"}


def files_of_the_project() -> dict[str, bytes]:
    return {
        f"{name}/{path.relative_to(easybuild.PROJECT / folder)}": path.read_bytes()
        for folder, name in FOLDERS.items()
        for path in (easybuild.PROJECT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module", params=[".tar.gz", ".whl"])
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of an environment in which the archive, or the wheel, was installed."""
    folder = tmp_path_factory.mktemp("fresh")
    [made] = (path for path in easybuild.project_files(CACHE) if path.name.endswith(request.param))
    shutil.copy(made, folder)
    venvs.create(folder / "venv", Path(sys.executable), pip=False)
    wheels = distribution.find_wheels(CACHE)
    pip = next(wheels.glob("pip-*.whl")) / "pip"
    options = ["--isolated", "--quiet", "--no-index", f"--find-links={wheels}", f"--find-links={folder}"]
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-I", pip, "install", *options, "ebsif"], check=True)
    return python.parent


def output(programs: Path, *words: str | Path) -> str:
    name, *arguments = words
    return subprocess.run(
        [programs / name, *arguments], env={"PATH": "/usr/bin:/bin"}, check=True, capture_output=True, text=True
    ).stdout


def test_the_wheel_holds_each_file_of_the_project_as_it_is() -> None:
    with zipfile.ZipFile(easybuild.project_wheel(CACHE)) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == files_of_the_project()


def test_ebsif_tells_its_version(programs: Path) -> None:
    assert __version__ in output(programs, "ebsif", "--version")


def test_all_that_ebsif_needs_is_there_in_versions_that_it_takes(programs: Path) -> None:
    assert "No broken requirements found." in output(programs, "python", "-m", "pip", "check")


def test_the_easyconfigs_came_along(programs: Path) -> None:
    listed = output(programs, "ebsif", "list", "--easyconfigs")
    assert "PyTorch-2.13.0-cpu-python-3.11-singularity-demo.eb" in listed


def test_deploy_copies_easyblocks_and_easyconfigs(programs: Path, tmp_path: Path) -> None:
    output(programs, "ebsif", "deploy", tmp_path)
    wanted = {name: content for name, content in files_of_the_project().items() if name.startswith("easybuild/")}
    assert {name: (tmp_path / name).read_bytes() for name in wanted} == wanted
