"""An installation belongs to one process at a time, and to none that was killed."""

import errno
import fcntl
import os
import signal
import socket
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from easybuild.easyblocks.generic import _installationlock
from easybuild.easyblocks.generic._installationlock import InstallationLock
from easybuild.easyblocks.generic.stagedeasyblock import StagedEasyBlock
from easybuild.framework.easyconfig.easyconfig import EasyConfig
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import update_build_option

from tests.easyblocks.users import folder_for_all


class Process:
    """A process of `eb`, as far as locks are concerned."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = InstallationLock(str(path))

    def begin(self) -> None:
        assert self.lock.take() is None
        self.path.mkdir()

    def end(self) -> None:
        self.path.rmdir()
        self.lock.release()

    def be_killed(self) -> None:
        self.lock.close_holder()


@pytest.fixture(autouse=True)
def configured(configure: Callable[..., None]) -> None:
    configure()


@pytest.fixture
def path() -> Iterator[Path]:
    """Path of EasyBuild's lock."""
    with folder_for_all() as folder:
        yield folder / "locks" / "_software_Demo_[1].lock"


@pytest.fixture
def killed(path: Path) -> Path:
    """Path of EasyBuild's lock, left by a killed process."""
    process = Process(path)
    process.begin()
    process.be_killed()
    return path


@pytest.fixture
def processes(path: Path) -> List[Process]:
    """Processes that make the same installation."""
    return [Process(path) for _ in range(3)]


def holder_of(path: Path, host: str = "") -> Path:
    return path.with_name(path.name + ".holder." + (host or socket.gethostname()))


def test_nothing_is_left_of_a_lock_that_was_given_back(path: Path, processes: List[Process]) -> None:
    processes[0].begin()
    processes[0].end()
    assert list(path.parent.iterdir()) == []


def test_a_running_process_keeps_the_lock_and_is_named(path: Path, processes: List[Process]) -> None:
    processes[0].begin()
    obstacle = processes[1].lock.take()
    assert obstacle == "process %d on this host makes the same installation" % os.getpid()
    assert path.is_dir()


def test_of_two_that_start_after_a_killed_one_both_get_on(killed: Path, processes: List[Process]) -> None:
    first, second, _ = processes
    first.begin()
    assert second.lock.take()
    first.end()
    second.begin()
    second.end()
    assert list(killed.parent.iterdir()) == []


def test_one_that_gave_up_waiting_leaves_what_tells_of_a_killed_one(killed: Path, processes: List[Process]) -> None:
    first, second, third = processes
    first.begin()
    assert second.lock.take()
    first.be_killed()
    third.begin()


@pytest.mark.parametrize("end", [Process.end, Process.be_killed], ids=["ends", "is killed"])
def test_one_that_waits_gets_on_when_the_other(
    end: Callable[[Process], None], processes: List[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: List[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            end(processes[0])

    processes[0].begin()
    monkeypatch.setattr(_installationlock.time, "sleep", sleep)
    update_build_option("wait_on_lock_limit", -1)
    update_build_option("wait_on_lock_interval", 7)
    processes[1].lock.wait()
    assert slept == [7, 7, 7]


@pytest.mark.parametrize(("limit", "naps"), [(0, 0), (20, 3)])
def test_one_waits_no_longer_than_eb_is_told(
    limit: int, naps: int, processes: List[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: List[float] = []
    processes[0].begin()
    monkeypatch.setattr(_installationlock.time, "sleep", slept.append)
    update_build_option("wait_on_lock_limit", limit)
    update_build_option("wait_on_lock_interval", 7)
    with pytest.raises(EasyBuildError, match="makes the same installation"):
        processes[1].lock.wait()
    assert slept == [7] * naps


def test_the_lock_of_a_process_ends_with_it(path: Path, processes: List[Process]) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        processes[0].begin()
        os.write(writing, b"locked")
        signal.pause()
    os.read(reading, 6)
    assert processes[1].lock.take() == "process %d on this host makes the same installation" % child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    processes[1].begin()
    processes[1].end()
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_ends_while_another_process_opens_its_holder(
    processes: List[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def end_first(*arguments: int) -> None:
        monkeypatch.undo()
        processes[0].end()
        flock(*arguments)

    processes[0].begin()
    monkeypatch.setattr(fcntl, "flock", end_first)
    processes[1].begin()
    assert processes[2].lock.take(), "the holder is the one that others find"


# --- what lies there ---


def test_every_user_can_read_whose_the_lock_is(path: Path, processes: List[Process]) -> None:
    umask = os.umask(0o077)
    try:
        processes[0].begin()
    finally:
        os.umask(umask)
    assert holder_of(path).stat().st_mode & 0o777 == 0o644
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert holder_of(path).read_text() == "%d %s\n" % (os.getpid(), boot)


@pytest.mark.parametrize("text", ["no number", "{}", "\x1b[31m", "-1", "1" * 100, "\udcff"])
def test_whatever_a_holder_says_the_kernel_knows_whether_its_process_runs(
    text: str, killed: Path, processes: List[Process]
) -> None:
    holder_of(killed).write_bytes(text.encode("utf-8", "surrogateescape"))
    processes[0].begin()
    assert processes[1].lock.take() == "process %d on this host makes the same installation" % os.getpid()


def test_a_number_that_is_none_is_not_shown(processes: List[Process], path: Path) -> None:
    processes[0].begin()
    holder_of(path).write_text("\x1b[31m")
    assert processes[1].lock.take() == "process (unknown) on this host makes the same installation"


@pytest.mark.parametrize("left", [None, ""], ids=["no holder", "an empty holder"])
def test_a_lock_that_nobody_wrote_down_is_left_alone(left: str, path: Path, processes: List[Process]) -> None:
    path.mkdir(parents=True)
    if left is not None:
        holder_of(path).write_text(left)
    for process in processes:
        assert process.lock.take() == "nothing tells whose it is; if nobody makes the same installation, remove it"
    assert list(path.parent.iterdir()) == [path]


def test_a_process_on_another_host_cannot_be_judged(path: Path, processes: List[Process]) -> None:
    path.mkdir(parents=True)
    holder_of(path, "another").write_text("1\n")
    expected = "a process on another may make the same installation; if none does, remove the lock"
    assert [process.lock.take() for process in processes] == [expected] * 3
    assert sorted(path.parent.iterdir()) == [path, holder_of(path, "another")]


def test_a_process_of_another_host_with_the_same_name_cannot_be_judged(killed: Path, processes: List[Process]) -> None:
    other = "17 0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e\n"
    holder_of(killed).write_text(other)
    for process in processes:
        obstacle = str(process.lock.take())
        assert obstacle.startswith("process 17 of this host, before it was started anew, or of another host of its ")
        assert obstacle.endswith("if it does not, remove the lock")
    assert killed.is_dir()
    assert holder_of(killed).read_text() == other


def test_a_killed_process_on_this_host_does_not_excuse_one_on_another(killed: Path, processes: List[Process]) -> None:
    holder_of(killed, "another").write_text("1\n")
    for process in processes:
        assert "a process on another" in str(process.lock.take())
    assert killed.is_dir()
    assert holder_of(killed).exists()


def test_holders_of_other_hosts_go_when_their_lock_is_gone(path: Path, processes: List[Process]) -> None:
    path.parent.mkdir()
    holder_of(path, "another").write_text("1\n")
    processes[0].begin()
    processes[0].end()
    assert list(path.parent.iterdir()) == []


def make_folder(holder: Path) -> None:
    holder.mkdir()


def make_link(holder: Path) -> None:
    holder.with_name("target").write_text("precious")
    holder.symlink_to("target")


@pytest.mark.parametrize("make", [make_folder, make_link])
def test_a_holder_that_is_no_file_counts_as_alive(
    make: Callable[[Path], None], path: Path, processes: List[Process], capsys: "pytest.CaptureFixture[str]"
) -> None:
    path.mkdir(parents=True)
    make(holder_of(path))
    before = sorted(path.parent.iterdir())
    obstacle = processes[0].lock.take()
    assert obstacle is not None
    assert obstacle.startswith("whether its process still runs cannot be found out (")
    assert obstacle.endswith("); if it does not, remove the lock")
    path.rmdir()
    processes[0].begin()
    processes[0].end()
    assert capsys.readouterr().err.count("if this installation is killed, remove the lock %s yourself" % path) == 1
    path.mkdir()
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF])
def test_on_a_file_system_without_locks_easybuilds_lock_alone_counts(
    number: int, processes: List[Process], monkeypatch: pytest.MonkeyPatch, capsys: "pytest.CaptureFixture[str]"
) -> None:
    def flock(*arguments: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    processes[0].begin()
    assert os.strerror(number) in capsys.readouterr().err
    assert os.strerror(number) in str(processes[1].lock.take())
    processes[0].end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
@pytest.mark.parametrize(("mode", "gets_on"), [(0o644, True), (0o600, False)])
def test_a_killed_process_of_another_user(mode: int, gets_on: bool, killed: Path, processes: List[Process]) -> None:
    holder_of(killed).chmod(mode)
    killed.parent.chmod(0o777)
    os.seteuid(65534)
    try:
        obstacle = processes[0].lock.take()
    finally:
        os.seteuid(0)
    assert (obstacle is None) == gets_on
    assert killed.exists() != gets_on
    assert gets_on or "Permission denied" in str(obstacle)


# --- the easyblock ---


@pytest.fixture
def easyblock(tmp_path: Path, configure: Callable[..., None]) -> StagedEasyBlock:
    path = tmp_path / "demo.eb"
    path.write_text(
        "easyblock = 'StagedEasyBlock'\nname = 'demo'\nversion = '1.0'\nhomepage = 'https://example.org'\n"
        "description = 'A demo'\ntoolchain = SYSTEM\nsources = []\n"
    )
    return StagedEasyBlock(EasyConfig(str(path)))


def test_only_fetching_leaves_a_running_installation_alone(easyblock: StagedEasyBlock) -> None:
    growing = Path(easyblock.sibling("new"))
    growing.mkdir(parents=True)
    easyblock.cfg["stop"] = "fetch"
    update_build_option("ignore_locks", True)
    easyblock.run_all_steps(run_test_cases=False)
    assert growing.exists()


def test_a_failed_installation_gives_the_lock_back(
    easyblock: StagedEasyBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise EasyBuildError("on purpose")

    monkeypatch.setattr(easyblock, "fetch_step", fail)
    with pytest.raises(EasyBuildError, match="on purpose"):
        easyblock.run_all_steps(run_test_cases=False)
    assert list((tmp_path / "software" / ".locks").iterdir()) == []
