"""ebsif as a module of its own: `eb`, `module load ebsif`, and EasyBuild finds what it brings, and all that it had."""

import csv
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ebsif import __version__
from workbench import Machine, distribution, easybuild, store, venvs
from workbench.machine import ToolName

pytestmark = pytest.mark.e2e

EASYCONFIG = "PyTorch-2.13.0-cpu-python-3.11-singularity-demo.eb"
TOOLS: tuple[ToolName, ...] = ("Lmod", "EnvironmentModules")


def copy_without_ours(venv: Path, target: Path) -> None:
    """Make a virtual environment with the EasyBuild of another, but nothing of this project."""
    venvs.create(target, pip=False)
    [packages] = venv.glob("lib/python3*/site-packages")
    with next(packages.glob("ebsif-*.dist-info/RECORD")).open() as record:
        ours = {packages / row[0] for row in csv.reader(record)}
    [copies] = target.glob("lib/python3*/site-packages")

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder, name) in ours or name in ("__pycache__", "easyconfigs")]

    shutil.copytree(packages / "easybuild", copies / "easybuild", ignore=left_out)
    shutil.copy(venv / "bin" / "eb", target / "bin")


@dataclass(frozen=True)
class Home:
    """A place where ebsif is a module, for EasyBuilds that have nothing of ours."""

    machine: Machine
    folder: Path

    def login(self, script: str, *, version: str, tool: ToolName = "Lmod", **env: str) -> str:
        """Run a script that must succeed in a login shell with an EasyBuild and a module tool; return what it says."""
        done: subprocess.CompletedProcess[str] = self.machine.login(
            f"export PATH={self.folder}/{version}/bin:$PATH\nmodule use {self.folder}/{tool}/all\nset -e\n{script}",
            tool=tool,
            env={
                "EASYBUILD_PREFIX": str(self.folder),
                "EASYBUILD_INSTALLPATH_MODULES": str(self.folder / tool),
                "EASYBUILD_SOURCEPATH": f"{self.folder}/sources:{distribution.find_wheels(store.cache_root())}",
                **env,
            },
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def home(machine: Machine) -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="ebsif-home-") as name:
        place = Home(machine, Path(name))
        for version in easybuild.VERSIONS:
            copy_without_ours(machine.easybuild[version], place.folder / version)
        distribution.hand_over(store.cache_root(), place.folder / "dist")
        install = f"eb {place.folder}/dist/ebsif-{__version__}.eb"
        oldest = easybuild.VERSIONS[-1]
        place.login(install, version=oldest)
        place.login(f"{install} --module-only", version=oldest, tool="EnvironmentModules")
        yield place


@pytest.mark.parametrize("tool", TOOLS)
def test_ebsif_runs_whatever_pythonpath_the_user_has(home: Home, tool: ToolName, tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("raise ImportError('the one of the user')\n")
    script = "module load ebsif\nebsif --version\nebsif list --easyconfigs"
    said = home.login(script, version=easybuild.DEFAULT, tool=tool, PYTHONPATH=str(tmp_path))
    assert __version__ in said
    assert EASYCONFIG in said


@pytest.mark.parametrize("tool", TOOLS)
def test_loading_adds_no_python_to_path(home: Home, tool: ToolName) -> None:
    script = 'before=$(type -p python3)\nmodule load ebsif\ntest "$before" = "$(type -p python3)"'
    home.login(script, version=easybuild.DEFAULT, tool=tool)


@pytest.mark.parametrize("version", easybuild.VERSIONS)
def test_easybuild_finds_nothing_of_ours_without_the_module(home: Home, version: str) -> None:
    assert "SifVenv" not in home.login("eb --list-easyblocks", version=version)


@pytest.mark.parametrize("version", easybuild.VERSIONS)
@pytest.mark.parametrize("tool", TOOLS)
def test_easybuild_finds_easyblocks_and_easyconfigs_with_nothing_else_set(
    home: Home, version: str, tool: ToolName
) -> None:
    script = f"module load ebsif\neb --list-easyblocks\neb {EASYCONFIG} --dry-run\neb --search-filename {EASYCONFIG}"
    said = home.login(script, version=version, tool=tool)
    assert "-- SifVenv" in said
    assert re.search(rf"^ \* \[ \] \S*/{re.escape(EASYCONFIG)} ", said, re.MULTILINE), said
    assert f" * {EASYCONFIG}" in said
    assert "Found one or more non-allowed loaded" not in said


@pytest.mark.parametrize("version", easybuild.VERSIONS)
@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_site_has_set_stays(home: Home, version: str, tool: ToolName, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from easybuild.framework.easyblock import EasyBlock\n\n\nclass Own(EasyBlock):\n    pass\n"
    )
    (tmp_path / "Own-1.eb").write_text("")
    script = f"module load ebsif\neb --list-easyblocks\neb --search-filename '^(Own-1|{EASYCONFIG})'"
    site = {"EASYBUILD_ROBOT_PATHS": str(tmp_path), "EASYBUILD_INCLUDE_EASYBLOCKS": str(tmp_path / "*.py")}
    said = home.login(script, version=version, tool=tool, **site)
    assert "-- Own" in said
    assert "-- SifVenv" in said
    assert " * Own-1.eb" in said
    assert f" * {EASYCONFIG}" in said


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("site", [{}, {"EASYBUILD_ROBOT_PATHS": "/a:/b", "PYTHONPATH": "/c"}])
def test_unloading_gives_back_what_was_set(home: Home, tool: ToolName, site: dict[str, str]) -> None:
    show = "env | sed -nE '/^(EASYBUILD_ROBOT_PATHS|PYTHONPATH|EBROOTEBSIF)=/p' | sort"
    script = f"{show}\necho --\nmodule load ebsif\nmodule unload ebsif\n{show}"
    before, _, after = home.login(script, version=easybuild.DEFAULT, tool=tool, **site).partition("--\n")
    assert before == after == "".join(f"{name}={value}\n" for name, value in site.items())
