"""Runs pip, which takes a file that is at hand instead of downloading it; needs nothing but the file of pip.

Its arguments are settings, as JSON, and the arguments of pip. The settings are

pip
    The file of pip.
sources
    A folder with files that may be at hand.
downloads
    A folder that keeps each file that arrives, in a folder of its own; what is there does not cross the network again.
packages, markers
    A folder with what is to count as installed, and what environment markers are compared with; null for what this
    Python has and is.

What pip chooses does not change with that: it reads the same pages of the index, and a file at hand only stands for one
with the SHA256 that the index gives. An index lists thousands of wheels for other Pythons and machines, which take most
of pip's time: of these, no more is looked at than their names.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

# Downloads at the same time.
AT_ONCE = 4

# The tags at the end of the name of a wheel, in an address.
WHEEL = re.compile(r"-([^-/?#%]+-[^-/?#%]+-[^-/?#%]+)\.whl(#|$)")

settings, *arguments = sys.argv[1:]
TOLD: "dict[str, Any]" = json.loads(settings)
sys.path[:0] = [TOLD["pip"], *([TOLD["packages"]] if TOLD["packages"] else [])]
from pip._internal.cli import req_command  # noqa: E402
from pip._internal.cli.cmdoptions import make_target_python  # noqa: E402
from pip._internal.cli.main import main  # noqa: E402
from pip._internal.commands import CommandInfo, commands_dict  # noqa: E402
from pip._internal.commands.download import DownloadCommand  # noqa: E402
from pip._internal.exceptions import InstallationError  # noqa: E402
from pip._internal.index.package_finder import PackageFinder  # noqa: E402
from pip._internal.models.link import Link  # noqa: E402
from pip._internal.network.download import Downloader  # noqa: E402
from pip._internal.operations import prepare  # noqa: E402
from pip._vendor.packaging import markers  # noqa: E402
from pip._vendor.packaging.tags import Tag, parse_tag  # noqa: E402


class Saving(Downloader):
    """Downloads what is not at hand, and keeps it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._lock = Lock()
        # Bytes of what is under way, by address.
        self._arriving: dict[str, int] = {}

    def __call__(self, link: Any, location: str) -> "tuple[str, str]":
        """Return the path of a file, and its type if it has just arrived."""
        kept = Path(TOLD["downloads"], hashlib.sha256(link.url_without_fragment.encode()).hexdigest())
        source = Path(TOLD["sources"], link.filename)
        if kept.is_dir():
            return str(next(kept.iterdir())), ""
        if link.hash_name == "sha256" and source.is_file() and sha256(source) == link.hash:
            return str(source), ""
        kept.parent.mkdir(exist_ok=True)
        arriving = tempfile.mkdtemp(dir=str(kept.parent))
        if link.is_file:
            path, kind = shutil.copy(link.file_path, arriving), ""
        else:
            try:
                path, kind = super().__call__(link, arriving)
            finally:
                self._arriving.pop(link.url, None)
        Path(arriving).rename(kept)
        return str(kept / Path(path).name), kind

    def _http_get(self, link: Any, *headers: Any, **named: Any) -> Any:
        """Begin to download; refuse what there is no room for, since pip takes a full disk for a broken connection."""
        response = super()._http_get(link, *headers, **named)
        with self._lock:
            self._arriving[link.url] = int(response.headers.get("Content-Length") or 0)
            there = os.statvfs(TOLD["downloads"])
            # pip's cache has a second copy of what arrives.
            needed, free = 2 * sum(self._arriving.values()), there.f_bavail * there.f_frsize
        if needed > free:
            raise InstallationError(f"no room for {link.filename}: {needed} bytes are needed, and {free} are free")
        return response


class DownloadSeveral(DownloadCommand):
    """Downloads files that are pinned by version and SHA256, or named by address: a few at once."""

    def run(self, options: Any, args: "list[str]") -> int:
        """Leave the files where those that have arrived are kept; whoever takes them verifies them."""
        options.editables = []
        session = self.get_default_session(options)
        finder = self._build_package_finder(options, session, make_target_python(options))
        download, scheduled = Saving(session, options.progress_bar), []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for wanted in self.get_requirements(args, options, finder, session):
                    # Pages are read one after the other, so that the log tells which one pip waits for.
                    found = None if wanted.link else finder.find_requirement(wanted, upgrade=False)
                    scheduled.append(pool.submit(download, found.link if found else wanted.link, ""))
                for one in scheduled:
                    one.result()
            finally:
                for one in scheduled:
                    one.cancel()
        return 0


class Finder(PackageFinder):
    """Finds what pip finds."""

    supported: "Set[Tag]" = frozenset()

    def process_project_url(self, project_url: Any, link_evaluator: Any) -> "list[Any]":
        """Return the files of a page that fit."""
        Finder.supported = frozenset(link_evaluator._target_python.get_unsorted_tags())
        return super().process_project_url(project_url, link_evaluator)


def fitting(make: "Callable[..., Any]", address: str) -> "Any":
    """Return a function that makes a link of what a page says of a file, but not of a wheel that does not fit.

    Parameters
    ----------
    make
        Makes any link.
    address
        What its address is called there.
    """

    def made(said: "dict[str, Any]", *place: Any, **named: Any) -> Any:
        wheel = WHEEL.search(said.get(address) or "")
        return make(said, *place, **named) if wheel is None or fits(wheel[1], Finder.supported) else None

    return staticmethod(made)


@lru_cache(maxsize=4096)
def fits(tags: str, supported: "Set[Tag]") -> bool:
    """Tell whether a wheel whose name has these tags can be installed."""
    return not parse_tag(tags).isdisjoint(supported)


def sha256(path: Path) -> str:
    """Return the SHA256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    if TOLD["markers"]:
        vars(markers)["default_environment"] = lambda: dict(TOLD["markers"])
    Link.from_json = fitting(Link.from_json, "url")  # type: ignore[method-assign]
    Link.from_element = fitting(Link.from_element, "href")  # type: ignore[method-assign]
    vars(prepare)["Downloader"], vars(req_command)["PackageFinder"] = Saving, Finder
    commands_dict["download"] = CommandInfo("__main__", "DownloadSeveral", "")
    sys.exit(main(arguments))
