"""What comes for images of LUMI works where nobody has looked into them, and freezing completes it.

The images are not at hand: the demo's conda base stands in under the name of one. It has no torchrun and another
Python, so that the list of commands is shortened.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from tests.support.easyconfigs import HOOK_VALUE
from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e

VERSION = "2.4.1-rocm-6.1.3-python-3.12-singularity-20241125"
IMAGE = "lumi-pytorch-rocm-6.1.3-python-3.12-pytorch-v2.4.1-dockerhash-64804c7ab71a.sif"
SHIPPED = Path(__file__).parents[2] / "easyconfigs" / "p" / "PyTorch" / f"PyTorch-{VERSION}.eb"


@pytest.fixture(scope="module")
def lumi(make_site: Callable[..., Site]) -> Site:
    """A place with the folder of a stand-in, and the easyconfig and recipe that come for it."""
    site = make_site()
    folder = site.folder / "containers" / "easybuild-sif-images"
    folder.mkdir(parents=True)
    shutil.copy(site.machine.bases["conda"], folder / IMAGE)
    text = re.sub(r"^commands = .*$", "commands = ['python3']", SHIPPED.read_text(), flags=re.MULTILINE)
    (site.folder / SHIPPED.name).write_text(text)
    recipe, _, _ = SHIPPED.with_suffix(".yml").read_text().partition("commands:")
    (site.folder / SHIPPED.with_suffix(".yml").name).write_text(f"{recipe}commands: [python3]\n")
    return site


def login(site: Site, script: str) -> str:
    env = {"LUMI_CONTAINER_REPOSITORY_ROOT": str(site.folder / "containers")}
    done = site.login(f"set -e\n{script}", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_easyconfig_installs_and_its_user_fills_the_layer(lumi: Site, hello_wheel: Wheel) -> None:
    easyconfig = lumi.folder / SHIPPED.name
    assert read_easyconfig(easyconfig).parameters["checksums"] == [None]
    login(lumi, f"eb {easyconfig}")
    out = login(
        lumi,
        f"""
        module load PyTorch/{VERSION}
        python -c 'import os; print(os.environ["DEMO_HOOK_VALUE"]); print(os.environ["CONDA_PREFIX"])'
        pip install --quiet --no-index {hello_wheel.path}
        make-squashfs > /dev/null
        rm -r $CONTAINERROOT/user-software
        module unload PyTorch
        module load PyTorch/{VERSION}
        python -c 'import hello; print(hello.__file__)'
        """,
    )
    assert out.splitlines() == [
        HOOK_VALUE,
        "/opt/miniconda3/envs/pytorch",
        "/user-software/venv/pytorch/lib/python3.11/site-packages/hello.py",
    ]


def test_generating_where_the_image_is_completes_the_easyconfig(lumi: Site) -> None:
    recipe = lumi.folder / SHIPPED.with_suffix(".yml").name
    out = login(lumi, f"ebsif freeze --site lumi {lumi.machine.bases['venv']} && ebsif generate {recipe}")
    assert out.splitlines()[-1] == f"{lumi.folder / SHIPPED.name}: written"
    found = read_easyconfig(lumi.folder / SHIPPED.name).parameters
    assert re.fullmatch("[0-9a-f]{64}", found["checksums"][0])
    assert found["activation_env"]["DEMO_HOOK_VALUE"] == HOOK_VALUE
    assert (lumi.folder / "containers" / "easybuild-sif-images" / lumi.machine.bases["venv"].name).exists()
