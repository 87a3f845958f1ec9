"""A kernel for Jupyter: its specification names the command of an installation, and no module is loaded."""

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from tests.support.jupyter import CellError, Kernel, Server, running
from tests.support.site import HANGS, Site
from tests.support.wheels import Wheel
from workbench import store, wheels

pytestmark = pytest.mark.e2e


def wheel(path: Path) -> Wheel:
    name, version, *_ = path.name.split("-")
    return Wheel(name, version, path)


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation whose layer has ipykernel, and the specification of its kernel by `ebsif kernel`."""
    place = make_site()
    kernel = [wheel(path) for path in wheels.find(store.cache_root(), "kernel").iterdir()]
    place.install("venv", [*layer, *kernel])
    where = ["--name", "demo", "--display-name", "Demo's $(own)", "--prefix", str(place.folder)]
    place.machine.run(["ebsif", "kernel", place.installation("venv"), *where], check=True)
    return place


@pytest.fixture(scope="module")
def server(place: Site) -> Iterator[Server]:
    """A Jupyter server on the host."""
    with running(place.folder / "jupyter", place.folder) as server:
        yield server


@pytest.fixture
def kernel(server: Server) -> Iterator[Kernel]:
    with server.kernel("demo") as kernel:
        yield kernel


def process_of(kernel: Kernel) -> int:
    """Return what can be waited for until the kernel has ended."""
    return os.pidfd_open(int(kernel.run("import os; print(os.getpid())")))


def has_ended(process: int) -> bool:
    return bool(select.select([process], [], [], HANGS)[0])


def test_the_server_shows_the_kernel(server: Server) -> None:
    assert server.ask("kernelspecs/demo")["spec"]["display_name"] == "Demo's $(own)"


def test_a_cell_imports_packages_of_base_and_layer(kernel: Kernel) -> None:
    printed = kernel.run("import sys, hello, six; print(sys.prefix, hello.__file__, six.__file__)")
    assert "/user-software/venv/demo " in printed
    assert "/user-software/venv/demo/lib/python3.11/site-packages/hello.py" in printed
    assert "/opt/venv/lib/python3.11/site-packages/six.py" in printed


def test_a_cell_finds_modules_as_elsewhere(kernel: Kernel) -> None:
    assert "/runscripts" not in kernel.run("import sys; print(sys.path)")


def test_a_cell_is_interrupted(kernel: Kernel) -> None:
    printed = kernel.begin("print('begun', flush=True)\nwhile True: pass")
    assert "begun" in next(printed)
    kernel.post("interrupt")
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        list(printed)
    assert kernel.run("print(1 + 1)") == "2\n"


def test_a_kernel_that_is_restarted_has_forgotten_all(kernel: Kernel) -> None:
    process = process_of(kernel)
    kernel.post("restart")
    assert has_ended(process)
    with pytest.raises(CellError, match="NameError"):
        kernel.run("print(os)")


def test_the_server_sees_that_a_kernel_has_died_and_starts_it_again(kernel: Kernel) -> None:
    process = process_of(kernel)
    kernel.begin("import signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert has_ended(process)
    while kernel.receive()["content"].get("execution_state") != "restarting":
        pass
    assert kernel.run("print(1 + 1)") == "2\n"


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_kernel_ends_with_its_server(place: Site, tmp_path: Path, end: str) -> None:
    with running(tmp_path / "jupyter", place.folder) as server, server.kernel("demo") as kernel:
        process = process_of(kernel)
        getattr(server.process, end)()
        server.process.wait(HANGS)
        assert has_ended(process)


def test_with_the_module_loaded_its_user_gets_a_kernel_named_as_the_module(place: Site) -> None:
    data = place.folder / "data"
    script = f"export JUPYTER_DATA_DIR={data}; module load Demo/1.0-venv; install-kernel"
    folder = Path(place.login(script).stdout.strip())
    assert folder == data / "kernels" / "demo-1.0-venv"
    assert KernelSpecManager(kernel_dirs=[str(folder.parent)]).get_kernel_spec(folder.name).argv[0] == str(
        place.installation("venv") / "bin" / "python"
    )
