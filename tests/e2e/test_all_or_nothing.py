"""An installation that fails, or is killed, leaves what was there before, and the next one succeeds."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.site import HANGS, Site
from tests.support.wheels import Wheel, make_wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    site = make_site()
    site.install("venv", layer)
    return site


def test_a_failed_rebuild_keeps_the_old_installation(installed: Site, layer: list[Wheel]) -> None:
    done = installed.eb(installed.write("venv", layer, commands=["no-such-command"]), "--rebuild")
    assert done.returncode != 0
    assert installed.leftovers() == ["1.0-venv"]
    assert installed.output("venv", "hello") == "hello []\n"


# What EasyBuild prints when it begins each step.
STEPS = [
    "building and installing", "fetching files", "configuring", "building...", "installing", "taking care",
    "postprocessing", "sanity", "creating",
]  # fmt: skip
# Enough for the other versions of EasyBuild: while the new installation grows, and when it takes its place.
REPRESENTATIVE = ["installing", "creating"]


@pytest.mark.parametrize(
    ("version", "step"),
    [(version, step) for version in easybuild.VERSIONS
     for step in (STEPS if version == easybuild.DEFAULT else REPRESENTATIVE)],
    indirect=["version"],
)  # fmt: skip
def test_killed_in_any_step_the_old_module_works_and_the_next_eb_succeeds(
    installed: Site, layer: list[Wheel], step: str
) -> None:
    easyconfig = installed.write("venv", layer)
    kill_eb(installed, easyconfig, step)
    assert installed.output("venv", "hello") == "hello []\n"
    done = installed.eb(easyconfig, "--rebuild")
    assert done.returncode == 0, done.stdout
    assert installed.output("venv", "hello") == "hello []\n"
    assert installed.leftovers() == ["1.0-venv"]


def kill_eb(site: Site, easyconfig: Path, step: str) -> None:
    """Install, and kill EasyBuild when it begins a step."""
    with start_eb(site, easyconfig) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith(f"== {step}"):
                os.killpg(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL, "".join(seen)


def start_eb(site: Site, easyconfig: Path, options: str = "") -> "subprocess.Popen[str]":
    arguments = site.machine.login_arguments(
        f"exec eb {easyconfig} --rebuild --trace {options}",
        env=site.settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    return subprocess.Popen(**arguments)


def test_of_two_eb_that_start_after_a_killed_one_both_succeed(installed: Site, layer: list[Wheel]) -> None:
    easyconfig = installed.write("venv", layer)
    kill_eb(installed, easyconfig, "installing")
    patient = "--wait-on-lock-limit=-1 --wait-on-lock-interval=1"
    with start_eb(installed, easyconfig, patient) as one, start_eb(installed, easyconfig, patient) as other:
        printed = [process.communicate(timeout=HANGS)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], "\n".join(printed)
    assert sum("removing the lock of an installation that was killed" in text for text in printed) == 1
    assert installed.output("venv", "hello") == "hello []\n"
    assert installed.leftovers() == ["1.0-venv"]
    assert list((installed.folder / "software" / ".locks").iterdir()) == []


def test_a_full_disk_while_packing(installed: Site, pip_wheel: Wheel, wheelhouse: Path, tmp_path: Path) -> None:
    noise = os.urandom(3_000_000).hex()
    big = make_wheel(wheelhouse, "big", files={"big.txt": noise})
    easyconfig = installed.write("venv", [pip_wheel, big])
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=62m", "tmpfs", disk], check=True)
    try:
        done = installed.eb(easyconfig, "--rebuild", "--installpath", disk)
        assert done.returncode != 0
        assert "No space left on device" in done.stdout
        assert list((disk / "software" / "Demo").iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
