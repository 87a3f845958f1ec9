"""Reading environments that other tools have locked: ``conda-lock.yml`` and @EXPLICIT files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ebsif.document import Document
from ebsif.errors import EbsifError, InputError
from ebsif.lock.model import LockedFile, file_name
from ebsif.lock.pip.line import Entry
from ebsif.values import NO_SECRET, reveals_secret

# A lock for several platforms lists thousands of packages.
MAXIMUM_SIZE = 20_000_000

NOARCH = "noarch"
# The last folder of a URL, if it is that of a platform: linux-64, osx-arm64, noarch.
_PLATFORM = re.compile(rf"{NOARCH}|(linux|osx|win|emscripten|wasi|zos|freebsd)-[a-z0-9]+")
# How conda-lock writes packages of pip: for itself, since conda takes them for comments.
_PIP = re.compile(r"# pip (?P<text>\S.*?)(#sha256=(?P<sha256>[0-9a-fA-F]{64}))?")
_SHA256 = re.compile(r"(?:sha256:)?(?P<sha256>[0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Pinned:
    """A file that belongs to an environment.

    Parameters
    ----------
    file
        The file, with the name and version that its name says.
    path, number
        The file that names it, and the line.
    """

    file: LockedFile
    path: Path
    number: int | None


def is_explicit(text: str) -> bool:
    """Tell whether a text is that of an @EXPLICIT file."""
    return any(line.strip() == "@EXPLICIT" for line in text.splitlines())


def is_conda_lock(written: Document) -> bool:
    """Tell whether a YAML file is a ``conda-lock.yml``."""
    return isinstance(written.data, dict) and {"package", "metadata"} <= set(written.data)


def read_explicit(text: str, path: Path, platform: str | None) -> tuple[list[Pinned], list[Entry]]:
    """Return the files of conda that an @EXPLICIT file names, and what it leaves to pip.

    Each line is a URL with ``#`` and its SHA256; a package of pip stands in a comment that begins with ``# pip``.

    Raises
    ------
    InputError
        With the line, for a file without SHA256, or for another platform.
    """
    pinned, pip = [], []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip()
        wanted = _PIP.fullmatch(word)
        if wanted:
            hashes = (f"sha256:{wanted['sha256'].lower()}",) if wanted["sha256"] else ()
            pip.append(Entry(wanted["text"], path, number, hashes))
        if not word or word == "@EXPLICIT" or word.startswith("#"):
            continue
        url, _, digest = word.partition("#")
        match = _SHA256.fullmatch(digest)
        remedy = "`conda list --explicit --sha256` writes them; of pixi, take `pixi workspace export conda-environment`"
        pinned.append(pinned_file(url, match["sha256"].lower() if match else None, remedy, platform, path, number))
    return pinned, pip


def read_conda_lock(written: Document, platform: str | None) -> tuple[list[Pinned], list[Entry]]:
    """Return the files of conda that a ``conda-lock.yml`` lists for a platform, and what it leaves to pip.

    Raises
    ------
    InputError
        With the line, for a file without SHA256; or when it lists nothing for the platform.
    """
    if written.data.get("version") not in ("1", 1):
        raise written.error(("version",), "only version 1 of conda-lock.yml can be read")
    packages = written.data["package"]
    if not isinstance(packages, list) or not all(isinstance(item, dict) for item in packages):
        raise written.error(("package",), "package must be a list of packages, as conda-lock writes it")
    platforms = sorted({str(item.get("platform")) for item in packages})
    if platform and platform not in platforms:
        message = f"the lock is for {', '.join(platforms) or 'no platform'}, and the base is {platform}"
        raise written.error(("package",), f"{message}: lock again with --platform {platform}")
    pinned, pip = [], []
    for at, item in enumerate(packages):
        # What is for developers or optional is not installed, as `conda-lock install --no-dev` does it.
        if item.get("platform") != platform or item.get("category", "main") != "main":
            continue
        if item.get("manager") == "pip":
            pip.append(_entry(item, written, at))
        else:
            number = written.line(("package", at))
            remedy = "lock again with a channel that lists them"
            url = str(item.get("url", ""))
            pinned.append(pinned_file(url, _sha256_of(item), remedy, platform, written.path, number))
    return pinned, pip


def _sha256_of(item: dict[str, Any]) -> str | None:
    digests = item.get("hash")
    return str(digests["sha256"]) if isinstance(digests, dict) and "sha256" in digests else None


def _entry(item: dict[str, Any], written: Document, at: int) -> Entry:
    """Return a package that is left to pip, as a line of requirements."""
    digest = _sha256_of(item)
    text = f"{item.get('name')}=={item.get('version')}"
    return Entry(text, written.path, written.line(("package", at)), (f"sha256:{digest}",) if digest else ())


def pinned_file(
    url: str, sha256: str | None, remedy: str, platform: str | None, path: Path, number: int | None
) -> Pinned:
    """Return a file that a lock names by its URL.

    Parameters
    ----------
    remedy
        What to do when it has no SHA256.
    platform
        What conda calls the machine of the base; None when that is not known.

    Raises
    ------
    InputError
        With the line, when it cannot be used.
    """
    def error(message: str) -> InputError:
        return InputError(path, [(number, message)])

    try:
        parts = urlsplit(url)
    except ValueError as wrong:
        raise error(f"{url!r} is not a URL: {wrong}") from wrong
    folder, _, filename = unquote(parts.path).rpartition("/")
    stem = re.fullmatch(r"(?P<name>.+)-(?P<version>[^-]+)-[^-]+\.(conda|tar\.bz2)", filename)
    if parts.scheme not in ("https", "http", "file") or not stem:
        raise error(f"{url!r} is not the URL of a package of conda, as in https://…/linux-64/name-1.0-0.conda")
    if reveals_secret(url):
        raise error(f"a URL {NO_SECRET}")
    if sha256 is None:
        raise error(f"{filename} has no SHA256, so that it cannot be locked: {remedy}")
    place = folder.rpartition("/")[2]
    if platform and _PLATFORM.fullmatch(place) and place not in (platform, NOARCH):
        raise error(f"{filename} is for {place}, and the base is {platform}")
    source_url = url.rpartition("/")[0]
    try:
        file_name(filename, "this line")
    except EbsifError as wrong:
        raise error(str(wrong)) from wrong
    return Pinned(LockedFile(stem["name"], stem["version"], filename, sha256, source_url), path, number)
