"""A lock belongs to a process that may be gone."""

import os
import subprocess

from easybuild.easyblocks.generic.stagedeasyblock import is_gone, process_identity


def test_a_running_process_is_not_gone() -> None:
    assert not is_gone(process_identity(os.getpid()))


def test_a_process_that_has_ended_is_gone() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        owner = process_identity(process.pid)
        assert not is_gone(owner)
    assert is_gone(owner)


def test_a_later_process_with_the_same_number_is_another_one() -> None:
    assert is_gone(process_identity(os.getpid()) | {"started": "1"})


def test_a_process_before_the_last_boot_is_gone() -> None:
    assert is_gone(process_identity(os.getpid()) | {"boot": "another"})


def test_a_process_of_another_host_cannot_be_judged() -> None:
    assert not is_gone(process_identity(os.getpid()) | {"host": "another", "pid": 999999999})
