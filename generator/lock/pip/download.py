"""Putting the files of a lock that pip knows into a folder."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import is_there
from ebsif.lock.model import LockedFile
from ebsif.lock.pip.network import default_index
from ebsif.lock.pip.pip import Pip
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.sources import missing_files
from ebsif.lock.staging import check_room_for, stored


def download(
    pip: Pip,
    files: Iterable[LockedFile],
    request: PipRequest,
    folder: Path,
    console: Console,
    addresses: Mapping[str, str] | None = None,
) -> None:
    """Put those of the files into a folder that are not there yet.

    Parameters
    ----------
    addresses
        Where each lies, by its name, as far as pip has just found out: then no page of an index is read again.

    Raises
    ------
    EbsifError
        When one cannot be downloaded, has another SHA256 than the lock says, or cannot be written.
    """
    missing = missing_files(files, folder)
    local = {line.file.name: line.file for line in request.requirements if line.file}
    remote = [file for file in missing if file.filename not in local and not pip.arrived(file)]
    if remote:
        with console.waiting("downloading " + (f"{len(remote)} files" if len(remote) > 1 else remote[0].filename)):
            _download(pip, remote, request, addresses or {})
    found = {file: local.get(file.filename) or pip.arrived(file) for file in missing}
    check_room_for([path.stat().st_size for path in found.values() if path], folder)
    for file, path in found.items():
        if path is None:
            raise EbsifError(f"the package index does not have {file.filename} any more, which is in the lock")
        with stored(file, folder) as temporary:
            shutil.copyfile(path, temporary)


def formats(request: PipRequest) -> list[str]:
    """Return pip's options for which packages may be source packages."""
    allowed = ",".join(request.allow_source)
    return ["--only-binary", ":all:", *(["--no-binary", allowed] if allowed else [])]


def local_indexes(request: PipRequest) -> list[Path]:
    """Return the folders that are package indexes.

    Raises
    ------
    EbsifError
        When one is not there.
    """
    found = []
    for url in (request.options.index or default_index(), *request.options.extra_indexes):
        if url.startswith("file:"):
            folder = Path(unquote(urlsplit(url).path))
            if not is_there(folder, Path.is_dir):
                raise EbsifError(f"the package index {url} is not there: there is no folder {folder}")
            found.append(folder)
    return found


def _download(pip: Pip, files: Sequence[LockedFile], request: PipRequest, addresses: Mapping[str, str]) -> None:
    listed = pip.folder / "download.txt"
    listed.write_text("".join(f"{_requirement(file, addresses)} --hash=sha256:{file.sha256}\n" for file in files))
    pip.run(["download", "--requirement", pip.inside(listed.name), *formats(request), *request.options.words()])


def _requirement(file: LockedFile, addresses: Mapping[str, str]) -> str:
    """Return how a requirements file names exactly this file."""
    at_source = f"{file.source_url}/{quote(file.remote_name or file.filename)}" if file.source_url else None
    address = addresses.get(file.filename, at_source)
    return f"{file.name} @ {address}" if address else f"{file.name}=={file.version}"
