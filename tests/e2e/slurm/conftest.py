"""A real Slurm of two nodes, and the demo's module on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.support.cluster import Account, Cluster, cluster
from tests.support.demo import VERSIONS, add_wheels, demo_easyconfig
from tests.support.site import Site
from tests.support.training import TRAIN
from workbench import Machine

BASE = "venv-torch"
# What is added to the demo's recipe, as a site may say it.
CACHE = """
start_env:
  DEMO_CACHE: /tmp/${USER}-cache-${SLURM_JOB_ID:-none}
start_folders: [DEMO_CACHE]
"""
# The processors near the two GPUs of a node.
NEAR = "distributed = {'cpu_masks': ['0x2', '0x1']}\n"


@pytest.fixture(scope="session")
def place(sites: Callable[..., Site], machine: Machine) -> Site:
    """A place of the unprivileged user with the demo's module, and `train.py`."""
    place = sites(user=machine.user)
    add_wheels(place)
    easyconfig = demo_easyconfig(place, BASE, CACHE)
    easyconfig.write_text(easyconfig.read_text() + NEAR)
    done = place.eb(easyconfig)
    assert done.returncode == 0, done.stdout
    (place.folder / "train.py").write_text(TRAIN)
    return place


@pytest.fixture(scope="session")
def slurm(place: Site, machine: Machine) -> Iterator[Cluster]:
    """The cluster, whose nodes see all places of the session."""
    with cluster(machine, place.folder.parents[1]) as running:
        yield running


@pytest.fixture(scope="session")
def user(place: Site, slurm: Cluster) -> Account:
    """The unprivileged user, whose layer is mounted by FUSE."""
    return Account(slurm, replace(place, machine=slurm.machine), f"PyTorch/{VERSIONS[BASE]}")


@pytest.fixture(params=["user", "root"])
def anyone(request: pytest.FixtureRequest, user: Account) -> Account:
    """The unprivileged user, and root, whose layer the kernel mounts."""
    return user if request.param == "user" else replace(user, site=user.site.using(user=None))
