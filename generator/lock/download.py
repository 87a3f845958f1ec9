"""Putting the files of a lock into a folder, each under its name only once it is complete."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import make_folder, sha256, unfinished
from ebsif.lock.model import PIP, Lock, LockedFile
from ebsif.lock.pip import Pip
from ebsif.lock.requirements import Wanted
from ebsif.lock.sources import missing_files
from ebsif.recipe import Recipe

# The folder, beside what the container sees of a recipe, that pip downloads to.
_DOWNLOADS = "downloads"


def download(
    pip: Pip, files: Iterable[LockedFile], wanted: Wanted, recipe: Recipe, sources: Path, console: Console
) -> None:
    """Put those of the files into a folder that are not there yet.

    Raises
    ------
    EbsifError
        When one cannot be had, has another SHA256 than it should, or cannot be written.
    """
    missing = missing_files(Lock("", tuple(files)), sources)
    if not missing:
        return
    make_folder(sources, "choose another one with --sources")
    local = {line.file.name: line.file for line in wanted.requirements if line.file}
    # pip itself was needed first, and lies there already.
    here = {PIP.filename: pip.folder / PIP.filename, **local}
    remote = [file for file in missing if file.filename not in here]
    if remote:
        with console.waiting("downloading " + (f"{len(remote)} files" if len(remote) > 1 else remote[0].filename)):
            _download(pip, remote, wanted, recipe)
    for file in missing:
        _keep(here.get(file.filename, pip.folder / _DOWNLOADS / file.filename), file, sources)


def formats(recipe: Recipe) -> list[str]:
    """Return pip's options for which packages may be source packages."""
    return ["--only-binary", ":all:", *(["--no-binary", ",".join(recipe.allow_source)] if recipe.allow_source else [])]


def indexes(wanted: Wanted) -> list[str]:
    """Return pip's options for the package indexes that were named."""
    index = ["--index-url", wanted.index] if wanted.index else []
    return index + [word for url in wanted.extra_indexes for word in ("--extra-index-url", url)]


def _download(pip: Pip, files: Iterable[LockedFile], wanted: Wanted, recipe: Recipe) -> None:
    listed = pip.folder / "download.txt"
    listed.write_text("".join(f"{_requirement(file)} --hash=sha256:{file.sha256}\n" for file in files))
    arguments = ["--no-deps", "--require-hashes", "--dest", pip.inside(_DOWNLOADS)]
    arguments += ["--requirement", pip.inside(listed.name)]
    pip.run(["download", *arguments, *formats(recipe), *indexes(wanted)])


def _requirement(file: LockedFile) -> str:
    """Return how a requirements file names exactly this file."""
    if file.source_url:
        return f"{file.name} @ {file.source_url}/{quote(file.filename)}"
    return f"{file.name}=={file.version}"


def _keep(found: Path, file: LockedFile, sources: Path) -> None:
    """Copy a file into the folder of sources, after a look at its checksum."""
    if not found.is_file():
        raise EbsifError(f"the package index does not have {file.filename} any more, which is in the lock")
    digest = sha256(found, Console(quiet=True))
    if digest != file.sha256:
        raise EbsifError(f"{found} has SHA256 {digest}, not {file.sha256} as the lock says")
    target = sources / file.filename
    with unfinished(target) as temporary:
        shutil.copyfile(found, temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
