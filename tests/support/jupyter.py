"""A Jupyter server, used as a browser uses it: by its REST interface, and kernels by their websockets."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import websocket

from tests.support.site import HANGS

_TOKEN = "open-sesame"
_SETTINGS = {
    "ServerApp.port": 0,
    "ServerApp.allow_root": True,
    "IdentityProvider.token": _TOKEN,
    # How soon it notices that a kernel has died.
    "KernelRestarter.time_to_dead": 0.5,
}
# As `jupyter server` does, and prints its port as soon as it listens there: what it says itself comes before.
_MAIN = """
import sys
from jupyter_server.serverapp import ServerApp
app = ServerApp.instance()
app.initialize(sys.argv[1:])
app.io_loop.add_callback(lambda: print(app.port, flush=True))
app.start()
"""


class CellError(Exception):
    """A cell has raised an error, of this name."""


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    address: str
    process: "subprocess.Popen[str]"

    def ask(self, path: str, data: Mapping[str, object] | None = None) -> Any:
        """Ask for something, or post it where there are data."""
        body = None if data is None else json.dumps(data).encode()
        request = Request(f"http://{self.address}/api/{path}", body, {"Authorization": f"token {_TOKEN}"})
        with urlopen(request, timeout=HANGS) as answer:
            return json.loads(answer.read() or b"null")

    @contextmanager
    def kernel(self, name: str) -> Iterator["Kernel"]:
        """Start a kernel."""
        number = self.ask("kernels", {"name": name})["id"]
        address = f"ws://{self.address}/api/kernels/{number}/channels?token={_TOKEN}"
        channels = websocket.create_connection(address, timeout=HANGS)
        try:
            yield Kernel(self, f"kernels/{number}", channels)
        finally:
            channels.close()


@dataclass(frozen=True)
class Kernel:
    """A kernel of a server, with its channels."""

    server: Server
    path: str
    channels: websocket.WebSocket

    def run(self, cell: str) -> str:
        """Run a cell, and return what it prints.

        Raises
        ------
        CellError
            When it raises an error.
        """
        return "".join(self.begin(cell))

    def begin(self, cell: str) -> Iterator[str]:
        """Run a cell, and yield what it prints when that comes.

        Raises
        ------
        CellError
            When it raises an error.
        """
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "session": "test", "username": "", "version": "5.4"}
        content = {"code": cell, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.channels.send(json.dumps(message))
        return self._printed(request)

    def _printed(self, request: str) -> Iterator[str]:
        # The reply and what is printed come on channels of their own, in any order.
        reply, is_idle = None, False
        while reply is None or not is_idle:
            message = self.receive()
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                yield content["text"]
            elif kind == "execute_reply":
                reply = content
            elif kind == "status":
                is_idle = content["execution_state"] == "idle"
        if reply["status"] != "ok":
            raise CellError(reply.get("ename", reply["status"]))

    def receive(self) -> Any:
        """Return the next message."""
        return json.loads(self.channels.recv())

    def post(self, what: str) -> None:
        """Have the server do something with it: interrupt or restart."""
        self.server.ask(f"{self.path}/{what}", {})


@contextmanager
def running(folder: Path, kernels: Path) -> Iterator[Server]:
    """Run a server in a folder, with hardly any variable.

    Parameters
    ----------
    kernels
        The folder that has ``share/jupyter/kernels``.
    """
    folder.mkdir()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "JUPYTER_PATH": str(kernels / "share" / "jupyter")}
    words = [sys.executable, "-c", _MAIN, *(f"--{name}={value}" for name, value in _SETTINGS.items())]
    with subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        try:
            yield Server(f"127.0.0.1:{port}", process)
        finally:
            process.terminate()
