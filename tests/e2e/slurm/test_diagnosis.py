"""`diagnose` on a real Slurm of two nodes: where all is well, and where a node cannot be reached."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.cluster import Account

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

PORT = "29999"
# Task 1 does not come to the others.
HANG = "if ((SLURM_PROCID == 1)); then sleep 1000; else exec diagnose; fi"


def rows(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


@contextmanager
def dropped(user: Account, port: str) -> Iterator[None]:
    """Drop the answers from a port of the first node, as a firewall does."""
    first, _ = user.cluster.nodes
    rule = ["from", "198.51.100.2", "ipproto", "tcp", "sport", port, "blackhole"]

    def change(verb: str) -> None:
        user.cluster.machine.run(["srun", "-w", first, "ip", "rule", verb, *rule], check=True)

    change("add")
    yield
    change("del")


@pytest.fixture(scope="module")
def vain(user: Account) -> dict[str, "subprocess.CompletedProcess[str]"]:
    """What comes of steps of two tasks that wait for each other in vain, at the same time for as long as they wait."""
    steps = {
        "blocked": f"env MASTER_PORT={PORT} srun -N2 -n2 diagnose",
        "hanging": f"srun --kill-on-bad-exit=1 -N2 -n2 bash -c '{HANG}'",
    }
    with dropped(user, PORT):
        running = {name: subprocess.Popen(**user.arguments(f"exec {step}")) for name, step in steps.items()}
        said = {name: process.communicate(timeout=100) for name, process in running.items()}
    return {
        name: subprocess.CompletedProcess(steps[name], process.returncode, *said[name])
        for name, process in running.items()
    }


def test_where_all_is_well_each_task_is_shown_and_torch_adds(user: Account) -> None:
    first, second = user.cluster.nodes
    done = user.run("srun -N2 -n4 --gpus-per-node=2 diagnose")
    heading, *tasks = rows(done.stdout)
    assert heading == ["task", "node", "network", "LOCAL_RANK", "processors", "visible", "GPUs"]
    assert tasks[:4] == [
        ["0", first, "hsn0", "0", "0", "0,1"],
        ["1", first, "hsn0", "1", "1", "0,1"],
        ["2", second, "hsn0", "0", "0", "0,1"],
        ["3", second, "hsn0", "1", "1", "0,1"],
    ]
    assert "torch adds over gloo\nnothing is wrong between 4 tasks on 2 nodes\n" in done.stdout
    assert done.returncode == 0


def test_a_node_whose_name_another_does_not_know_is_named_at_once(user: Account) -> None:
    first, second = user.cluster.nodes
    (user.folder / "hosts").write_text(f"127.0.0.1 localhost\n198.51.100.2 {first}\n")
    done = user.run("APPTAINER_BIND=$PWD/hosts:/etc/hosts srun -N2 -n4 diagnose", timeout=30)
    assert f"{first}: the name {second} has no address here" in done.stdout
    assert done.returncode == 1


def test_a_node_that_does_not_get_through_is_named_on_both_sides(
    user: Account, vain: dict[str, "subprocess.CompletedProcess[str]"]
) -> None:
    first, second = user.cluster.nodes
    done = vain["blocked"]
    assert f"task 1 did not answer; no task of {second} has\n" in done.stdout
    assert f"task 1 on {second}: no connection to port {PORT} of {first} (timed out)" in done.stderr
    assert done.returncode == 1


def test_a_task_that_never_comes_is_named(user: Account, vain: dict[str, "subprocess.CompletedProcess[str]"]) -> None:
    done = vain["hanging"]
    assert f"task 1 did not answer; no task of {user.cluster.nodes[1]} has\n" in done.stdout
    assert done.returncode != 0
