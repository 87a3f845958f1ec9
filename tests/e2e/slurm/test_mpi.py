"""Programs that find their ranks by the MPI of the machine, which a feature of its site brings into the container."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from tests.support.cluster import Account, Cluster
from tests.support.generator import make_desk, module_of
from tests.support.site import Site
from tests.support.training import END, TELL
from tests.support.wheels import Wheel
from workbench import Machine, store, wheels
from workbench.prepare import MPI

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

SITE = """\
name: here
description: a cluster whose MPI is Debian's MPICH
frozen_images: [$EBSIF_IMAGES]
features: {mpi: features/mpich.yml}
"""
# MPICH 4.0 over UCX hangs in MPI_Finalize now and then, in a container or not: the program ends without it.
PROGRAM = f"""{TELL}
import socket, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
total = world.allreduce(2**world.Get_rank())
(library,) = {{line.split()[-1] for line in open("/proc/self/maps") if "/libmpi" in line}}
tell("rank", world.Get_rank(), world.Get_size(), socket.gethostname(), total, library)
{END}"""
RANK = re.compile(r"^rank (\d+) (\d+) (\S+) (\d+) (\S+)$", re.MULTILINE)
ALONE = "mpi4py: this step has 4 tasks, and each is alone, rank 0 of 1: start it with `srun --mpi=pmi2`"


class Rank(NamedTuple):
    """What a task of the program prints."""

    number: str
    size: str
    host: str
    total: str
    library: str


def ranks(output: str) -> list[Rank]:
    found = sorted(Rank(*words) for words in RANK.findall(output))
    assert found, output
    return found


@pytest.fixture(scope="module")
def mpi(machine: Machine, sites: Callable[..., Site], slurm: Cluster, pip_wheel: Wheel) -> Account:
    """The unprivileged user, with a module of mpi4py on an image without MPI."""
    desk = make_desk(sites, pip_wheel, user=machine.user)
    (desk.recipes / "features").mkdir()
    (desk.recipes / "site.yml").write_text(SITE)
    (desk.recipes / "features" / "mpich.yml").write_text(desk.run("feature", MPI))
    (path,) = wheels.find(store.cache_root(), "mpi").glob("*.whl")
    base = desk.freeze(machine.bases["venv"])
    mpi4py = desk.require(Wheel("mpi4py", path.name.split("-")[1], path))
    recipe = desk.new(base, "--site", "site.yml", "-r", mpi4py)
    recipe.write_text(recipe.read_text() + "features: [mpi]\n")
    desk.run("generate", recipe)
    desk.eb(recipe.with_suffix(".eb"))
    (desk.site.folder / "mpi.py").write_text(PROGRAM)
    return Account(slurm, replace(desk.site, machine=slurm.machine), module_of(recipe.with_suffix(".eb")))


@pytest.mark.parametrize("srun", ["srun --mpi=pmi2", "SLURM_MPI_TYPE=pmi2 srun"])
@pytest.mark.parametrize("who", ["user", "root"])
def test_tasks_on_two_nodes_are_one_world_of_the_hosts_mpi(mpi: Account, who: str, srun: str) -> None:
    account = mpi if who == "user" else replace(mpi, site=mpi.site.using(user=None))
    four = ranks(account.output(f"{srun} -N2 -n4 python mpi.py"))
    first, second = mpi.cluster.nodes
    assert [(rank.number, rank.host) for rank in four] == [("0", first), ("1", first), ("2", second), ("3", second)]
    assert {(rank.size, rank.total, rank.library) for rank in four} == {("4", "15", "/ebsif/mpi/libmpi.so.12")}


def test_without_the_module_they_are_one_world_too(mpi: Account) -> None:
    four = ranks(mpi.output("bin=$CONTAINERROOT/bin; module purge; srun --mpi=pmi2 -N2 -n4 $bin/python mpi.py"))
    assert {(rank.size, rank.total) for rank in four} == {("4", "15")}


def test_tasks_that_are_each_alone_say_so_once(mpi: Account) -> None:
    done = mpi.run("srun --quiet -N2 -n4 python mpi.py")
    assert [(rank.number, rank.size) for rank in ranks(done.stdout)] == [("0", "1")] * 4
    assert done.stderr.count(ALONE) == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("start", ["", "srun --quiet -n1 "], ids=["no step", "one task"])
def test_a_program_that_is_meant_to_be_alone_says_nothing(mpi: Account, start: str) -> None:
    done = mpi.run(f"{start}python mpi.py")
    assert [rank.size for rank in ranks(done.stdout)] == ["1"]
    assert done.stderr == ""


def test_an_image_without_mpi_is_no_silent_one_where_nothing_brings_it(mpi: Account) -> None:
    done = mpi.run("unset APPTAINERENV_LD_LIBRARY_PATH; srun --mpi=pmi2 -N2 -n4 python mpi.py")
    assert done.returncode != 0
    assert done.stderr.count("cannot load MPI library") == 4
