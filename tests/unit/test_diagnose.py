"""`diagnose`: tasks on this machine find each other, and what does not answer is named."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "runscripts" / "diagnose"
# Seconds for each part, where somebody never comes.
SHORT = "(0.5, 5, 5, 5)"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def diagnose() -> ModuleType:
    loader = SourceFileLoader("diagnose", str(SCRIPT))
    spec = spec_from_loader("diagnose", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


@pytest.fixture
def start(diagnose: ModuleType) -> Start:
    """Start a task of a step with two tasks on each of n1, n2, …; its Python has no packages."""
    port = diagnose.free_port()

    def start_task(rank: int, world: int, *, limits: str | None = None) -> "subprocess.Popen[str]":
        env = {
            "PATH": "/nowhere",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(rank),
            "WORLD_SIZE": str(world),
            "LOCAL_RANK": str(rank % 2),
            "ROCR_VISIBLE_DEVICES": "0,1",
            "SLURM_JOB_ID": "7",
            "SLURM_STEP_ID": "0",
            "SLURM_NODEID": str(rank // 2),
            "SLURM_LOCALID": str(rank % 2),
            "SLURM_STEP_NODELIST": "127.0.0.[1-2]",
            "SLURMD_NODENAME": f"127.0.0.{rank // 2 + 1}",
        }
        source = f"import os, runpy, sys; found = runpy.run_path({str(SCRIPT)!r})\n"
        source += f"sys.exit(bool(found['diagnose'](os.environ, {limits})))"
        command = ["-c", source] if limits else [str(SCRIPT), "--as-task"]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", *command],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_task


def said(process: "subprocess.Popen[str]") -> tuple[str, str, int]:
    out, err = process.communicate(timeout=60)
    return out, err, process.returncode


def test_tasks_of_two_nodes_find_each_other_and_are_shown(start: Start, diagnose: ModuleType) -> None:
    (out, err, status), *others = [said(task) for task in [start(rank, 4) for rank in range(4)]]
    assert (err, status) == ("", 0)
    assert others == [("", "", 0)] * 3
    cpus = diagnose.ranges(os.sched_getaffinity(0))
    heading, *rows = out.splitlines()
    assert heading.split() == ["task", "node", "network", "LOCAL_RANK", "processors", "visible", "GPUs"]
    assert [row.split() for row in rows[:4]] == [
        ["0", "127.0.0.1", "lo", "0", cpus, "0,1"],
        ["1", "127.0.0.1", "lo", "1", cpus, "0,1"],
        ["2", "127.0.0.2", "lo", "0", cpus, "0,1"],
        ["3", "127.0.0.2", "lo", "1", cpus, "0,1"],
    ]
    assert rows[-2:] == ["torch was not tried", "nothing is wrong between 4 tasks on 2 nodes"]


def test_tasks_that_never_come_are_named_with_their_node(start: Start) -> None:
    out, _, status = said(start(0, 4, limits=SHORT))
    assert status == 1
    assert out.splitlines()[-1] == "tasks 1-3 did not answer; no task of 127.0.0.2 has"


def test_a_task_that_goes_away_and_a_stranger_are_left_out(diagnose: ModuleType) -> None:
    port = diagnose.free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        clients = []
        for hello in ('["1.0", 1]\n', "GET / HTTP/1.0\r\n", '["2.0", 2]\n'):
            client = socket.create_connection(server.getsockname())
            client.sendall(hello.encode())
            client.shutdown(socket.SHUT_WR)
            clients.append(client)

        def listening(*_: object, **__: object) -> socket.socket:
            return server.dup()

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(diagnose.socket, "create_server", listening)
            meeting = diagnose.Meeting(0, 3, "127.0.0.1", port, "1.0", 0.5)
            assert sorted(meeting.files) == [1]
            assert meeting.exchange("here", 1) == {0: "here"}
        for client in clients:
            client.close()


def test_a_port_that_is_taken_is_named(diagnose: ModuleType) -> None:
    expected = r"port \d+ cannot be used here \(.*\): set MASTER_PORT to another"
    with socket.create_server(("", 0)) as taken, pytest.raises(diagnose.Trouble, match=expected):
        diagnose.Meeting(0, 2, "127.0.0.1", taken.getsockname()[1], "1.0", 1)


def test_a_node_that_cannot_be_reached_is_named_with_the_one_that_tried(diagnose: ModuleType) -> None:
    closed = diagnose.free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        others = [("127.0.0.1", server.getsockname()[1]), ("127.0.0.1", closed)]
        found = diagnose.broken_links("n1", others)
    assert found == [f"n1: no connection to port {closed} of 127.0.0.1 (Connection refused)"]


def test_a_name_without_address_is_named_at_once(diagnose: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> socket.socket:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(diagnose.socket, "create_connection", fail)
    with pytest.raises(diagnose.Trouble, match="the name nid9 has no address here"):
        diagnose.Meeting(1, 2, "nid9", 29500, "1.0", 60)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("n1", ["n1"]),
        ("nid[001-003,007],gpu1", ["nid001", "nid002", "nid003", "nid007", "gpu1"]),
        ("a[1-2]b[3-4]", ["a1b3", "a1b4", "a2b3", "a2b4"]),
        ("nid[099-101]-hsn", ["nid099-hsn", "nid100-hsn", "nid101-hsn"]),
    ],
)
def test_lists_of_nodes_are_read(diagnose: ModuleType, text: str, names: list[str]) -> None:
    assert diagnose.hosts(text) == names


def test_numbers_are_written_as_ranges(diagnose: ModuleType) -> None:
    assert diagnose.ranges({9, 1, 3, 2, 12, 13}) == "1-3,9,12-13"


def test_it_runs_as_programs_do(tmp_path: Path) -> None:
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "python-distributed").write_text('#!/bin/bash\necho "$@"\n')
    (tmp_path / "python-distributed").chmod(0o755)
    done = subprocess.run([sys.executable, tmp_path / "diagnose"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}/diagnose --as-task\n"
