"""What must not work in a container is refused with a sentence that names the thing and the remedy.

What is refused without a container: tests/easyblocks/test_parameters.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sdists import BY_SETUPTOOLS, make_sdist
from tests.support.site import Site
from tests.support.versions import every_easybuild
from tests.support.wheels import Wheel, make_wheel

pytestmark = pytest.mark.e2e


@every_easybuild
def test_a_value_that_cannot_work(site: Site) -> None:
    out = site.refuse("venv", binds=["relative"])
    assert "Easyconfig parameter 'binds': 'relative' is not one bind specification" in " ".join(out.split())


def test_image_that_the_runtime_cannot_start(site: Site, layer: list[Wheel]) -> None:
    image = site.machine.bases["bare"].read_bytes()
    (site.sources / "cut.sif").write_bytes(image[:20000])
    assert f"cannot start the image {site.sources}/cut.sif" in site.refuse("venv", layer, sources=["cut.sif"])


def test_wheels_for_another_python_or_platform(site: Site, pip_wheel: Wheel, wheelhouse: Path) -> None:
    tags = {"python": "cp39-cp39-manylinux2014_x86_64", "machine": "cp311-cp311-manylinux2014_aarch64"}
    wheels = [make_wheel(wheelhouse, f"other-{what}", tag=tag) for what, tag in tags.items()]
    out = site.refuse("venv", [pip_wheel, *wheels])
    assert "These wheels are not for Python 3.11" in out
    assert all(wheel.path.name in out for wheel in wheels)


def test_source_package_that_lacks_what_it_is_built_with(site: Site, pip_wheel: Wheel, tmp_path: Path) -> None:
    raw = Wheel("raw", "1.0", make_sdist(tmp_path, "raw", pyproject=BY_SETUPTOOLS))
    out = site.refuse("venv", [pip_wheel, raw])
    assert "Building raw 1.0 in the container failed" in out
    assert "No matching distribution found for setuptools>=61" in out


def test_layer_with_a_package_of_the_base(site: Site, pip_wheel: Wheel, wheelhouse: Path) -> None:
    six = make_wheel(wheelhouse, "six", "9.0")
    out = site.refuse("venv", [pip_wheel, six])
    assert "six 9.0 is in exts_list, but the image has six 1.17.0" in out
    assert "allow_base_packages" in out


def test_base_without_python(site: Site, layer: list[Wheel]) -> None:
    out = site.refuse("bare", layer, base_python="/opt/venv/bin/python")
    assert "has no Python at /opt/venv/bin/python" in out


# --- what the sanity check finds, all of it at once ---


@pytest.fixture(scope="module")
def found(make_site: Callable[..., Site], pip_wheel: Wheel, wheelhouse: Path) -> str:
    """What is said of an installation that has all faults that only a complete one can have."""
    lonely = make_wheel(wheelhouse, "lonely", requires=["nowhere-to-be-found>=3"])
    files = {"broken.py": "", "broken-1.0.data/scripts/broken": "#!/no/such/interpreter\n"}
    broken = make_wheel(wheelhouse, "broken", files=files)
    layer = [pip_wheel, lonely, broken]
    return make_site().refuse("venv", layer, commands=["python3", "no-such-command", "broken"], start_with="exec")


def test_package_whose_dependency_is_missing(found: str) -> None:
    assert "lonely 1.0 requires nowhere-to-be-found, which is not installed" in found


def test_command_that_exists_nowhere(found: str) -> None:
    """Where commands are started by `run`: test_all_or_nothing.py."""
    assert "the command no-such-command is neither in the image nor in the layer" in found


def test_command_that_was_asked_for_and_cannot_start(found: str) -> None:
    assert "the command broken does not start" in found


# --- what is odd, and works ---


HOSTILE = """ both 'kinds' of "quotes", $HOME ${HOME} $(id) `id` [pwd] [[x]] {a } \\ \\n \\\\ end """


@pytest.fixture(scope="module")
def odd(make_site: Callable[..., Site], pip_wheel: Wheel, wheelhouse: Path) -> Site:
    """An installation with all that is odd, and modules in Lua and in Tcl."""
    site = make_site()
    six = make_wheel(wheelhouse, "six", "9.0")
    values = {"host_env": {"HOSTILE_OUTSIDE": HOSTILE}, "container_env": {"HOSTILE_INSIDE": HOSTILE}}
    site.install("venv", [pip_wheel, six], allow_base_packages=["six"], **values)
    site.using(tool="EnvironmentModules").make_module("venv")
    return site


def test_layer_that_replaces_a_package_of_the_base_on_purpose(odd: Site) -> None:
    assert odd.output("venv", "python -c 'import six; print(six.VERSION)'") == "9.0\n"


@pytest.mark.parametrize("tool", ["Lmod", "EnvironmentModules"])
def test_hostile_values_arrive_unchanged(odd: Site, tool: str) -> None:
    program = "import os; print(repr(os.environ['HOSTILE_OUTSIDE']), repr(os.environ['HOSTILE_INSIDE']))"
    assert odd.using(tool=tool).output("venv", f'python -c "{program}"') == f"{HOSTILE!r} {HOSTILE!r}\n"
