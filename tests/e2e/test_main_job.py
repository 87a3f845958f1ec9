"""The main job as users do it: `eb`, `module load`, and work, for each kind of base, user and module tool."""

from collections.abc import Callable

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
BASE_SITE = {
    "venv": "/opt/venv/lib/python3.11/site-packages",
    "conda": "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages",
    "conda-active": "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages",
}

# Variables in which the module tools keep their own books.
BOOKS = r"^(_|LOADEDMODULES=|_LMFILES_=|__LMOD|__MODULES|_ModuleTable|LMOD_|MODULES_|SHLVL=)"


@pytest.fixture(scope="module", params=["root", "user"])
def user(request: pytest.FixtureRequest, machine: Machine) -> str | None:
    return None if request.param == "root" else machine.user


@pytest.fixture(scope="module", params=[LMOD, TCL])
def tool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], user: str | None, tool: str) -> Site:
    return make_site(user=user, tool=tool)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, place: Site, layer: list[Wheel]) -> str:
    place.install(request.param, layer, host_env={"NCCL_SOCKET_IFNAME": "hsn"})
    return str(request.param)


def test_python_is_that_of_the_layer_and_sees_the_base(place: Site, kind: str) -> None:
    out = place.output(kind, 'python -c "import sys, six, hello; print(sys.prefix, six.__file__, hello.__file__)"')
    assert out.split() == [
        "/user-software/venv/demo",
        f"{BASE_SITE[kind]}/six.py",
        "/user-software/venv/demo/lib/python3.11/site-packages/hello.py",
    ]


def test_the_layers_command_is_on_the_hosts_path(place: Site, kind: str) -> None:
    assert place.output(kind, "hello 'two words'") == "hello ['two words']\n"


def test_the_runtime_itself_needs_no_activation(place: Site, kind: str) -> None:
    out = place.output(kind, "$SIFRUNTIMEDEMO exec $SIF python -c 'import hello, sys; print(sys.prefix)' 2>&1")
    assert out == "/user-software/venv/demo\n"


@pytest.mark.parametrize("variable", ["WITH_CONDA", "WITH_VENV", "WITH_CONDA_VENV"])
def test_former_activation_commands_do_no_harm(place: Site, kind: str, variable: str) -> None:
    script = f"$SIFRUNTIMEDEMO exec $SIF bash -c '${variable} && python -c \"import sys; print(sys.prefix)\"'"
    assert place.output(kind, script) == "/user-software/venv/demo\n"


def test_unloading_gives_back_what_was_there(place: Site, kind: str) -> None:
    script = f"""
        export SINGULARITY_BIND=/srv/:/a,/x.squashfs:/x:image-src=/,ro,/y.squashfs:/y:image-src=/,ro
        export NCCL_SOCKET_IFNAME='mine and "yours"' SINGULARITYENV_PREPEND_PATH=/my/bin APPTAINER_BINDPATH=/srv:/b:ro
        env | grep -vE '{BOOKS}' | sort > before
        module load Demo/1.0-{kind} || exit 1
        [ "$NCCL_SOCKET_IFNAME" = hsn ] || exit 2
        [ "$SINGULARITY_BIND" = /srv/:/a,/x.squashfs:/x:image-src=/,ro,/y.squashfs:/y:image-src=/,ro ] || exit 3
        case $APPTAINER_BINDPATH in *,/srv:/b:ro) ;; *) exit 4 ;; esac
        [ "$SINGULARITYENV_PREPEND_PATH" = /runscripts:/user-software/venv/demo/bin:{
        "/opt/miniconda3/envs/pytorch/bin:/opt/miniconda3/condabin:" if kind == "conda" else ""
    }/my/bin ] || exit 5
        module unload Demo/1.0-{kind}
        env | grep -vE '{BOOKS}' | sort > after
        diff before after
    """
    done = place.login(script, cwd=place.folder)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_what_hooks_of_the_base_set_is_there(place: Site, kind: str) -> None:
    if kind == "venv":
        script = "python -c 'import os; print(os.environ.get(\"DEMO_RUNSCRIPT\"))'"
        assert place.output(kind, script) == "set by the runscript\n"
    else:
        script = "python -c 'import os; print(os.environ[\"DEMO_HOOK_VALUE\"])'"
        assert place.output(kind, script) == f"{HOOK_VALUE}\n"


def test_no_warning_when_a_command_starts(place: Site, kind: str) -> None:
    done = place.loaded(kind, "python -c pass")
    assert (done.returncode, done.stderr) == (0, "")
