"""The environment with the module loaded is the one that activating by hand gives: this defines what a module does."""

import json
import shlex
from collections.abc import Callable

import pytest
from easybuild.easyblocks.generic._sifactivation import differences, parse_environment

from tests.support.easyconfigs import CONDA_ENV, KINDS, VENV_ENV
from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e

ALL_ENV = VENV_ENV | CONDA_ENV
LAYER_KINDS = [kind for kind in KINDS if kind != "bare"]


@pytest.fixture(scope="module", params=LAYER_KINDS)
def kind(request: pytest.FixtureRequest, place: Site, layer: list[Wheel]) -> str:
    place.install(request.param, layer)
    return str(request.param)


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site]) -> Site:
    return make_site()


def environments(place: Site, kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment after activating by hand, and the one with the module loaded, both without the host's."""
    verb = KINDS[kind].get("start_with", "exec")
    image, layer = place.machine.bases[kind], place.installation(kind) / "user-software.squashfs"
    commands = [KINDS[kind].get("activation", ":"), "source /user-software/venv/demo/bin/activate", "exec env -0"]
    by_hand = place.login(
        f"apptainer {verb} --cleanenv --bind {layer}:/user-software:image-src=/,ro {image} "
        f"bash -c {shlex.quote(' && '.join(commands))}"
    )
    assert by_hand.returncode == 0, by_hand.stderr
    loaded = place.output(kind, f"$SIFRUNTIMEDEMO {verb} --cleanenv $SIF env -0")
    return parse_environment(by_hand.stdout), parse_environment(loaded)


def test_loading_the_module_is_activating(place: Site, kind: str) -> None:
    by_hand, loaded = environments(place, kind)
    assert differences(by_hand, loaded) == []
    # The comparison has seen what it is about.
    assert by_hand["VIRTUAL_ENV"] == loaded["VIRTUAL_ENV"] == "/user-software/venv/demo"
    if kind.startswith("conda"):
        assert CONDA_ENV.items() <= loaded.items()


def test_pythonpath_of_the_base_does_not_override_the_layer(site: Site, layer: list[Wheel]) -> None:
    kind = "venv-pythonpath"
    site.install(kind, layer)
    by_hand, _ = environments(site, kind)
    assert by_hand["PYTHONPATH"].startswith("/opt/venv")
    program = "import os, sys; print(repr(os.environ.get('PYTHONPATH')), sys.path[1:])"
    out = site.output(kind, f'python -c "{program}"')
    assert out.startswith("''")
    assert out.index("/user-software/venv/demo") < out.index("/opt/venv")


def test_pythonpath_of_the_base_that_is_not_neutralised_is_refused(site: Site, layer: list[Wheel]) -> None:
    out = site.refuse("venv-pythonpath", layer, container_env={})
    assert "the image sets $PYTHONPATH to /opt/venv" in out
    assert "add 'PYTHONPATH': '' to 'container_env'" in out


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"activation_env": ALL_ENV | {"CONDA_SHLVL": "2"}}, "$CONDA_SHLVL is '1' after activating by hand"),
        ({"activation_env": {k: v for k, v in ALL_ENV.items() if k != "DEMO_HOOK_VALUE"}}, "$DEMO_HOOK_VALUE is"),
        ({"activation_env": ALL_ENV | {"EXTRA": "1"}}, "$EXTRA is not set after activating by hand"),
        ({"activation_path": ["/opt/miniconda3/envs/pytorch/bin"]}, "$PATH is "),
    ],
)
def test_an_easyconfig_that_differs_is_refused(
    site: Site, layer: list[Wheel], changes: dict[str, object], variable: str
) -> None:
    assert variable in site.refuse("conda", layer, **changes)


# An easyconfig that does not say what activating does.
SILENT = {"activation_env": None, "activation_path": None, "container_env": None}


@pytest.mark.parametrize(("kind", "tool"), [*((kind, "Lmod") for kind in LAYER_KINDS), ("conda", "EnvironmentModules")])
def test_what_activating_does_is_found_out_and_remembered(
    make_site: Callable[..., Site], layer: list[Wheel], kind: str, tool: str
) -> None:
    place = make_site(tool=tool)
    assert "finding out what activating the environment sets" in place.install(kind, layer, **SILENT)
    by_hand, loaded = environments(place, kind)
    assert differences(by_hand, loaded) == []
    assert loaded.get("PYTHONPATH", "") == ""
    found = json.loads((place.installation(kind) / "activation.json").read_text())["env"]
    assert {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"} <= found.keys()
    assert (found.items() >= CONDA_ENV.items()) == (kind == "conda")

    module = place.module_file(kind).read_text()
    place.module_file(kind).unlink()
    (place.installation(kind) / place.machine.bases[kind].name).unlink()
    done = place.eb(place.write(kind, layer, **SILENT), "--module-only")
    assert done.returncode == 0, done.stdout
    assert place.module_file(kind).read_text() == module


def test_module_of_what_was_never_installed_comes_with_a_warning(site: Site, layer: list[Wheel]) -> None:
    done = site.eb(site.write("conda", layer, **SILENT), "--module-only", "--force")
    assert done.returncode == 0, done.stdout
    assert "the module sets nothing of what activating the environment sets" in done.stdout


def test_what_a_module_cannot_do_is_refused(site: Site, layer: list[Wheel]) -> None:
    activation = "export PAIR=$'two\\nlines'; unset LD_LIBRARY_PATH"
    out = site.refuse("conda", layer, **SILENT | {"activation": activation})
    assert "it sets $PAIR to 'two\\nlines'" in out
    assert "it unsets $LD_LIBRARY_PATH" in out


def test_an_easyconfig_that_says_that_nothing_is_set_is_believed_and_checked(site: Site, layer: list[Wheel]) -> None:
    out = site.refuse("venv", layer, activation_env={})
    assert "$VIRTUAL_ENV_PROMPT is '(demo) ' after activating by hand, but not set with the module loaded" in out
