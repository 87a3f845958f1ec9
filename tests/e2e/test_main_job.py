"""The main job as users do it: `eb`, `module load`, and work, for each kind of base, user and module tool."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.easyconfigs import HOOK_VALUE
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


LMOD, TCL = "Lmod", "EnvironmentModules"
KINDS = ["venv", "conda", "conda-active"]
VENV = "/user-software/venv/demo"
BASE_SITE = {
    "venv": "/opt/venv/lib/python3.11/site-packages",
    "conda": "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages",
    "conda-active": "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages",
}

# Variables in which the module tools keep their own books.
BOOKS = r"^(_|LOADEDMODULES=|_LMFILES_=|__LMOD|__MODULES|_ModuleTable|LMOD_|MODULES_|SHLVL=)"

LOOK = """
import hello, json, os, six, sys
print(json.dumps({"prefix": sys.prefix, "six": six.__file__, "hello": hello.__file__, "env": dict(os.environ)}))
"""


def make(place: Site, layer: list[Wheel], option: str) -> None:
    """Run EasyBuild for each kind of base."""
    easyconfigs = [place.write(kind, layer, host_env={"NCCL_SOCKET_IFNAME": "hsn"}) for kind in KINDS]
    done = place.eb(*easyconfigs, option)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], machine: Machine, layer: list[Wheel]) -> dict[str, Site]:
    """An installation on each kind of base, by each user, with modules for Lmod."""
    places = {"root": make_site(), "user": make_site(user=machine.user)}
    for place in places.values():
        make(place, layer, "--rebuild")
    return places


@pytest.fixture(scope="module", params=[f"{user}-{tool}" for user in ("root", "user") for tool in (LMOD, TCL)])
def place(request: pytest.FixtureRequest, installed: dict[str, Site], layer: list[Wheel]) -> Iterator[Site]:
    """The same installations, with modules for each tool."""
    user, tool = request.param.split("-")
    place = installed[user].using(tool=tool)
    if tool == LMOD:
        yield place
    else:
        make(place, layer, "--module-only")
        yield place
        for kind in KINDS:
            place.module_file(kind).unlink()


@pytest.fixture(scope="module")
def looks(place: Site) -> dict[str, dict[str, Any]]:
    """For each kind, what `python`, the command on the host's path, sees in the container, and what it says besides."""
    looks = {}
    for kind in KINDS:
        (place.folder / "look.py").write_text(LOOK)
        done = place.loaded(kind, f"python {place.folder}/look.py")
        assert done.returncode == 0, done.stderr
        looks[kind] = {**json.loads(done.stdout), "stderr": done.stderr}
    return looks


# Not for the module: pytest would do the tests of one kind, with all users and tools, one after another.
@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def seen(looks: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    return looks[kind]


def test_python_is_that_of_the_layer_and_sees_the_base(seen: dict[str, Any], kind: str) -> None:
    assert seen["prefix"] == VENV
    assert seen["six"] == f"{BASE_SITE[kind]}/six.py"
    assert seen["hello"] == f"{VENV}/lib/python3.11/site-packages/hello.py"


def test_what_hooks_of_the_base_set_is_there(seen: dict[str, Any], kind: str) -> None:
    if kind == "venv":
        assert seen["env"]["DEMO_RUNSCRIPT"] == "set by the runscript"
    else:
        assert seen["env"]["DEMO_HOOK_VALUE"] == HOOK_VALUE


def test_no_warning_when_a_command_starts(seen: dict[str, Any]) -> None:
    assert seen["stderr"] == ""


def test_the_layers_command_is_on_the_hosts_path(place: Site, kind: str) -> None:
    assert place.output(kind, "hello 'two words'") == "hello ['two words']\n"


def test_the_runtime_itself_needs_no_activation(place: Site, kind: str) -> None:
    out = place.output(kind, "$SIFRUNTIMEDEMO exec $SIF python -c 'import hello, sys; print(sys.prefix)' 2>&1")
    assert out == f"{VENV}\n"


def test_former_activation_commands_do_no_harm(place: Site, kind: str) -> None:
    print_prefix = 'python -c "import sys; print(sys.prefix)"'
    script = "\n".join(f"${name} && {print_prefix}" for name in ("WITH_CONDA", "WITH_VENV", "WITH_CONDA_VENV"))
    assert place.output(kind, f"$SIFRUNTIMEDEMO exec $SIF bash -c '{script}'") == f"{VENV}\n" * 3


def test_unloading_gives_back_what_was_there(place: Site, kind: str) -> None:
    script = f"""
        export SINGULARITY_BIND=/srv/:/a,/x.squashfs:/x:image-src=/,ro,/y.squashfs:/y:image-src=/,ro
        export NCCL_SOCKET_IFNAME='mine and "yours"' SINGULARITYENV_PREPEND_PATH=/my/bin APPTAINER_BINDPATH=/srv:/b:ro
        env | grep -vE '{BOOKS}' | sort > before
        module load Demo/1.0-{kind} || exit 1
        [ "$NCCL_SOCKET_IFNAME" = hsn ] || exit 2
        [ "$SINGULARITY_BIND" = /srv/:/a,/x.squashfs:/x:image-src=/,ro,/y.squashfs:/y:image-src=/,ro ] || exit 3
        case $APPTAINER_BINDPATH in *,/srv:/b:ro) ;; *) exit 4 ;; esac
        [ "$SINGULARITYENV_PREPEND_PATH" = /runscripts:{VENV}/bin:{
        "/opt/miniconda3/envs/pytorch/bin:/opt/miniconda3/condabin:" if kind == "conda" else ""
    }/my/bin ] || exit 5
        module unload Demo/1.0-{kind}
        env | grep -vE '{BOOKS}' | sort > after
        diff before after
    """
    done = place.login(script, cwd=place.folder)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
