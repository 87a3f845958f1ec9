"""What a source package is built with."""

import sys
import tarfile
import zipfile
from pathlib import Path

from ebsif.errors import EbsifError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What builds a package that does not say (PEP 518).
_DEFAULT = ("setuptools >= 40.8.0",)


def build_requirements(archive: Path) -> tuple[str, ...]:
    """Return what a source package says that it is built with.

    Raises
    ------
    EbsifError
        When the file is no source package.
    """
    try:
        text = _pyproject(archive)
        content = tomllib.loads(text) if text else {}
    except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError) as error:
        raise EbsifError(f"{archive} is not a source package: {error}") from error
    return tuple(content.get("build-system", {}).get("requires", _DEFAULT))


def _pyproject(archive: Path) -> str | None:
    """Return the text of the ``pyproject.toml`` at the top of an archive."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            found = [name for name in packed.namelist() if _is_top(name)]
            return packed.read(found[0]).decode() if found else None
    with tarfile.open(archive) as packed:
        members = [member for member in packed.getmembers() if _is_top(member.name)]
        file = packed.extractfile(members[0]) if members else None
        return file.read().decode() if file else None


def _is_top(name: str) -> bool:
    parts = Path(name).parts
    return len(parts) == 2 and parts[1] == "pyproject.toml"
