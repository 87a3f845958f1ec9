"""Repositories of git, and a forge on this machine that serves them as those on the network do."""

import http.server
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tests.support.index import serving

# Always the same, so that commits are.
_WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
    ("NAME", "Tester"), ("EMAIL", "tester@example.org"), ("DATE", "2026-01-01T12:00:00Z")
)}  # fmt: skip
_NO_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *words: str) -> str:
    """Run a command of git in a folder, and return what it prints."""
    env = {**os.environ, **_WHO, **_NO_CONFIGURATION}
    done = subprocess.run(["git", "-C", str(folder), *words], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Repository:
    """A repository with a working tree, and the bare one that others clone.

    Parameters
    ----------
    tree, bare
        Their folders.
    """

    tree: Path
    bare: Path

    def commit(self, files: Mapping[str, str], *, tag: str | None = None) -> str:
        """Commit files, by path, on the branch that is checked out, and return the commit."""
        for name, text in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.tree, "add", "--all")
        git(self.tree, "commit", "--quiet", "--message", "A change")
        if tag:
            git(self.tree, "tag", tag)
        self.push()
        return git(self.tree, "rev-parse", "HEAD")

    def push(self) -> None:
        """Make the bare repository as the other is, with nothing left of what that has no more."""
        git(self.tree, "push", "--quiet", "--mirror", str(self.bare))
        git(self.bare, "gc", "--quiet", "--prune=now")


def make_repository(folder: Path, name: str) -> Repository:
    """Make an empty repository ``name.git`` in a folder, and a working tree of it elsewhere."""
    bare, tree = folder / f"{name}.git", folder / "trees" / name
    tree.mkdir(parents=True)
    bare.mkdir()
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    git(tree, "init", "--quiet", "--initial-branch=main")
    return Repository(tree, bare)


def package_files(name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the files of a package of one module that has nothing but a ``setup.py``."""
    module = name.replace("-", "_")
    setup = f"from setuptools import setup\nsetup(name={name!r}, version={version!r}, py_modules=[{module!r}],"
    return {
        "setup.py": f"{setup}\n      install_requires={list(requires)!r})\n",
        f"{module}.py": f"VERSION = {version!r}\n",
    }


class _Forge(http.server.BaseHTTPRequestHandler):
    folder: Path
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        path = urlsplit(self.path).path
        if "/archive/" in path:
            self._archive(path)
        else:
            self._backend(b"")

    def do_POST(self) -> None:
        self.requests.append(self.path)
        self._backend(self.rfile.read(int(self.headers["Content-Length"])))

    def _archive(self, path: str) -> None:
        """Send the archive of a branch, tag or commit, at ``/NAME/archive/REF.tar.gz``."""
        name, ref = path.strip("/").split("/archive/")
        suffix = ".zip" if ref.endswith(".zip") else ".tar.gz"
        ref = ref.removesuffix(suffix)
        top = f"{PurePosixPath(name).name}-{PurePosixPath(ref).name}"
        words = ["git", "archive", f"--format={suffix[1:]}", f"--prefix={top}/", ref]
        done = subprocess.run(words, cwd=self.folder / f"{name}.git", capture_output=True, check=False)
        if done.returncode != 0:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._send(HTTPStatus.OK, {"Content-Type": "application/octet-stream"}, done.stdout)

    def _backend(self, body: bytes) -> None:
        """Have git itself answer, as behind any web server."""
        parts = urlsplit(self.path)
        env = {
            **os.environ,
            **_NO_CONFIGURATION,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": self.command,
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        self._send(HTTPStatus(status), headers, content)

    def _send(self, status: HTTPStatus, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Forge:
    """Where repositories are served.

    Parameters
    ----------
    folder
        The folder of the repositories.
    url
        Its address.
    requests
        The paths that were asked for so far.
    """

    folder: Path
    url: str
    requests: list[str]


@contextmanager
def forge(folder: Path) -> Iterator[Forge]:
    """Serve the repositories in a folder, and archives of their tags and commits."""
    requests: list[str] = []
    with serving(type("Handler", (_Forge,), {"folder": folder, "requests": requests})) as url:
        yield Forge(folder, url, requests)
