"""Copying easyblocks and easyconfigs to a place where an EasyBuild that belongs to somebody else finds them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from ebsif import __version__
from ebsif.errors import EbsifError, FileError
from ebsif.files import opened, read_text, write_atomically
from ebsif.values import Sha256, StrictModel, Text

# What this project installs for EasyBuild lies beside EasyBuild's own files.
SHARED = "easybuild"
# What EasyBuild runs. Easyconfigs of earlier versions stay: what was installed from them may be installed again.
_EASYBLOCKS = PurePosixPath(SHARED, "easyblocks")

# The list of what was deployed, in a repository.
LIST = PurePosixPath(SHARED, "ebsif-deployed.json")
_MAXIMUM_SIZE = 5_000_000
# The list that the only version without one would have written.
_FIRST = "0.1.0.json"


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.parts[:1] != (SHARED,) or ".." in path.parts:
        raise ValueError(f"{value!r} is not a path below {SHARED}/")
    return value


class DeployedFiles(StrictModel):
    """The list of what `ebsif deploy` has put into a repository."""

    format: Literal[1] = 1
    """Version of this format."""
    version: Text
    """Version of ebsif."""
    files: dict[Annotated[Text, AfterValidator(_inside)], Sha256] = Field(default_factory=dict)
    """SHA256 of each file by its path in the repository."""


@dataclass(frozen=True)
class Deployed:
    """What `deploy` has done.

    Parameters
    ----------
    written
        The files that were written; those that were there with the same content are left alone.
    removed
        The files of an earlier version that this one does not have, and that were removed.
    changed
        Such files that somebody has changed, and that were not removed.
    replaces
        The version whose files were there; None when there were none.
    """

    written: tuple[Path, ...]
    removed: tuple[Path, ...]
    changed: tuple[Path, ...]
    replaces: str | None


def deploy(repository: Path) -> Deployed:
    """Copy all easyblocks and easyconfigs of this installation into a user repository.

    Easyblocks of an earlier version that this one does not have are removed.

    On LUMI the repository is ``$EBU_USER_PREFIX/UserRepo``: the module EasyBuild-user lets EasyBuild look into
    ``easybuild/easyblocks`` and ``easybuild/easyconfigs`` in it.

    Parameters
    ----------
    repository
        The folder; made when it does not exist.

    Raises
    ------
    EbsifError
        When a file cannot be written, or when this installation has none to copy.
    """
    files = {relative.as_posix(): path for relative, path in installed_files()}
    if not files:
        raise EbsifError("this installation has no easyblocks to copy: install it with a plain `pip install .`")
    before = _deployed_before(repository)
    try:
        written = tuple(repository / relative for relative in files if _copied(files[relative], repository / relative))
        gone = _gone(repository, before.files if before else {}, files)
        for path in (path for path, is_ours in gone.items() if is_ours):
            path.unlink()
    except OSError as error:
        message = f"cannot write {error.filename}: {error.strerror}; choose a folder that you may write in"
        raise EbsifError(message) from error
    _write_list(repository, files)
    return Deployed(
        written,
        tuple(path for path, is_ours in gone.items() if is_ours),
        tuple(path for path, is_ours in gone.items() if not is_ours),
        before.version if before else None,
    )


def installed_files() -> list[tuple[Path, Path]]:
    """Return path relative to site-packages and path of each file that this project installed for EasyBuild.

    There are none after an editable install, and when ebsif is run from its sources.
    """
    try:
        files = metadata.files("ebsif") or []
    except metadata.PackageNotFoundError:
        return []
    return [
        (Path(file), Path(str(file.locate())))
        for file in files
        if file.parts[0] == SHARED and file.suffix != ".pyc"
    ]


def _copied(source: Path, target: Path) -> bool:
    """Copy a file, unless the target is the same; tell whether that was necessary."""
    content = source.read_bytes()
    if target.exists() and target.read_bytes() == content:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, content, source.stat().st_mode & 0o777)
    return True


def _deployed_before(repository: Path) -> DeployedFiles | None:
    """Return what an earlier deploy has put into a repository; None when there was none."""
    path = repository / LIST
    try:
        if path.exists():
            return DeployedFiles.model_validate_json(read_text(path, _MAXIMUM_SIZE))
    except ValidationError as error:
        raise FileError(
            f"{path} is not a list of this version of `ebsif deploy` ({error.errors()[0]['msg']}): deploy with the "
            "newest ebsif, or remove the list"
        ) from error
    except OSError as error:
        raise EbsifError(f"cannot read {path}: {error.strerror}; choose a folder that you may write in") from error
    written = (resources.files("ebsif") / "deployed" / _FIRST).read_text(encoding="utf-8")
    first = DeployedFiles.model_validate_json(written)
    return first if any((repository / file).exists() for file in first.files) else None


def _gone(repository: Path, before: Mapping[str, str], now: Mapping[str, Path]) -> dict[Path, bool]:
    """Return the easyblocks' files that this version does not have, and whether they are as they were deployed."""
    gone = [file for file in before if _EASYBLOCKS in PurePosixPath(file).parents and file not in now]
    there = {repository / file: before[file] for file in gone if (repository / file).is_file()}
    return {path: _digest(path) == digest for path, digest in there.items()}


def _write_list(repository: Path, files: Mapping[str, Path]) -> None:
    digests = {file: _digest(path) for file, path in sorted(files.items())}
    text = DeployedFiles(version=__version__, files=digests).model_dump()
    write_atomically(repository / LIST, (json.dumps(text, indent=1) + "\n").encode(), 0o644)


def _digest(path: Path) -> str:
    with opened(path) as file:
        return hashlib.sha256(file.read()).hexdigest()
