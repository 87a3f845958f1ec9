"""Folders that a module puts before all others in which programs of the container look for libraries."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.site import Site
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

KIND = "bare"
OURS = ["/ebsif/one", "/ebsif/two lib"]
SHOW = "start-shell -c 'printf %s \"$LD_LIBRARY_PATH\"'"
SAID: dict[str, Any] = {"easyblock": "SifContainer", "commands": [], "exts_list": None, "library_path": OURS}
RUNTIME = "/.singularity.d/libs"


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], machine: Machine) -> Site:
    """A place with the module in Lua and in Tcl, which its sanity check has accepted."""
    place = make_site()
    place.install(KIND, **SAID)
    place.using(tool="EnvironmentModules").make_module(KIND)
    return place


@pytest.fixture(params=["Lmod", "EnvironmentModules"])
def place(request: pytest.FixtureRequest, installed: Site) -> Site:
    return installed.using(tool=request.param)


def folders(text: str) -> list[str]:
    return [folder for folder in text.split(":") if folder != RUNTIME]


def test_they_come_first_with_the_module(place: Site) -> None:
    found = place.output(KIND, f"{SHOW}; echo; $SIFRUNTIMEDEMO exec $SIF sh -c 'printf %s \"$LD_LIBRARY_PATH\"'")
    assert [folders(line) for line in found.splitlines()] == [OURS, OURS]


@pytest.mark.parametrize("variable", ["APPTAINERENV_LD_LIBRARY_PATH", "SINGULARITYENV_LD_LIBRARY_PATH"])
def test_what_the_user_has_set_comes_behind_them_and_is_back_afterwards(place: Site, variable: str) -> None:
    module = "Demo/1.0-bare"
    script = f"export {variable}=/mine; module load {module}; {SHOW}; module unload {module}; echo; echo ${variable}"
    done = place.login(script)
    first, last = done.stdout.splitlines()
    assert folders(first) == [*OURS, "/mine"]
    assert last == "/mine"


@pytest.mark.parametrize("variable", ["APPTAINERENV_LD_LIBRARY_PATH", "SINGULARITYENV_LD_LIBRARY_PATH"])
def test_they_come_first_without_the_module_too(installed: Site, variable: str) -> None:
    assert folders(installed.alone(KIND, SHOW)) == OURS
    assert folders(installed.alone(KIND, SHOW, env=f"{variable}=/mine")) == [*OURS, "/mine"]


def test_what_the_image_has_comes_behind_them(place: Site) -> None:
    own = place.folder / "own.sh"
    own.write_text("export LD_LIBRARY_PATH=/image/lib\n")
    bind = f"export APPTAINER_BIND={own}:/.singularity.d/env/20-own.sh"
    assert folders(place.output(KIND, f"{bind}; {SHOW}")) == [*OURS, "/image/lib"]


def test_where_the_runtime_evaluates_nothing_only_they_are_there(place: Site) -> None:
    done = place.login(f"export APPTAINER_NO_EVAL=1; module load Demo/1.0-bare; {SHOW}")
    assert folders(done.stdout) == OURS


# The last one: it makes the modules anew.
def test_what_the_module_sets_comes_behind_them(place: Site) -> None:
    changed = place.write(KIND, **SAID, container_env={"LD_LIBRARY_PATH": "/a b/$x"})
    done = place.eb(changed, "--module-only", "--rebuild")
    assert done.returncode == 0, done.stdout
    assert folders(place.output(KIND, SHOW)) == [*OURS, "/a b/$x"]
    assert folders(place.alone(KIND, SHOW)) == [*OURS, "/a b/$x"]
