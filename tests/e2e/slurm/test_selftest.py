"""`ebsif selftest` on a login node and in a job of two nodes."""

import pytest

from tests.support.cluster import Account

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]


def test_a_job_is_tried_like_the_login_node_and_its_nodes_find_each_other(user: Account) -> None:
    done = user.run("ebsif --quiet selftest $EBROOTPYTORCH --job -- --nodes=2 --ntasks-per-node=1", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    here, there = done.stdout.split("in a job:\n")
    assert "  warning steps of Slurm: not tried: this is no job" in here
    assert "  ok      steps of Slurm: a task starts on each of 2 nodes, and they reach each other" in there
    assert "what is different" not in there
    assert list(user.folder.glob(".selftest*")) == []
