"""The easyconfig of a conda layer: written, read back, compared and listed as a bill of materials."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ebsif import sbom
from ebsif.base.image import Base
from ebsif.base.manifest import Activation, Manifest
from ebsif.compare import changes, of_easyconfig
from ebsif.easyconfig.quoting import WIDTH
from ebsif.easyconfig.read import Easyconfig, read_easyconfig
from ebsif.easyconfig.render import render
from ebsif.lock import LayerRequest
from ebsif.lock.model import PIP, Lock, LockedFile
from ebsif.lock.tools import rattler
from ebsif.recipe import Recipe
from ebsif.site import Site
from tests.support.manifests import make_manifest
from tests.support.requests import conda_layer

URL = "https://example.org/label/main"
FFMPEG = LockedFile("ffmpeg", "7.1.0", "ffmpeg-7.1.0-gpl_h1_0.conda", "1" * 64, f"{URL}/linux-64")
CONDA_PIP = LockedFile("pip", "25.0", "pip-25.0-pyh1_0.tar.bz2", "2" * 64, f"{URL}/noarch")
REDIS = LockedFile("redis", "8.0", "redis-8.0-h2_0.conda", "3" * 64, f"{URL}/linux-64")
REDIS_WHEEL = LockedFile("redis", "6.0", "redis-6.0-py3-none-any.whl", "4" * 64)
LOCK = Lock("a" * 64, (rattler("x86_64"), PIP, FFMPEG, CONDA_PIP, REDIS, REDIS_WHEEL), ("pip", "py-rattler"))
SITE = Site.model_validate({"name": "here", "description": "this machine"})


def recipe(**values: Any) -> Recipe:
    return Recipe.model_validate(
        {"name": "Demo", "version": "1.0", "base": "x.sif", "layer": "conda", "environment": "e.yml", **values}
    )


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Make an easyconfig, and read it."""

    def made(
        recipe: Recipe, lock: Lock = LOCK, request: LayerRequest | None = None, base: Manifest | None = None
    ) -> Easyconfig:
        path = tmp_path / "x.eb"
        path.write_text(render(recipe, "x.yml", SITE, Base("x.sif", None, base or make_manifest()), lock, request))
        return read_easyconfig(path)

    return made


def test_it_is_read_as_it_was_written(made: Any) -> None:
    assert made(recipe()).lock == LOCK


def test_it_names_the_environment_and_what_was_asked_for(made: Any) -> None:
    parameters = made(recipe(), request=conda_layer("ffmpeg >=7", pip=["redis"])).parameters
    assert parameters["easyblock"] == "SifConda"
    assert parameters["conda_name"] == "demo"
    assert parameters["command_packages"] == ["ffmpeg"]
    assert parameters["build_packages"] == ["pip", "py-rattler"]
    assert "In the layer (/user-software/conda/envs/demo): 4 packages" in parameters["description"]
    assert "\n- ffmpeg >=7\n- redis" in parameters["description"]


def test_without_names_that_were_asked_for_the_commands_of_all_packages_are_meant(made: Any) -> None:
    assert "command_packages" not in made(recipe()).parameters
    everything = conda_layer("redis", "pip", "ffmpeg")
    assert "command_packages" not in made(recipe(), request=everything).parameters


def test_the_base_is_only_named_where_it_is_seen(made: Any) -> None:
    active = Activation(command="source /opt/a x", env={"A": "b"}, path=["/opt/a/bin"])
    base = make_manifest(kind="conda").model_copy(update={"activation": active, "pythonpath": "/opt/x"})
    alone, stacked = made(recipe(), base=base).parameters, made(recipe(stack=True), base=base).parameters
    names = {"stack", "base_python", "activation", "activation_env", "activation_path", "venv_name"}
    assert not names & set(alone)
    assert {name: stacked[name] for name in names & set(stacked)} == {
        "stack": True,
        "base_python": "/opt/venv/bin/python",
        "activation": "source /opt/a x",
    }
    assert alone["container_env"] == stacked["container_env"] == {"PYTHONPATH": ""}


def test_on_a_base_without_python_there_is_none_in_the_name(made: Any) -> None:
    bare = make_manifest(python=None)
    parameters = made(recipe(stack=True), base=bare).parameters
    assert parameters["versionsuffix"] == "-singularity"
    assert "base_python" not in parameters


def test_variables_of_the_environment_are_set_in_the_container(made: Any) -> None:
    request = conda_layer(variables={"A": "environment", "B": "environment"})
    parameters = made(recipe(container_env={"A": "recipe"}), request=request).parameters
    assert parameters["container_env"] == {"A": "recipe", "B": "environment"}


def test_packages_of_conda_and_of_pip_are_told_apart(made: Any) -> None:
    assert made(recipe()).packages == {
        "ffmpeg": "7.1.0=gpl_h1_0",
        "pip": "25.0=pyh1_0",
        "redis": "8.0=h2_0",
        "redis (pip)": "6.0",
    }


def test_another_build_is_a_difference(made: Any) -> None:
    before = of_easyconfig(made(recipe()))
    rebuilt = LockedFile("ffmpeg", "7.1.0", "ffmpeg-7.1.0-gpl_h1_1.conda", "5" * 64, f"{URL}/linux-64")
    after = of_easyconfig(made(recipe(), Lock("b" * 64, (LOCK.files[0], rebuilt, CONDA_PIP), ("py-rattler",))))
    assert changes(before, after).layer == {
        "ffmpeg": ("7.1.0=gpl_h1_0", "7.1.0=gpl_h1_1"),
        "redis": ("8.0=h2_0", None),
        "redis (pip)": ("6.0", None),
    }


def test_the_bill_of_materials_has_package_urls_of_both_kinds(made: Any, tmp_path: Path) -> None:
    bom = sbom.of_easyconfig(made(recipe()), make_manifest(packages={"pip": "24.0"}))
    sbom.write(bom, tmp_path / "bom.json")
    text = (tmp_path / "bom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = {component["bom-ref"]: component for component in json.loads(text)["components"]}
    assert {ref: component.get("purl") for ref, component in components.items() if ref.startswith("layer:")} == {
        f"layer:{purl}": purl
        for purl in (
            "pkg:conda/ffmpeg@7.1.0?build=gpl_h1_0&channel=label/main&subdir=linux-64&type=conda",
            "pkg:conda/pip@25.0?build=pyh1_0&channel=label/main&subdir=noarch&type=tar.bz2",
            "pkg:conda/redis@8.0?build=h2_0&channel=label/main&subdir=linux-64&type=conda",
            "pkg:pypi/redis@6.0",
        )
    }
    assert "base:pkg:pypi/pip@24.0" in components


@pytest.mark.parametrize(("place", "channel"), [("file:///srv/own", "own"), ("http://127.0.0.1:80", "127.0.0.1:80")])
def test_channels_without_a_name_are_called_by_their_place(made: Any, place: str, channel: str) -> None:
    file = LockedFile("a", "1", "a-1-0.conda", "1" * 64, f"{place}/noarch")
    bom = sbom.of_easyconfig(made(recipe(), Lock("a" * 64, (file,))), None)
    (purl,) = [component.purl for component in bom.components if component.purl]
    assert purl.qualifiers["channel"] == channel


def layer_of(count: int) -> tuple[Lock, LayerRequest]:
    """Return a lock with so many packages, of which all but one are asked for."""
    files = [
        LockedFile(f"package-{number}", "1.0", f"package-{number}-1.0-h{number}_0.conda", "1" * 64, f"{URL}/linux-64")
        for number in range(count)
    ]
    return Lock("a" * 64, tuple(files)), conda_layer(*(file.name for file in files[1:]))


def test_three_hundred_packages_fit_into_lines_and_are_read_as_they_were_written(made: Any) -> None:
    lock, request = layer_of(300)
    easyconfig = made(recipe(), lock, request)
    assert easyconfig.lock == lock
    lines = easyconfig.path.read_text().splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert "Asked for:" not in lines


def test_the_third_hundred_packages_are_as_much_work_as_the_second(made: Any) -> None:
    def calls(count: int) -> int:
        """Return how many functions are called to write and read an easyconfig."""
        layer, seen = layer_of(count), list[str]()
        sys.setprofile(lambda frame, event, argument: seen.append(event))
        try:
            made(recipe(), *layer)
        finally:
            sys.setprofile(None)
        return len(seen)

    one, two, three = calls(100), calls(200), calls(300)
    assert three - two < 1.2 * (two - one)
