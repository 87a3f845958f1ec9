"""A package index on this machine, which a container reaches too."""

import hashlib
import http.server
import select
import threading
import zipfile
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, unquote_plus

from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Index:
    """Serves the files of a folder, and an index of them.

    Parameters
    ----------
    folder
        The files; more may be put there at any time.
    address
        Where they are served, as in ``http://127.0.0.1:8000``.
    requests
        What was asked for so far: the path of each file and page, and the host of each ``CONNECT`` to a proxy.
    """

    folder: Path
    address: str
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The index, as pip wants it."""
        return f"{self.address}/simple"

    @property
    def other_url(self) -> str:
        """Another index on the same host, of the files in the folder ``other``."""
        return f"{self.address}/other"

    @property
    def files_url(self) -> str:
        """The folder that the index has its files in."""
        return f"{self.address}/files"


class _Handler(http.server.BaseHTTPRequestHandler):
    folder: Path
    requests: list[str]
    cut = False
    states: Container[str] = ()

    def do_CONNECT(self) -> None:
        """Be a proxy that leads nowhere."""
        self.requests.append(self.path)
        self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)

    def do_GET(self) -> None:
        self.requests.append(self.path)
        # As in a bucket of S3, where PyTorch has its own.
        path = unquote_plus(self.path).strip("/")
        if path.startswith("files/"):
            name = path.removeprefix("files/")
            file = self.folder / name.removesuffix(_METADATA)
            if not file.is_file():
                self.send_error(HTTPStatus.NOT_FOUND)
            elif name.endswith(_METADATA):
                self._send(_metadata(file), "text/plain")
            else:
                self._send(file.read_bytes(), "application/octet-stream", cut=self.cut)
            return
        kind, _, name = path.rpartition("/")
        folder = Path("" if kind == "simple" else kind)
        names = [file.name for file in sorted((self.folder / folder).iterdir()) if file.is_file()]
        files = [file for file in names if canonicalize_name(file.split("-")[0]) == name]
        links = "".join(self._link(folder / file) for file in files)
        self._send(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

    def _link(self, file: Path) -> str:
        """Return the link to a file, with what the index states of it."""
        digest = f"#sha256={_sha256((self.folder / file).read_bytes())}" if "sha256" in self.states else ""
        has_metadata = "metadata" in self.states and file.suffix == ".whl"
        more = f' data-core-metadata="sha256={_sha256(_metadata(self.folder / file))}"' if has_metadata else ""
        return f'<a href="/files/{quote(str(file))}{digest}"{more}>{file.name}</a>'

    def _send(self, content: bytes, kind: str, *, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


_METADATA = ".metadata"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return packed.read(name)


@contextmanager
def serve(folder: Path, *, cut: bool = False, states: Container[str] = ()) -> Iterator[Index]:
    """Serve a folder of wheels and source packages; as a proxy, it leads nowhere.

    Parameters
    ----------
    cut
        Whether each file breaks off in the middle.
    states
        What the index says of each file: its ``sha256``, and its ``metadata``, to be had apart from it (PEP 658).
    """
    requests: list[str] = []
    handler = type("Handler", (_Handler,), {"folder": folder, "requests": requests, "cut": cut, "states": states})
    with serving(handler) as address:
        yield Index(folder, address, requests)


# Bytes that there is room for, and that take days to drip.
_LONG = 1 << 24


@dataclass(frozen=True)
class Answer:
    """What a server says, whatever it was asked."""

    content: bytes = b""
    kind: str = "text/html"
    status: int = 200
    drips: bool = False
    """Whether the content is followed by single bytes, for ever."""


@contextmanager
def answering(answer: Callable[[str, Message], Answer]) -> Iterator[str]:
    """Give the address of a server that answers as a function says, given path and headers of a request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = answer(self.path, self.headers)
            self.send_response(told.status)
            self.send_header("Content-Type", told.kind)
            self.send_header("Content-Length", str(_LONG if told.drips else len(told.content)))
            self.end_headers()
            self.wfile.write(told.content)
            with suppress(ConnectionError):
                # What can be read is that the client has gone.
                while told.drips and not select.select([self.connection], [], [], 0.05)[0]:
                    self.wfile.write(b" ")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with serving(Handler) as address:
        yield address


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Give the address at which a handler answers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # Asked often whether to end, so that ending takes no half second.
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
