"""The environment with the module loaded is the one that activating by hand gives: this defines what a module does."""

import json
import shlex
from collections.abc import Callable

import pytest

from tests.support.activation import unexpected, variables
from tests.support.easyconfigs import CONDA_ENV, KINDS, VENV_ENV
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e

ALL_ENV = VENV_ENV | CONDA_ENV
LAYER_KINDS = [kind for kind in KINDS if kind != "bare"]
VENV = "/user-software/venv/demo"

# An easyconfig that does not say what activating does: it is found out.
SILENT = {"activation_env": None, "activation_path": None, "container_env": None}


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what activating does, does not depend on it."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation on each kind of base, by easyconfigs that do not say what activating does; it stays as it is."""
    place = make_site()
    done = place.eb(*(place.write(kind, layer, **SILENT) for kind in LAYER_KINDS), "--trace")
    assert done.returncode == 0, done.stdout
    return place


def refuse_module(place: Site, kind: str, layer: list[Wheel], **changes: object) -> str:
    """Have EasyBuild refuse another module for an installation, which keeps its own; return what was printed."""
    before = place.module_file(kind).read_text()
    done = place.eb(place.write(kind, layer, **changes), "--module-only", "--rebuild")
    assert done.returncode != 0, done.stdout
    assert place.module_file(kind).read_text() == before
    return done.stdout


def activated(place: Site, kind: str) -> dict[str, str]:
    """Return the environment in the container after activating by hand, without the host's."""
    verb = KINDS[kind].get("start_with", "exec")
    image, layer = place.machine.bases[kind], place.installation(kind) / "user-software.squashfs"
    commands = [KINDS[kind].get("activation", ":"), f"source {VENV}/bin/activate", "exec env -0"]
    done = place.login(
        f"apptainer {verb} --cleanenv --bind {layer}:/user-software:image-src=/,ro {image} "
        f"bash -c {shlex.quote(' && '.join(commands))}"
    )
    assert done.returncode == 0, done.stderr
    return variables(done.stdout)


def loaded(place: Site, kind: str) -> dict[str, str]:
    """Return the environment in the container with the module loaded, without the host's."""
    verb = KINDS[kind].get("start_with", "exec")
    return variables(place.output(kind, f"$SIFRUNTIMEDEMO {verb} --cleanenv $SIF env -0"))


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_loading_the_module_or_calling_a_command_by_its_path_is_activating(place: Site, kind: str) -> None:
    by_hand, by_module = activated(place, kind), loaded(place, kind)
    by_path = variables(place.alone(kind, "start-shell -c 'exec env -0'", env="APPTAINER_CLEANENV=1 TERM=dumb"))
    assert unexpected(by_hand, by_module) == {}
    assert unexpected(by_hand, by_path) == {}
    # The comparison has seen what it is about.
    assert by_hand["VIRTUAL_ENV"] == by_module["VIRTUAL_ENV"] == VENV
    if kind.startswith("conda"):
        assert CONDA_ENV.items() <= by_module.items()


@pytest.mark.parametrize(
    ("kind", "env", "path"),
    [
        ("venv", VENV_ENV, []),
        ("venv-pythonpath", VENV_ENV | {"PYTHONPATH": ""}, []),
        ("conda", ALL_ENV, ["/opt/miniconda3/envs/pytorch/bin", "/opt/miniconda3/condabin"]),
        ("conda-active", VENV_ENV, []),
    ],
)
def test_what_activating_does_is_found_out(place: Site, kind: str, env: dict[str, str], path: list[str]) -> None:
    found = json.loads((place.installation(kind) / "activation.json").read_text())
    assert found == {"env": env | {"VIRTUAL_ENV": VENV}, "path": [f"{VENV}/bin", *path]}


def test_an_easyconfig_that_says_what_activating_does_gives_the_same_module(place: Site, layer: list[Wheel]) -> None:
    modules = [place.module_file(kind) for kind in LAYER_KINDS]
    before = [module.read_text() for module in modules]
    for module in modules:
        module.unlink()
    done = place.eb(*(place.write(kind, layer) for kind in LAYER_KINDS), "--module-only")
    assert done.returncode == 0, done.stdout
    assert [module.read_text() for module in modules] == before


def test_what_was_found_out_is_remembered_when_the_image_is_gone(place: Site, layer: list[Wheel]) -> None:
    image, module = place.installation("conda") / place.machine.bases["conda"].name, place.module_file("conda")
    settings = place.installation("conda") / "runscripts" / "container.conf"
    before = [file.read_text() for file in (module, settings)]
    away = image.rename(image.with_name("away"))
    module.unlink()
    done = place.eb(place.write("conda", layer, **SILENT), "--module-only")
    away.rename(image)
    assert done.returncode == 0, done.stdout
    assert [file.read_text() for file in (module, settings)] == before


def test_module_in_tcl_for_lmod_does_the_same(place: Site, layer: list[Wheel]) -> None:
    module, away = place.module_file("conda"), place.folder / "away"
    module.rename(away)
    done = place.eb(place.write("conda", layer, **SILENT), "--module-only", "--module-syntax=Tcl")
    assert done.returncode == 0, done.stdout
    by_module = loaded(place, "conda")
    module.with_suffix("").unlink()
    away.rename(module)
    assert unexpected(activated(place, "conda"), by_module) == {}


def test_module_in_tcl_does_the_same(place: Site, layer: list[Wheel]) -> None:
    tcl = place.using(tool="EnvironmentModules")
    done = tcl.eb(tcl.write("conda", layer, **SILENT), "--module-only")
    assert done.returncode == 0, done.stdout
    by_module = loaded(tcl, "conda")
    tcl.module_file("conda").unlink()
    assert unexpected(activated(place, "conda"), by_module) == {}
    assert ALL_ENV.items() <= by_module.items()


def test_pythonpath_of_the_base_does_not_override_the_layer(place: Site) -> None:
    assert activated(place, "venv-pythonpath")["PYTHONPATH"].startswith("/opt/venv")
    program = "import os, sys; print(repr(os.environ.get('PYTHONPATH')), sys.path[1:])"
    out = place.output("venv-pythonpath", f'python -c "{program}"')
    assert out.startswith("''")
    assert out.index(VENV) < out.index("/opt/venv")
    # That of the host is not seen, and the runtime's is.
    out = place.output("venv-pythonpath", f'PYTHONPATH=/host APPTAINERENV_PYTHONPATH=/own python -c "{program}"')
    assert out.startswith("'/own' ['/own',")


def test_pythonpath_of_the_base_that_is_not_neutralised_is_refused(place: Site, layer: list[Wheel]) -> None:
    out = refuse_module(place, "venv-pythonpath", layer, container_env={})
    assert "the image sets $PYTHONPATH to /opt/venv" in out
    assert "add 'PYTHONPATH': '' to 'container_env'" in out


def test_an_easyconfig_that_differs_is_refused(place: Site, layer: list[Wheel]) -> None:
    env = {name: value for name, value in ALL_ENV.items() if name != "DEMO_HOOK_VALUE"}
    path = ["/opt/miniconda3/envs/pytorch/bin"]
    out = refuse_module(
        place, "conda", layer, activation_env=env | {"CONDA_SHLVL": "2", "EXTRA": "1"}, activation_path=path
    )
    assert "$CONDA_SHLVL is '1' after activating by hand, but '2'" in out
    assert "$DEMO_HOOK_VALUE is 'two words" in out
    assert "$EXTRA is not set after activating by hand, but '1'" in out
    assert "$PATH is " in out


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
