"""What wheels bring that does not fit their base, as far as their files tell."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ebsif.base.manifest import Manifest
from ebsif.errors import ConflictError, FileError
from ebsif.lock.model import LockedFile
from ebsif.lock.pip.fit import Surroundings, misfits
from tests.support.manifests import make_manifest
from tests.support.wheels import Wheel, make_wheel

CPU = {"torch": "2.13.0+cpu"}
ROCM = {"torch": "2.10.0+rocm7.0", "pytorch-triton-rocm": "3.4.0"}
# Names of the libraries that a compiled module needs, as they stand in it.
CUDA_MODULE = "\0libtorch.so\0libc10_cuda.so\0libcudart.so.13\0"
CPU_MODULE = "\0libtorch.so\0libc10.so\0libtorch_cpu.so\0"
ROCM_MODULE = "\0libtorch.so\0libc10_hip.so\0libamdhip64.so.7\0"


class Layer:
    """Wheels for a layer, and what is told of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels: list[Wheel] = []

    def add(self, name: str, version: str = "1.0", *needs: str, files: Mapping[str, str] | None = None) -> None:
        self.wheels.append(make_wheel(self.folder, name, version, files=files, requires=needs))

    def told(
        self, base: Manifest, *, asked: tuple[str, ...] = (), allowed: tuple[str, ...] = (), amd: bool = False
    ) -> list[str]:
        files = [LockedFile(wheel.name, wheel.version, wheel.path.name, wheel.sha256) for wheel in self.wheels]
        return misfits(files, self.folder, Surroundings(base, amd, frozenset(asked), frozenset(allowed)))


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    return Layer(tmp_path)


def test_a_build_for_cuda_on_a_torch_without_gpus(layer: Layer) -> None:
    layer.add("torchvision", "0.28.0", "torch==2.13.0", files={"torchvision/_C.so": CUDA_MODULE})
    layer.add("timm", "1.0", "torchvision")
    assert layer.told(make_manifest(packages=CPU), asked=("timm",)) == [
        "torchvision 0.28.0 (1 kB) is built for torch with CUDA, and the base has torch 2.13.0+cpu (timm needs it): "
        "take a build for the torch of the base, which its publisher may have in an index of its own "
        "(https://download.pytorch.org/whl/cpu), to be added to `extra_indexes`; or another version; or leave it out"
    ]


def test_the_build_of_the_base_is_in_order(layer: Layer) -> None:
    layer.add("torchvision", "0.28.0+cpu", "torch==2.13.0", files={"torchvision/_C.so": CPU_MODULE})
    assert layer.told(make_manifest(packages=CPU)) == []


def test_another_build_for_the_same_kind_of_gpus(layer: Layer) -> None:
    layer.add("torchvision", "0.25.0+rocm6.4", "torch==2.10.0", files={"torchvision/_C.so": ROCM_MODULE})
    (told,) = layer.told(make_manifest(packages=ROCM))
    assert "is built for torch of the build rocm6.4, and the base has torch 2.10.0+rocm7.0" in told


def test_one_that_does_not_say_for_which_torch_it_was_built(layer: Layer) -> None:
    layer.add("scatter", "2.1", "torch", files={"scatter/_C.so": CPU_MODULE})
    (told,) = layer.told(make_manifest(packages=CPU))
    assert "scatter 2.1 (1 kB) links the libraries of torch, and does not say of which version" in told


def test_a_torch_whose_version_says_nothing_of_its_build(layer: Layer) -> None:
    layer.add("torchvision", "0.25.0", "torch==2.10.0", files={"torchvision/_C.so": CUDA_MODULE})
    (told,) = layer.told(make_manifest(packages={"torch": "2.10.0"}, rocm="7.0.2"))
    assert "with CUDA, and the base has torch 2.10.0: take a build for the torch of the base" in told
    assert "https" not in told


def test_what_only_uses_torch_is_in_order(layer: Layer) -> None:
    layer.add("lightning", "2.0", "torch>=2.1", "torchmetrics")
    layer.add("exact", "2.0", "torch==2.13.0")
    assert layer.told(make_manifest(packages=CPU)) == []


def test_a_torch_that_replaces_that_of_the_base(layer: Layer) -> None:
    layer.add("torch", "2.14.0")
    layer.add("torchvision", "0.29.0", "torch==2.14.0", files={"torchvision/_C.so": CUDA_MODULE})
    (told,) = layer.told(make_manifest(packages=CPU), asked=("torch",), allowed=("torch",))
    assert told.startswith("torch 2.14.0 (1 kB) replaces torch 2.13.0+cpu of the base")


@pytest.mark.parametrize(
    ("base", "amd", "gpus"),
    [
        (make_manifest(packages=CPU), False, "no"),
        (make_manifest(packages=ROCM), False, "ROCm"),
        (make_manifest(rocm="6.2.4"), False, "ROCm"),
        (make_manifest(), True, "ROCm"),
    ],
)
def test_libraries_of_nvidia_where_nothing_can_use_them(layer: Layer, base: Manifest, amd: bool, gpus: str) -> None:
    layer.add("nvidia-nccl-cu12", "2.27")
    layer.add("nvidia-cublas-cu12", "12.8")
    layer.add("xgboost", "3.0", 'nvidia-nccl-cu12 ; platform_system == "Linux"')
    (told,) = layer.told(base, asked=("xgboost",), amd=amd)
    assert told.startswith("nvidia-nccl-cu12 and 1 more packages (2 kB) are for GPUs of NVIDIA, and the base has ")
    assert f"has {gpus} GPUs (xgboost needs it)" in told


def test_what_only_asks_a_driver_is_in_order(layer: Layer) -> None:
    layer.add("nvidia-ml-py", "13.580")
    assert layer.told(make_manifest(packages=CPU)) == []


def test_names_of_libraries_are_found_wherever_they_stand(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ebsif.binaries._CHUNK", 700)
    for before in range(690, 710):
        layer.add(f"x{before}", "1.0", "torch==2.13.0", files={"x/_C.so": "x" * before + CUDA_MODULE + "x" * 900})
    assert len(layer.told(make_manifest(packages=CPU))) == 20


@pytest.mark.parametrize("packages", [{"torch": "2.13.0+cu130"}, {"nvidia-nccl-cu12": "2.26"}, {}])
def test_libraries_of_nvidia_where_something_may_use_them(layer: Layer, packages: dict[str, str]) -> None:
    layer.add("nvidia-cublas-cu12", "12.8")
    assert layer.told(make_manifest(packages=packages)) == []


def test_a_second_mpi(layer: Layer) -> None:
    layer.add("mpi4py", "4.1", files={"mpi4py.libs/libmpi.so.12": ""})
    (told,) = layer.told(make_manifest())
    assert "brings an MPI of its own" in told
    assert "add mpi4py to `allow_source`" in told


HIDING = make_manifest(packages=ROCM).model_copy(update={"modules": {"triton": "pytorch-triton-rocm"}})


def test_a_module_of_the_base_under_another_name_is_refused(layer: Layer) -> None:
    layer.add("triton", "3.5.0", files={"triton/__init__.py": ""})
    layer.add("openai-whisper", "1.0", "triton")
    with pytest.raises(ConflictError) as refused:
        layer.told(HIDING, asked=("openai-whisper",))
    assert str(refused.value) == (
        "triton 3.5.0 would hide the module triton of the base, which comes from pytorch-triton-rocm: leave out what "
        "needs it (openai-whisper needs it), or, to replace it in the layer, add pytorch-triton-rocm to "
        "`allow_base_packages`"
    )


@pytest.mark.parametrize("allowed", ["triton", "pytorch-triton-rocm"])
def test_it_is_allowed_by_either_name(layer: Layer, allowed: str) -> None:
    layer.add("triton", "3.5.0", files={"triton/__init__.py": ""})
    assert layer.told(HIDING, allowed=(allowed,)) == []


def test_a_file_that_is_no_wheel_is_named(layer: Layer) -> None:
    layer.add("broken")
    layer.wheels[0].path.write_text("no zip")
    with pytest.raises(FileError, match=r"broken-1.0-py3-none-any\.whl cannot be read as a wheel"):
        layer.told(make_manifest())
