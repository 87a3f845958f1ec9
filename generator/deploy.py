"""Copying easyblocks and easyconfigs to a place where an EasyBuild that belongs to somebody else finds them."""

from importlib import metadata
from pathlib import Path

from ebsif.errors import EbsifError
from ebsif.files import write_atomically

# What this project installs for EasyBuild lies beside EasyBuild's own files.
SHARED = "easybuild"


def deploy(repository: Path) -> list[Path]:
    """Copy all easyblocks and easyconfigs of this installation into a user repository.

    On LUMI the repository is ``$EBU_USER_PREFIX/UserRepo``: the module EasyBuild-user lets EasyBuild look into
    ``easybuild/easyblocks`` and ``easybuild/easyconfigs`` in it.

    Parameters
    ----------
    repository
        The folder; made when it does not exist.

    Returns
    -------
    list of Path
        The files that were written; those that were there with the same content are left alone.

    Raises
    ------
    EbsifError
        When a file cannot be written, or when this installation has none to copy.
    """
    written = []
    for relative, source in installed_files():
        target = repository / relative
        content = source.read_bytes()
        try:
            if target.exists() and target.read_bytes() == content:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write {target}: {error.strerror}; choose a folder that you may write in"
            raise EbsifError(message) from error
        write_atomically(target, content, source.stat().st_mode & 0o777)
        written.append(target)
    return written


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
