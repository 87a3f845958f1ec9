"""Putting the files of a lock that come from channels into a folder."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import rattler
from rattler.package_streaming import download_to_writer

from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.lock.conda.channel import AT_ONCE, client, going_on
from ebsif.lock.model import LockedFile
from ebsif.lock.sources import missing_files
from ebsif.lock.staging import check_room_for, stored


def download(files: Iterable[LockedFile], folder: Path, console: Console) -> None:
    """Put those of the files into a folder that are not there yet.

    Raises
    ------
    EbsifError
        When there is no room, or one cannot be downloaded, or has another SHA256 than the lock says.
    """
    missing = missing_files(files, folder)
    if missing:
        check_room_for([file.size or 0 for file in missing], folder)
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
    with stored(file, folder) as temporary:
        try:
            if parts.scheme == "file":
                shutil.copyfile(unquote(parts.path), temporary)
            else:
                with temporary.open("wb") as writer:
                    await going_on(download_to_writer(reaching, url, writer), writer.tell, f"the download of {url}")
        except (RuntimeError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[-1]
            raise EbsifError(f"cannot download {file.filename} from {file.source_url}: {reason}") from error
