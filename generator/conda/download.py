"""Putting packages of conda into a folder, each under its name only once it is complete and the right one."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import rattler
from rattler.package_streaming import download_to_path

from ebsif.conda.channel import AT_ONCE, client
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import make_folder, sha256, unfinished
from ebsif.lock.model import Lock, LockedFile
from ebsif.lock.sources import missing_files


def download(files: Iterable[LockedFile], folder: Path, console: Console) -> None:
    """Put those of the files into a folder that are not there yet.

    Raises
    ------
    EbsifError
        When one cannot be had, or has another SHA256 than it should.
    """
    missing = missing_files(Lock("", tuple(files)), folder)
    if missing:
        what = f"{len(missing)} packages" if len(missing) > 1 else missing[0].filename
        with console.waiting(f"downloading {what}"):
            asyncio.run(_download(missing, folder))


async def _download(files: Iterable[LockedFile], folder: Path) -> None:
    limit, reaching = asyncio.Semaphore(AT_ONCE), client()
    errors: list[EbsifError] = []

    async def one(file: LockedFile) -> None:
        async with limit:
            if errors:
                return
            try:
                await _fetch(file, folder, reaching)
            except EbsifError as error:
                errors.append(error)

    # Those that are under way when one fails are waited for, not cancelled: rattler would go on writing all the same.
    await asyncio.gather(*(one(file) for file in files))
    if errors:
        raise errors[0]


async def _fetch(file: LockedFile, folder: Path, reaching: rattler.Client) -> None:
    url = f"{file.source_url}/{quote(file.filename, safe='!+~')}"
    parts = urlsplit(url)
    with unfinished(folder / file.filename) as temporary:
        try:
            if parts.scheme == "file":
                shutil.copyfile(unquote(parts.path), temporary)
            else:
                await download_to_path(reaching, url, temporary)
        except (RuntimeError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[-1]
            raise EbsifError(f"cannot download {file.filename} from {file.source_url}: {reason}") from error
        digest = sha256(temporary, Console(quiet=True))
        if digest != file.sha256:
            raise EbsifError(
                f"{file.filename} from {file.source_url} has SHA256 {digest}, not {file.sha256}: the download broke "
                "off, or the file was changed"
            )
        temporary.chmod(0o644)
        temporary.replace(folder / file.filename)


@contextmanager
def staged(sources: Path) -> Iterator[Path]:
    """Give a folder in which all files of another are seen; what is put there gets into that one only at the end.

    So a lock that cannot be made leaves no file behind.

    Raises
    ------
    EbsifError
        When the folder cannot be written to.
    """
    make_folder(sources, "choose another one with --sources")
    try:
        name = tempfile.mkdtemp(dir=sources, prefix=".ebsif-")
    except OSError as error:
        raise EbsifError(f"cannot write {sources}: {error.strerror}; choose another one with --sources") from error
    folder = Path(name)
    try:
        for path in sources.iterdir():
            if path.is_file():
                (folder / path.name).symlink_to(path.absolute())
        yield folder
        for path in folder.iterdir():
            if not path.is_symlink():
                path.replace(sources / path.name)
    finally:
        shutil.rmtree(folder)
