"""A kernel for Jupyter: its specification names the command of an installation, and no module is loaded."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

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
def kernel(place: Site) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """The kernel, started by Jupyter on the host with hardly any variable, and its client."""
    specifications = KernelSpecManager(
        kernel_dirs=[str(place.folder / "share" / "jupyter" / "kernels")], ensure_native_kernel=False
    )
    assert specifications.get_kernel_spec("demo").display_name == "Demo's $(own)"
    manager = KernelManager(
        kernel_name="demo", kernel_spec_manager=specifications, connection_file=str(place.folder / "connection.json")
    )
    env = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "IPYTHONDIR": str(place.folder / "ipython")}
    manager.start_kernel(env=env, cwd=str(place.folder))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=HANGS)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run(client: BlockingKernelClient, cell: str) -> str:
    """Return what a cell prints."""
    printed: list[str] = []

    def note(message: dict[str, object]) -> None:
        if message["msg_type"] in ("stream", "error"):
            printed.append(str(message["content"]))

    reply = client.execute_interactive(cell, timeout=HANGS, output_hook=note)
    assert reply["content"]["status"] == "ok", printed
    return "".join(printed)


def test_a_cell_imports_packages_of_base_and_layer(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    printed = run(kernel[1], "import sys, hello, six; print(sys.prefix, hello.__file__, six.__file__)")
    assert "/user-software/venv/demo " in printed
    assert "/user-software/venv/demo/lib/python3.11/site-packages/hello.py" in printed
    assert "/opt/venv/lib/python3.11/site-packages/six.py" in printed


def test_a_cell_is_interrupted(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = kernel
    request = client.execute("print('begun', flush=True)\nwhile True: pass")
    while "begun" not in str(client.get_iopub_msg(timeout=HANGS)["content"]):
        pass
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=HANGS)
    assert reply["parent_header"]["msg_id"] == request
    assert reply["content"]["ename"] == "KeyboardInterrupt"


def test_with_the_module_loaded_its_user_gets_a_kernel_named_as_the_module(place: Site) -> None:
    data = place.folder / "jupyter"
    script = f"export JUPYTER_DATA_DIR={data}; module load Demo/1.0-venv; install-kernel"
    folder = Path(place.login(script).stdout.strip())
    assert folder == data / "kernels" / "demo-1.0-venv"
    assert KernelSpecManager(kernel_dirs=[str(folder.parent)]).get_kernel_spec(folder.name).argv[0] == str(
        place.installation("venv") / "bin" / "python"
    )
