"""The demo's easyconfigs on bases with the real torch."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.demo import VERSIONS, add_wheels, demo_easyconfig
from tests.support.index import serve
from tests.support.site import Site
from tests.support.wheels import make_wheel
from workbench import easybuild, store, wheels

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


PACKAGES = {
    "venv-torch": "/opt/venv/lib/python3.11/site-packages",
    "conda-torch": "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages",
}

TRAIN = """
import pytorch_lightning as pl, torch
from torch.utils.data import DataLoader, TensorDataset

class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

x = torch.linspace(-1, 1, 64).unsqueeze(1)
model = Line()
trainer = pl.Trainer(max_epochs=30, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                     enable_model_summary=False, accelerator="cpu")
trainer.fit(model, DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16))
print("result", round(model.layer.weight.item(), 1), round(model.layer.bias.item(), 1))
print("from", torch.__file__, pl.__file__)
"""


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site]) -> Site:
    """A place that has all wheels of the easyconfigs, so that nothing needs the network."""
    place = make_site()
    add_wheels(place)
    return place


@pytest.fixture(scope="module", params=list(VERSIONS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def easyconfig(place: Site, kind: str) -> Path:
    """A demo easyconfig with the SHA256 of the image on this machine."""
    return demo_easyconfig(place, kind)


@pytest.fixture(scope="module")
def installed(place: Site, kind: str, easyconfig: Path) -> tuple[Site, str, str]:
    """A demo easyconfig, installed: where, its module, and the folder of the base's packages."""
    done = place.eb(easyconfig)
    assert done.returncode == 0, done.stdout
    return place, f"PyTorch/{VERSIONS[kind]}", PACKAGES[kind]


def test_training_with_torch_of_the_base_and_lightning_of_the_layer(installed: tuple[Site, str, str]) -> None:
    site, module, packages = installed
    (site.folder / "train.py").write_text(TRAIN)
    done = site.login(f"module load {module} && python {site.folder}/train.py", cwd=site.folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "result 3.0 1.0" in lines
    layer = "/user-software/venv/pytorch/lib/python3.11/site-packages"
    assert f"from {packages}/torch/__init__.py {layer}/pytorch_lightning/__init__.py" in lines


@pytest.mark.parametrize(
    "run",
    [
        "torchrun --standalone --nproc-per-node=2",
        "$SIFRUNTIMEPYTORCH exec $SIF torchrun --standalone --nproc-per-node=2",
    ],
)
def test_processes_that_a_command_of_the_base_starts_see_base_and_layer(
    installed: tuple[Site, str, str], run: str
) -> None:
    site, module, _ = installed
    program = (
        "import sys, pytorch_lightning, torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "total = torch.ones(1)\n"
        "dist.all_reduce(total)\n"
        "sys.stdout.write(f'rank {dist.get_rank()} total {int(total)}\\n')\n"
        "dist.destroy_process_group()\n"
        "sys.stdout.flush()\n"
        "import os; os._exit(0)\n"
    )
    (site.folder / "reduce.py").write_text(program)
    env = {"GLOO_SOCKET_IFNAME": "lo"}
    done = site.login(f"module load {module} && {run} {site.folder}/reduce.py", env=env, cwd=site.folder)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["rank 0 total 2", "rank 1 total 2"]


def test_accelerate_launch_sees_base_and_layer(installed: tuple[Site, str, str]) -> None:
    site, module, packages = installed
    (site.folder / "accelerated.py").write_text(
        "import accelerate, pytorch_lightning, torch\n"
        "print(accelerate.Accelerator(cpu=True).device, torch.__file__, pytorch_lightning.__file__)\n"
    )
    options = "--cpu --num_processes=1 --num_machines=1 --mixed_precision=no --dynamo_backend=no"
    run = f"$SIFRUNTIMEPYTORCH exec $SIF accelerate launch {options} accelerated.py"
    done = site.login(f"module load {module} && {run}", cwd=site.folder)
    assert done.returncode == 0, done.stderr
    layer = "/user-software/venv/pytorch/lib/python3.11/site-packages"
    assert done.stdout == f"cpu {packages}/torch/__init__.py {layer}/pytorch_lightning/__init__.py\n"


@pytest.fixture(scope="module")
def vision(place: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Makes a recipe for torchvision, of an index that has it for CUDA, and another one that has it for processors.

    What is for processors is a stand-in: a module that imports torch.
    """
    folder = tmp_path_factory.mktemp("index")
    shutil.copytree(wheels.find(store.cache_root(), "vision"), folder, dirs_exist_ok=True)
    (folder / "other").mkdir()
    files = {"torchvision/__init__.py": "import torch\n__version__ = '0.28.0+cpu'\n"}
    make_wheel(folder / "other", "torchvision", "0.28.0+cpu", files=files, requires=["torch==2.13.0"])
    with serve(folder) as index:

        def recipe(indexes: str) -> Path:
            path = place.folder / f"vision-{indexes}.yml"
            path.write_text(
                f"name: PyTorch\nversion: 2.13.0\nvariant: vision-{indexes}\npackages: [torchvision]\n"
                f"base: {place.machine.bases['venv-torch']}\n"
                + (f"extra_indexes: [{index.other_url}]\n" if indexes == "both" else "")
            )
            done = place.login(f"ebsif generate {path}", env={"PIP_INDEX_URL": index.url})
            assert done.returncode == 0, done.stderr
            (place.folder / f"{indexes}.said").write_text(done.stderr)
            return next(place.folder.glob(f"PyTorch-*-vision-{indexes}.eb"))

        yield recipe


def test_a_package_for_another_torch_is_told_at_generate_and_refused_by_eb(
    place: Site, vision: Callable[[str], Path]
) -> None:
    easyconfig = vision("one")
    told = (place.folder / "one.said").read_text()
    assert "torchvision 0.28.0 (8 MB) is built for torch with CUDA, and the base has torch 2.13.0+cpu: take" in told
    assert "https://download.pytorch.org/whl/cpu" in told
    done = place.eb(easyconfig)
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "torchvision does not work on this image: `import torchvision` fails with RuntimeError: operator" in said


def test_the_build_for_the_torch_of_the_base_installs_and_imports(place: Site, vision: Callable[[str], Path]) -> None:
    easyconfig = vision("both")
    assert "CUDA" not in (place.folder / "both.said").read_text()
    done = place.eb(easyconfig)
    assert done.returncode == 0, done.stdout
    program = "import torchvision; print(torchvision.__version__)"
    run = place.login(f"module load PyTorch/{easyconfig.stem.removeprefix('PyTorch-')} && python -c '{program}'")
    assert run.stdout == "0.28.0+cpu\n", run.stderr


def test_easyconfig_passes_easybuilds_checks(place: Site, easyconfig: Path) -> None:
    done = place.eb("--check-contrib", easyconfig)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    assert "None checksum" not in done.stdout
