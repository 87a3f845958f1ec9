"""Fixtures that all tests share."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

import workbench
from tests.support.conda import Channel, make_channel
from tests.support.download import fetch_wheel
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import easybuild
from workbench.machine import ToolName

# How long an example takes says nothing on a machine that has other work, too.
hypothesis.settings.register_profile("ebsif", deadline=None)
hypothesis.settings.load_profile("ebsif")

PIP = (
    "pip==26.3 --hash=sha256:f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
    "pip-26.3-py3-none-any.whl",
)


def pytest_report_header() -> str | None:
    """Say which tests are left out."""
    return None if os.geteuid() == 0 else "left out: the tests with a Slurm (-m cluster), which only root can start"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this user cannot run."""
    left_out = [item for item in items if os.geteuid() != 0 and item.get_closest_marker("cluster")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def machine() -> workbench.Machine:
    return workbench.prepared()


@pytest.fixture(scope="session")
def wheelhouse(machine: workbench.Machine) -> Iterator[Path]:
    """A folder that every user can read, with pip's wheel."""
    with tempfile.TemporaryDirectory(prefix="ebsif-wheels-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        fetch_wheel(PIP[1], PIP[0], folder)
        yield folder


@pytest.fixture(scope="session")
def pip_wheel(wheelhouse: Path) -> Wheel:
    return Wheel("pip", "26.3", wheelhouse / PIP[1])


@pytest.fixture(scope="session")
def hello_wheel(wheelhouse: Path) -> Wheel:
    """A package with a command, `hello`, that prints its arguments."""
    text = "import sys\n\ndef main():\n    print('hello', sys.argv[1:])\n"
    return make_wheel(wheelhouse, "hello", files={"hello.py": text}, commands={"hello": "hello:main"})


@pytest.fixture(scope="session")
def layer(pip_wheel: Wheel, hello_wheel: Wheel) -> list[Wheel]:
    """A small layer."""
    return [pip_wheel, hello_wheel]


@pytest.fixture(scope="session")
def channel(machine: workbench.Machine) -> Iterator[Channel]:
    """A conda channel that every user can read; a test that changes it makes a copy."""
    with tempfile.TemporaryDirectory(prefix="ebsif-channel-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield make_channel(folder, machine)


@pytest.fixture(scope="module")
def version(request: pytest.FixtureRequest) -> str:
    """Version of EasyBuild: the newest. Tests whose subject is EasyBuild itself are parametrized with all versions."""
    return str(getattr(request, "param", easybuild.DEFAULT))


@pytest.fixture(scope="session")
def sites(machine: workbench.Machine, wheelhouse: Path) -> Iterator[Callable[..., Site]]:
    """Make places to install into, for as long as the session runs."""
    with making_sites(machine, wheelhouse) as make:
        yield make


# Not for the session: it would outlive a module that has a version of its own, and be used with that in the next.
@pytest.fixture(scope="module")
def make_site(machine: workbench.Machine, wheelhouse: Path, version: str) -> Iterator[Callable[..., Site]]:
    """Make places to install into; each is removed at the end."""
    with making_sites(machine, wheelhouse, version) as make:
        yield make


@contextmanager
def making_sites(
    machine: workbench.Machine, wheelhouse: Path, version: str = easybuild.DEFAULT
) -> Iterator[Callable[..., Site]]:
    """Make places to install into, all in one folder; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="ebsif-") as top:
        Path(top).chmod(0o755)

        def make(*, tool: ToolName = "Lmod", user: str | None = None, name: str = "site") -> Site:
            above = Path(tempfile.mkdtemp(dir=top))
            above.chmod(0o755)
            folder = above / name
            folder.mkdir()
            (folder / "home").mkdir()
            (folder / "sources").mkdir()
            for wheel in wheelhouse.glob("*.whl"):
                shutil.copy(wheel, folder / "sources")
            if user is not None:
                account = pwd.getpwnam(user)
                for path in [folder, *folder.rglob("*")]:
                    os.chown(path, account.pw_uid, account.pw_gid)
            return Site(machine, folder, tool, user, version)

        yield make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A new place to install into, with Lmod."""
    return make_site()
