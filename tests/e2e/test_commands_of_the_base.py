"""Python commands of the base see the layer, and so do the processes that they start.

`test_conda` tells it of an environment that is stacked on that of the base.
"""

import shlex
from collections.abc import Callable

import pytest

from tests.support.easyconfigs import KINDS
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


KINDS_WITH_PYTHON = ["venv", "venv-pythonpath", "conda", "conda-active"]
LAYER_PYTHON = "/user-software/venv/demo/bin/python"

# Run by pytest, a command of the base, in two processes that it starts.
CHECK = f"""
import multiprocessing, sys

import hello, six

def test_layer_and_base_are_seen():
    assert sys.executable == "{LAYER_PYTHON}"
    assert hello.__file__.startswith("/user-software/")
    assert not six.__file__.startswith("/user-software/")

def test_spawned_processes_are_the_layers():
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(eval, ("__import__('hello') and __import__('sys').prefix",)) == "/user-software/venv/demo"
"""
PYTEST = "pytest -q -p no:cacheprovider -n 1 test_check.py"

# How a command is started with the module loaded.
WAYS = {
    "host command": PYTEST,
    "runtime": f"$SIFRUNTIMEDEMO {{verb}} $SIF {PYTEST}",
    "subprocess": f"python -c {shlex.quote(f'import subprocess; subprocess.run({PYTEST.split()!r}, check=True)')}",
    "executable": f"python -m {PYTEST}",
    "activated by hand": (
        'env -i HOME="$HOME" PATH="$PATH" $SIFRUNTIMEDEMO {verb} '
        "--bind $CONTAINERROOT/user-software.squashfs:/user-software:image-src=/,ro $SIF bash -c {by_hand}"
    ),
}


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation on each kind of base that has a Python."""
    place = make_site()
    done = place.eb(*(place.write(kind, layer, commands=["pytest"]) for kind in KINDS_WITH_PYTHON))
    assert done.returncode == 0, done.stdout
    (place.folder / "test_check.py").write_text(CHECK)
    return place


@pytest.fixture(params=KINDS_WITH_PYTHON)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_command_of_the_base_and_its_workers_see_the_layer(place: Site, kind: str) -> None:
    steps = [KINDS[kind].get("activation"), "source /user-software/venv/demo/bin/activate", f"exec {PYTEST}"]
    by_hand = shlex.quote(" && ".join(step for step in steps if step))
    verb = KINDS[kind].get("start_with", "exec")
    lines = [f"cd {place.folder}"]
    lines += [f"{way.format(verb=verb, by_hand=by_hand)} || echo FAILED: {name}" for name, way in WAYS.items()]
    output = place.output(kind, "\n".join(lines))
    assert output.count("2 passed") == len(WAYS), output


def test_which_commands_of_the_base_are_on_the_hosts_path_is_for_the_recipe(place: Site, kind: str) -> None:
    names = {path.name for path in (place.installation(kind) / "bin").iterdir()}
    assert "pytest" in names
    assert "py.test" not in names
    assert place.output(kind, "start-shell -c 'type -P py.test'") == "/user-software/venv/demo/bin/py.test\n"


def test_an_empty_venv_has_them_too(make_site: Callable[..., Site]) -> None:
    own = make_site()
    own.install("conda")
    (own.folder / "test_prefix.py").write_text(
        f"import sys\n\ndef test_prefix():\n    assert sys.executable == {LAYER_PYTHON!r}\n"
    )
    script = f"cd {own.folder} && $SIFRUNTIMEDEMO exec $SIF pytest -q -p no:cacheprovider -n 1 test_prefix.py"
    assert "1 passed" in own.output("conda", script)


def test_python3_is_always_a_command_of_the_host(place: Site, kind: str) -> None:
    output = place.output(kind, "python3 -c 'import sys; print(sys.executable)'")
    assert output == "/user-software/venv/demo/bin/python3\n"
