"""`ebsif inspect` finds out what is in a base of each kind by looking into it."""

import hashlib
import json
import os
import platform
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ebsif.base.inspect import inspect_image
from ebsif.console import Console
from ebsif.runtime import Runtime
from tests.support.easyconfigs import HOOK_VALUE
from workbench import Machine

pytestmark = pytest.mark.e2e

KINDS = ["venv", "venv-pythonpath", "conda", "conda-active", "bare"]
CONDA = "/opt/miniconda3/envs/pytorch"


def inspect(machine: Machine, image: Path, user: str | None = None) -> dict[str, Any]:
    """Return the manifest that the command prints."""
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o777)
        # The code under test, installed or not; what an earlier run has found does not count.
        env = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "XDG_CACHE_HOME": cache}
        done = machine.run(["python", "-m", "ebsif", "inspect", "--json", image], user=user, env=env)
    assert done.returncode == 0, done.stderr
    manifest: dict[str, Any] = json.loads(done.stdout)
    return manifest


@pytest.fixture(scope="module")
def manifests(machine: Machine) -> dict[str, dict[str, Any]]:
    return {kind: inspect(machine, machine.bases[kind]) for kind in KINDS}


Manifests = dict[str, dict[str, Any]]


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        ("venv", "venv"),
        ("venv-pythonpath", "venv"),
        ("conda", "conda"),
        ("conda-active", "conda-active"),
        ("bare", "bare"),
    ],
)
def test_kind_follows_from_how_python_gets_active(manifests: Manifests, base: str, kind: str) -> None:
    assert manifests[base]["kind"] == kind


@pytest.mark.parametrize(
    ("base", "folder"),
    [("venv", "/opt/venv"), ("venv-pythonpath", "/opt/venv"), ("conda", CONDA), ("conda-active", CONDA)],
)
def test_python_is_that_of_the_activated_environment(manifests: Manifests, base: str, folder: str) -> None:
    python = manifests[base]["python"]
    assert python["path"] == f"{folder}/bin/python3"
    assert re.fullmatch(r"3\.11\.\d+", python["version"])
    assert python["tag"] == "cp311-cp311-manylinux_2_36_x86_64"


def test_an_image_without_python_has_none_and_no_packages(manifests: Manifests) -> None:
    bare = manifests["bare"]
    assert (bare["python"], bare["packages"], bare["commands"], bare["venv_env"]) == (None, {}, [], {})


def test_activation_of_conda_is_what_it_changes_and_nothing_else(manifests: Manifests) -> None:
    assert manifests["conda"]["activation"] == {
        "command": "source /opt/miniconda3/bin/activate pytorch",
        "env": {
            "CONDA_DEFAULT_ENV": "pytorch",
            "CONDA_EXE": "/opt/miniconda3/bin/conda",
            "CONDA_PREFIX": CONDA,
            "CONDA_PROMPT_MODIFIER": "(pytorch) ",
            "CONDA_PYTHON_EXE": "/opt/miniconda3/bin/python",
            "CONDA_SHLVL": "1",
            "DEMO_HOOK_PREFIX": f"{CONDA}/share/demo data",
            "DEMO_HOOK_VALUE": HOOK_VALUE,
            "_CE_CONDA": "",
            "_CE_M": "",
        },
        "path": [f"{CONDA}/bin", "/opt/miniconda3/condabin"],
        "unusable": {},
    }


@pytest.mark.parametrize("base", ["venv", "venv-pythonpath", "conda-active", "bare"])
def test_what_is_active_already_needs_no_activation(manifests: Manifests, base: str) -> None:
    assert manifests[base]["activation"] == {"command": None, "env": {}, "path": [], "unusable": {}}


ACTIVATE = """\
echo active
export PLAIN=value OWN=/tmp/$USER/x ACCOUNT=/tmp/$(id -un) DATA=$HOME/data PYTHONPATH=/opt/hook
f() { :; }
export -f f
export PATH=/opt/own/bin:$PATH
"""


@pytest.fixture
def activating(machine: Machine, tmp_path: Path) -> Runtime:
    """A runtime in whose containers $WITH_CONDA activates something that depends on the user."""
    (tmp_path / "activate").write_text(ACTIVATE)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / machine.runtime.name
    options = f'--env WITH_CONDA="source /hooks/activate" --bind {tmp_path}:/hooks'
    program.write_text(f'#!/bin/bash\nexec {machine.runtime} --quiet "$2" {options} "${{@:3}}"\n')
    program.chmod(0o755)
    return Runtime(program)


def test_what_activating_does_for_one_user_only_is_told(
    activating: Runtime, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = inspect_image(machine.bases["venv"], activating, Console())
    assert manifest.activation.env == {"PLAIN": "value", "PYTHONPATH": "/opt/hook"}
    assert manifest.activation.path == ["/opt/own/bin"]
    assert set(manifest.activation.unusable) == {"OWN", "ACCOUNT", "DATA", "BASH_FUNC_f%%"}
    assert manifest.pythonpath == "/opt/hook"
    told = capsys.readouterr().err
    for name in ("OWN", "ACCOUNT", "DATA"):
        assert f"does what a module cannot do: it sets ${name} to what depends on who activates" in told


@pytest.mark.parametrize("base", ["venv", "venv-pythonpath", "conda", "conda-active"])
def test_what_a_venv_sets_is_found_by_activating_one(manifests: Manifests, base: str) -> None:
    assert manifests[base]["venv_env"] == {"VIRTUAL_ENV_PROMPT": "({venv}) "}


@pytest.mark.parametrize(
    ("base", "verb"),
    [("venv", "run"), ("venv-pythonpath", "run"), ("conda", "exec"), ("conda-active", "exec"), ("bare", "exec")],
)
def test_a_runscript_that_prepares_the_environment_is_used(manifests: Manifests, base: str, verb: str) -> None:
    assert manifests[base]["start_with"] == verb


def test_a_pythonpath_of_the_image_is_found(manifests: Manifests) -> None:
    found = {base: manifest["pythonpath"] for base, manifest in manifests.items() if manifest["pythonpath"]}
    assert found == {"venv-pythonpath": "/opt/venv/lib/python3.11/site-packages"}


def test_rocm_is_found_where_there_is_one(manifests: Manifests) -> None:
    assert {base: manifest["rocm"] for base, manifest in manifests.items()} == dict.fromkeys(KINDS) | {"bare": "6.2.4"}


@pytest.mark.parametrize("base", KINDS)
def test_mpi_and_libfabric_are_not_made_up(manifests: Manifests, base: str) -> None:
    assert (manifests[base]["mpi"], manifests[base]["libfabric"]) == (None, None)


@pytest.mark.parametrize("base", ["venv", "conda", "conda-active"])
def test_packages_and_their_commands_are_listed(manifests: Manifests, base: str) -> None:
    assert {"packaging", "pip", "six"} <= set(manifests[base]["packages"])
    assert "pip3" in manifests[base]["commands"]
    assert "python3" not in manifests[base]["commands"]


@pytest.mark.parametrize("base", KINDS)
def test_the_system_is_that_of_the_image(manifests: Manifests, base: str) -> None:
    assert manifests[base]["os"] == {"id": "debian", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)"}
    assert manifests[base]["glibc"] == "2.36"
    assert manifests[base]["machine"] == platform.machine()
    assert manifests[base]["kernel"] == "3.2.0"
    assert manifests[base]["labels"]["org.label-schema.schema-version"] == "1.0"


def test_the_image_file_is_identified(manifests: Manifests, machine: Machine) -> None:
    content = machine.bases["bare"].read_bytes()
    bare = manifests["bare"]
    assert bare["file"] == machine.bases["bare"].name
    assert bare["sha256"] == hashlib.sha256(content).hexdigest()
    assert bare["size"] == len(content)
    assert bare["id"].replace("-", "") == content[48:64].hex()


@pytest.mark.parametrize("base", ["venv", "conda"])
def test_a_user_finds_what_root_finds(manifests: Manifests, machine: Machine, base: str) -> None:
    if machine.user is None:
        assert inspect(machine, machine.bases[base]) == manifests[base]
    assert inspect(machine, machine.bases[base], user=machine.user) == manifests[base]
