"""A ``pylock.toml`` (PEP 751) of the Python packages of a locked easyconfig, for pip, uv and others."""

import argparse
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

import tomli_w
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, is_valid_pylock_path
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif import __version__
from ebsif.base.image import Base
from ebsif.base.store import find_base
from ebsif.console import Console
from ebsif.easyconfig.read import Easyconfig, read_container
from ebsif.errors import EbsifError
from ebsif.files import is_there, write_atomically
from ebsif.inside.packages import is_wheel
from ebsif.lock.model import PIP, LockedFile
from ebsif.lock.pip.network import PYPI
from ebsif.site import read_site

EXAMPLE = "ebsif export pylock PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb -o pylock.toml"

# Where PyPI leads to a file by its name alone (https://docs.pypi.org/api/), for wheels by their first tag.
_FILES = "https://files.pythonhosted.org/packages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this kind."""
    add = parser.add_argument
    add("easyconfig", type=Path, help="the easyconfig, as `ebsif generate` has made it")
    add("--output", "-o", type=Path, metavar="FILE", help="pylock.toml or pylock.NAME.toml; by default, it is printed")
    add(
        "--files",
        type=Path,
        metavar="DIR",
        help="a folder with files of the layer: for those that lie there, their paths are written, not addresses",
    )
    add("--site", default="local", help="the site in whose folders the image lies, which tells the Python")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the file, or print it."""
    if options.output and not is_valid_pylock_path(options.output):
        raise EbsifError(f"{options.output} is no name for such a file: tools look for pylock.toml or pylock.NAME.toml")
    easyconfig = read_container(options.easyconfig)
    base = find_base(easyconfig.image, read_site(options.site), options.easyconfig.parent, console, inspect=False)
    left_out = [file.name for file in easyconfig.installed if file.is_conda]
    if left_out:
        console.warn(f"packages of conda are not in it: {', '.join(left_out)}")
    folder = options.output.parent if options.output else Path()
    text = tomli_w.dumps(pylock_of(easyconfig, base, options.files, folder).to_dict())
    if options.output:
        write_atomically(options.output, text.encode(), 0o644)
        console.say(f"{options.output}: written")
    else:
        console.write(text)
    return 0


def pylock_of(easyconfig: Easyconfig, base: Base, files: Path | None, folder: Path) -> Pylock:
    """Return what is in the layer of an easyconfig, but for packages of conda, and pip itself.

    Parameters
    ----------
    base
        Its base, as far as it is known.
    files
        A folder with files of the layer; None for none.
    folder
        The folder that the lock will lie in.

    Raises
    ------
    EbsifError
        When there is no lock, or something in it that no such file can hold.
    """
    if easyconfig.lock is None:
        raise EbsifError(f"{easyconfig.path} has no lock: `ebsif generate` makes an easyconfig with one of a recipe")
    installed = [file for file in easyconfig.installed if not file.is_conda and file.key != PIP.key]
    if not installed:
        raise EbsifError(f"no package of pip is in the layer of {easyconfig.path}")
    python = base.manifest.python if base.manifest else None
    return Pylock(
        lock_version=Version("1.0"),
        created_by="ebsif",
        # Of a layer of conda, the Python is another one.
        requires_python=SpecifierSet(f"=={python.minor}.*") if python and not easyconfig.lock.conda else None,
        packages=[_package(file, files, folder) for file in sorted(installed, key=lambda file: file.key)],
        tool={"ebsif": {"version": __version__, "base": easyconfig.image, "base-sha256": easyconfig.checksum or ""}},
    )


def _package(file: LockedFile, files: Path | None, folder: Path) -> Package:
    try:
        version = Version(file.version)
        name = canonicalize_name(file.name, validate=True)
    except (InvalidName, InvalidVersion) as error:
        raise EbsifError(f"{file.name} {file.version} cannot stand in a pylock.toml: {error}") from error
    here = files / file.filename if files else None
    path = Path(relpath(here, folder)).as_posix() if here and is_there(here, Path.is_file) else None
    url = None if path else _address(file)
    index = None if file.source_url or path else PYPI
    hashes = {"sha256": file.sha256}
    if is_wheel(file.filename):
        wheel = PackageWheel(name=file.filename, url=url, path=path, hashes=hashes)
        return Package(name=name, version=version, index=index, wheels=[wheel])
    sdist = PackageSdist(name=file.filename, url=url, path=path, hashes=hashes)
    return Package(name=name, version=version, index=index, sdist=sdist)


def _address(file: LockedFile) -> str:
    """Return where a file lies; for one of PyPI, which does not say that in the easyconfig, where PyPI leads to it."""
    filename = quote(file.filename)
    if file.source_url:
        return f"{file.source_url}/{filename}"
    kind = file.filename.split("-")[-3] if is_wheel(file.filename) else "source"
    return f"{_FILES}/{quote(kind)}/{file.key[0]}/{file.key}/{filename}"
