"""What a module exports on LUMI depends on the family that its image belongs to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.generator import Desk, make_desk
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

AMD = "lumi-rocm-rocm-6.1.3-dockerhash-4a063f050ed7.sif"
LAIF = "lumi-multitorch-full-u24r70f21m50t210-20260415_130625.sif"
# What families of images want of the network and the GPU, and the runtime's switches.
WANTED = "^(NCCL|RCCL|FI|MPICH|HSA|HIP|ROCR|APPTAINER|SINGULARITY)_"
SHOW = f"env | grep -E '{WANTED}' | grep -v _BINDPATH= | sort"
CACHES = ("TRITON_CACHE_DIR", "MIOPEN_USER_DB_PATH", "TORCH_HOME", "HF_HOME", "VLLM_CACHE_ROOT")


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here."""
    return easybuild.DEFAULT


@pytest.fixture(scope="module")
def desk(machine: Machine, make_site: Callable[..., Site], pip_wheel: Wheel) -> Desk:
    return make_desk(make_site, pip_wheel)


@pytest.fixture(scope="module")
def modules(desk: Desk, machine: Machine) -> dict[str, str]:
    """The module of each image, installed from recipes for LUMI, in Lua and in Tcl."""
    made = {}
    tcl = Desk(desk.site.using(tool="EnvironmentModules"), desk.variables)
    for image in (AMD, LAIF):
        (desk.images / image).symlink_to(machine.bases["bare"])
        recipe = desk.recipes / f"{image}.yml"
        recipe.write_text(f"name: Demo\nversion: 1.0\nsite: lumi\nlayer: none\nbase: {desk.images / image}\n")
        generated = json.loads(desk.run("generate", recipe, "--json"))
        desk.eb(generated["easyconfig"])
        tcl.eb(generated["easyconfig"], "--module-only")
        made[image] = generated["module"]
    return made


@pytest.fixture(params=["Lmod", "EnvironmentModules"])
def place(request: pytest.FixtureRequest, desk: Desk) -> Desk:
    """The same desk, with a module tool."""
    return Desk(desk.site.using(tool=request.param), desk.variables)


def exported(place: Desk, script: str) -> list[str]:
    return place.login(f"{script} || exit 99\n{SHOW}").stdout.split()


def test_images_of_amd_are_told_of_the_network_cards(place: Desk, modules: dict[str, str]) -> None:
    assert exported(place, f"module load {modules[AMD]}") == ["NCCL_NET_GDR_LEVEL=3", "NCCL_SOCKET_IFNAME=hsn"]


def test_images_of_the_ai_factory_are_not_told_what_makes_them_hang(place: Desk, modules: dict[str, str]) -> None:
    assert exported(place, f"module load {modules[LAIF]}") == ["FI_MR_CACHE_MONITOR=userfaultfd"]


def test_switching_takes_away_what_only_the_first_wants(place: Desk, modules: dict[str, str]) -> None:
    amd, laif = modules[AMD], modules[LAIF]
    assert exported(place, f"module load {amd}; module swap {amd} {laif}") == ["FI_MR_CACHE_MONITOR=userfaultfd"]
    back = f"module load {laif}; module swap {laif} {amd}"
    assert exported(place, back) == ["NCCL_NET_GDR_LEVEL=3", "NCCL_SOCKET_IFNAME=hsn"]
    assert exported(place, f"{back}; module unload {amd}") == []


def test_a_command_of_the_other_family_is_not_given_what_the_loaded_one_wants(
    place: Desk, modules: dict[str, str], tmp_path: Path
) -> None:
    other = place.site.folder / "software" / modules[LAIF] / "bin" / "start-shell"
    show = f"env EBSIF_CACHE_TOP={tmp_path} {other} -c '{SHOW.replace(chr(39), chr(34))}'"
    assert "NCCL" not in place.loaded(modules[AMD], show)
    assert "FI_MR_CACHE_MONITOR=userfaultfd" in place.loaded(modules[AMD], show)


def caches(place: Desk, module: str, tmp_path: Path, **variables: str) -> dict[str, str]:
    """Return where caches lie in the container."""
    env = " ".join(f"{name}={value}" for name, value in {"USER": "ada", **variables}.items())
    show = f"env -u SLURM_JOB_ACCOUNT {env} EBSIF_CACHE_TOP={tmp_path} start-shell -c env"
    pairs = (line.split("=", 1) for line in place.loaded(module, show).splitlines() if "=" in line)
    return {name: value for name, value in pairs if name in CACHES}


@pytest.mark.parametrize("image", [AMD, LAIF])
def test_without_a_project_only_the_caches_of_the_node_are_set(
    desk: Desk, modules: dict[str, str], tmp_path: Path, image: str
) -> None:
    assert caches(desk, modules[image], tmp_path) == {
        "TRITON_CACHE_DIR": f"{tmp_path}/triton",
        "MIOPEN_USER_DB_PATH": f"{tmp_path}/miopen",
    }


@pytest.mark.parametrize("variable", ["SLURM_JOB_ACCOUNT", "EBSIF_PROJECT"])
def test_what_is_downloaded_lies_on_the_scratch_of_the_project(
    desk: Desk, modules: dict[str, str], tmp_path: Path, variable: str
) -> None:
    found = caches(desk, modules[LAIF], tmp_path, HF_HOME="/mine", **{variable: "project_465000001"})
    assert found["TORCH_HOME"] == "/scratch/project_465000001/ada/torch"
    assert found["VLLM_CACHE_ROOT"] == "/scratch/project_465000001/ada/vllm"
    assert found["HF_HOME"] == "/mine"


def test_bindings_that_replace_libraries_of_the_image_have_to_be_unloaded(place: Desk, modules: dict[str, str]) -> None:
    folder = place.site.folder / "modules" / "all" / "singularity-bindings"
    folder.mkdir(exist_ok=True)
    (folder / "24.03").write_text("#%Module\nsetenv SINGULARITYENV_LD_LIBRARY_PATH /lib64\n")
    done = place.login(f"module load singularity-bindings/24.03; module load {modules[LAIF]}; echo [$SIF]")
    assert "[]" in done.stdout
    assert "singularity-bindings" in done.stderr
