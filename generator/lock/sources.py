"""Where EasyBuild looks for the files of a layer."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ebsif.console import Console
from ebsif.easybuild import source_paths
from ebsif.files import sha256
from ebsif.lock.model import LockedFile
from ebsif.names import easyconfig_folder

# EasyBuild puts files of extensions there, below the folder of the software (easyblock.py: obtain_file).
_EXTENSIONS = "extensions"
# Files that are hashed at the same time.
_AT_ONCE = 4


def source_path(software: str) -> Path:
    """Return the folder in which EasyBuild looks for the files of a software's extensions.

    Raises
    ------
    ToolError
        When EasyBuild does not tell.
    """
    return source_paths()[0] / easyconfig_folder(software) / _EXTENSIONS


def image_folders(software: str) -> list[Path]:
    """Return the folders in which EasyBuild looks for the image of a software; raises as `source_path` does."""
    within = (easyconfig_folder(software), Path(software), Path())
    return [path / folder for path in source_paths() for folder in within]


def file_folders(software: str) -> list[Path]:
    """Return the folders in which EasyBuild looks for the files of a software's extensions; raises as `source_path`."""
    return [folder / below for folder in image_folders(software) for below in (_EXTENSIONS, "packages", "")]


def missing_files(files: Iterable[LockedFile], folder: Path) -> list[LockedFile]:
    """Return those of the files that are not in a folder; one with another content there counts as missing."""
    quiet = Console(quiet=True)

    def is_missing(file: LockedFile) -> bool:
        path = folder / file.filename
        return not path.is_file() or sha256(path, quiet) != file.sha256

    wanted = list(files)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [file for file, missing in zip(wanted, pool.map(is_missing, wanted), strict=True) if missing]
