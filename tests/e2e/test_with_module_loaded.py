"""EasyBuild and ebsif with one of our modules loaded, whose `python` stands before the host's: as without it."""

from collections.abc import Callable

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation with modules in Lua and in Tcl, and an easyconfig for another software."""
    site = make_site()
    site.write("bare", easyblock="SifContainer", name="Other", exts_list=None, commands=[])
    site.install("venv", layer)
    site.using(tool="EnvironmentModules").make_module("venv")
    return site


@pytest.fixture(params=["Lmod", "EnvironmentModules"])
def place(request: pytest.FixtureRequest, installed: Site) -> Site:
    """The installation, for people with a module tool."""
    return installed.using(tool=request.param)


def test_eb_finds_its_python(place: Site) -> None:
    assert "This is EasyBuild" in place.output("venv", "eb --version")


@pytest.mark.parametrize("kind", ["bare", "venv"])
def test_eb_installs_another_module_and_the_loaded_one(place: Site, kind: str) -> None:
    done = place.loaded("venv", f"eb {place.easyconfig(kind)} --rebuild 2>&1")
    assert done.returncode == 0, done.stdout


def test_ebsif_says_the_same(place: Site) -> None:
    commands = f"ebsif check {place.easyconfig('venv')}; ebsif doctor"
    assert place.loaded("venv", commands).stdout == place.login(commands).stdout


def test_unloading_leaves_nothing(place: Site) -> None:
    assert place.output("venv", "module unload Demo; echo [$EB_INSTALLPYTHON$__EBSIF_PYTHON]") == "[]\n"


def test_the_python_that_somebody_else_has_chosen_for_eb_stays(place: Site) -> None:
    show = "echo $EB_INSTALLPYTHON; module unload Demo; echo $EB_INSTALLPYTHON"
    before = place.output("venv", show, env={"EB_INSTALLPYTHON": "/mine/python3"})
    later = place.output("venv", f"export EB_INSTALLPYTHON=/mine/python3; {show}")
    assert before == later == "/mine/python3\n" * 2


def test_slurm_is_told_what_clears_the_caches_unless_the_user_has_something_to_run(place: Site) -> None:
    show = "echo [$SLURM_TASK_EPILOG]"
    script = place.installation("venv") / "runscripts" / "task-epilog"
    assert place.output("venv", f"{show}; module unload Demo; {show}") == f"[{script}]\n[]\n"
    own = {"SLURM_TASK_EPILOG": "/mine/epilog"}
    assert place.output("venv", f"{show}; module unload Demo; {show}", env=own) == "[/mine/epilog]\n" * 2
