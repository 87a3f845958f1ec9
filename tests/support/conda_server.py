"""A conda channel served on this machine, by a server that can be told to fail."""

import fnmatch
import http.server
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO


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
        if any(fnmatch.fnmatch(self.path, pattern) for pattern in self.server.told.truncated):
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        else:
            super().do_GET()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        for pattern, status in self.server.told.refused.items():
            if fnmatch.fnmatch(self.path, pattern):
                self.send_error(status)
                return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Served(http.server.ThreadingHTTPServer):
    told: Server


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve a folder; when this ends, nobody answers at its address."""
    with _Served(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as served:
        served.told = Server(f"http://127.0.0.1:{served.server_address[1]}")
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served.told
        served.shutdown()
        thread.join()
