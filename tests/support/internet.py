"""Hosts of the internet, on this machine: a proxy leads to servers here, which have certificates as those have."""

import http.client
import http.server
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.index import serving


@dataclass(frozen=True)
class Internet:
    """What stands for the internet.

    Parameters
    ----------
    proxy
        The address of the proxy.
    authority
        The file of the certificate that those of all hosts are signed by.
    requests
        What was asked for so far, as in ``GET https://pypi.org/simple/six/``.
    """

    proxy: str
    authority: Path
    requests: list[str]

    @property
    def variables(self) -> dict[str, str]:
        """What a user sets behind a proxy whose site signs certificates itself."""
        names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
        certificates = ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "PIP_CERT")
        return dict.fromkeys(names, self.proxy) | dict.fromkeys(certificates, str(self.authority))


class _Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hosts: Mapping[str, str]
    requests: list[str]
    context: ssl.SSLContext
    host = ""

    def do_CONNECT(self) -> None:
        """Be the host that is asked for from now on."""
        self.host = self.path.removesuffix(":443")
        if self.host not in self.hosts:
            self.requests.append(f"CONNECT {self.path}")
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.request = self.context.wrap_socket(self.connection, server_side=True)
        self.setup()
        self.close_connection = False

    def do_GET(self) -> None:
        """Answer as the server here does."""
        self.requests.append(f"{self.command} https://{self.host}{self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = http.client.HTTPConnection(urlsplit(self.hosts[self.host]).netloc)
        server.request(self.command, self.path, body, dict(self.headers))
        answer = server.getresponse()
        content = answer.read()
        server.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Server", "Date"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def internet(folder: Path, hosts: Mapping[str, str]) -> Iterator[Internet]:
    """Give an internet in which there are a few hosts, and no others.

    Parameters
    ----------
    folder
        Where certificates are put.
    hosts
        The address of the server on this machine that stands for each.
    """
    requests: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificates(folder, hosts))
    more = {"hosts": hosts, "requests": requests, "context": context}
    with serving(type("Handler", (_Proxy,), more)) as proxy:
        yield Internet(proxy, folder / "authority.pem", requests)


def _certificates(folder: Path, hosts: Mapping[str, str]) -> tuple[Path, Path]:
    """Make an authority, and return a certificate for the hosts, signed by it, with its key."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    (folder / "names").write_text(f"subjectAltName={names}\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    signed = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "names"]
    for words in (
        ["req", "-x509", *key, "-subj", "/CN=Authority", "-keyout", "authority.key", "-out", "authority.pem"],
        ["req", *key, "-subj", "/CN=Hosts", "-keyout", "hosts.key", "-out", "hosts.csr"],
        ["x509", "-req", "-in", "hosts.csr", *signed, "-out", "hosts.pem"],
    ):
        subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)
    return folder / "hosts.pem", folder / "hosts.key"
