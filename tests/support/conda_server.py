"""A conda channel served on this machine, by a server that can be told to fail."""

import fnmatch
import hashlib
import http.server
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO


@dataclass(frozen=True)
class Server:
    """What a server was asked for, and how it behaves; tests may change that at any time.

    Parameters
    ----------
    url
        Its address, as in ``http://127.0.0.1:8000``.
    requests
        The path of each GET so far, as in ``/noarch/repodata.json``.
    truncated
        Patterns of paths whose files break off in the middle.
    refused
        The status to answer with, by pattern of paths.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    truncated: set[str] = field(default_factory=set)
    refused: dict[str, HTTPStatus] = field(default_factory=dict)


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: "_Served"

    def do_GET(self) -> None:
        self.server.told.requests.append(self.path)
        super().do_GET()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        told, path = self.server.told, Path(self.translate_path(self.path))
        for pattern, status in told.refused.items():
            if fnmatch.fnmatch(self.path, pattern):
                self.send_error(status)
                return None
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        content = path.read_bytes()
        # Not the time of the file, which counts seconds: a test changes a channel faster than that.
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        known = self.headers["If-None-Match"] == etag
        self.send_response(HTTPStatus.NOT_MODIFIED if known else HTTPStatus.OK)
        self.send_header("ETag", etag)
        if known:
            self.end_headers()
            return None
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = any(fnmatch.fnmatch(self.path, pattern) for pattern in told.truncated)
        return io.BytesIO(content[: len(content) // 2] if cut else content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Served(http.server.ThreadingHTTPServer):
    told: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that has seen enough
            super().handle_error(request, client_address)


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve a folder; when this ends, nobody answers at its address."""
    with _Served(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as served:
        served.told = Server(f"http://127.0.0.1:{served.server_address[1]}")
        thread = threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield served.told
        finally:
            served.shutdown()
            thread.join()
