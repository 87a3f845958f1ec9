"""An installation that fails, or is killed, leaves what was there before, and the next one succeeds."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.site import HANGS, Site
from tests.support.versions import every_easybuild, newest_easybuild
from tests.support.wheels import Wheel, make_wheel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    site = make_site()
    site.install("venv", layer)
    return site


@newest_easybuild
def test_a_failed_rebuild_keeps_the_old_installation(installed: Site, layer: list[Wheel]) -> None:
    done = installed.eb(installed.write("venv", layer, commands=["no-such-command"], start_with="run"), "--rebuild")
    assert done.returncode != 0
    assert "the command no-such-command is neither in the image nor in the layer" in done.stdout
    assert installed.leftovers() == ["1.0-venv"]
    assert installed.output("venv", "hello") == "hello []\n"


# Functions that EasyBuild calls, by what there is when it is killed in them.
ONLY_THE_LOCK = "pre_fetch_hook"
GROWING = "pre_postproc_hook"
COMPLETE = "pre_module_hook"
IN_ITS_PLACE = "post_module_hook"


@newest_easybuild
def test_killed_when_there_is_only_the_lock(installed: Site, layer: list[Wheel]) -> None:
    """Then the module works, and the next `eb` succeeds."""
    kill_eb(installed, installed.write("venv", layer), ONLY_THE_LOCK)
    assert installed.output("venv", "hello") == "hello []\n"
    the_next_eb_succeeds(installed)


@every_easybuild
@pytest.mark.parametrize("hook", [GROWING, IN_ITS_PLACE], ids=["growing", "in its place"])
def test_killed_when_the_new_installation_is(hook: str, installed: Site, layer: list[Wheel]) -> None:
    """Then the module works, and the next `eb` succeeds."""
    kill_eb(installed, installed.write("venv", layer), hook)
    assert installed.output("venv", "hello") == "hello []\n"
    the_next_eb_succeeds(installed)


@newest_easybuild
def test_killed_when_the_old_installation_is_away_and_the_new_one_is_not_there(
    installed: Site, layer: list[Wheel]
) -> None:
    # A file system that cannot exchange folders needs two renames.
    kill_eb(installed, installed.write("venv", layer), COMPLETE, "rename = os.rename",
            "os.rename = lambda *paths: (rename(*paths), os.kill(os.getpid(), signal.SIGKILL))",
            "from easybuild.easyblocks.generic import stagedeasyblock",
            "stagedeasyblock.RENAME_EXCHANGE = 1 << 20")  # fmt: skip
    assert installed.leftovers() == [".1.0-venv.new", ".1.0-venv.old"]
    the_next_eb_succeeds(installed)


def kill_eb(site: Site, easyconfig: Path, hook: str, *lines: str) -> None:
    """Install, and kill EasyBuild when it calls a hook, or by what the lines do there."""
    body = "".join(f"    {line}\n" for line in lines or ["os.kill(os.getpid(), signal.SIGKILL)"])
    hooks = site.folder / "hooks.py"
    hooks.write_text(f"import os\nimport signal\n\n\ndef {hook}(*args, **kwargs):\n{body}")
    done = site.eb(easyconfig, "--rebuild", "--hooks", hooks)
    assert done.returncode == -signal.SIGKILL, done.stdout


def the_next_eb_succeeds(site: Site) -> None:
    done = site.eb(site.easyconfig("venv"), "--rebuild")
    assert done.returncode == 0, done.stdout
    assert site.output("venv", "hello") == "hello []\n"
    assert site.leftovers() == [".1.0-venv.old", "1.0-venv"]


def test_of_two_eb_that_start_after_a_killed_one_both_succeed(site: Site, layer: list[Wheel]) -> None:
    kill_eb(site, site.write("venv", layer), GROWING)
    with start_eb(site) as one, start_eb(site) as other:
        printed = [process.communicate(timeout=HANGS)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], "\n".join(printed)
    assert sum("removing the lock of an installation that was killed" in text for text in printed) == 1
    assert site.output("venv", "hello") == "hello []\n"
    assert site.leftovers() == [".1.0-venv.old", "1.0-venv"]
    assert list((site.folder / "software" / ".locks").iterdir()) == []


def start_eb(site: Site) -> "subprocess.Popen[str]":
    """Start an installation that waits for as long as another makes the same one."""
    patient = "--wait-on-lock-limit=-1 --wait-on-lock-interval=1"
    arguments = site.machine.login_arguments(
        f"exec eb {site.easyconfig('venv')} --rebuild {patient}",
        env=site.settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return subprocess.Popen(**arguments)


def test_a_full_disk_while_packing(site: Site, pip_wheel: Wheel, wheelhouse: Path, tmp_path: Path) -> None:
    noise = os.urandom(3_000_000).hex()
    big = make_wheel(wheelhouse, "big", files={"big.txt": noise})
    easyconfig = site.write("venv", [pip_wheel, big])
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=62m", "tmpfs", disk], check=True)
    try:
        done = site.eb(easyconfig, "--rebuild", "--installpath", disk)
        assert done.returncode != 0
        assert "No space left on device" in done.stdout
        assert list((disk / "software" / "Demo").iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
