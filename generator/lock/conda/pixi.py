"""Reading ``pixi.lock``, by the library that pixi itself writes it with."""

import re
from pathlib import Path

from rattler.exceptions import ParseCondaLockError
from rattler.lock import CondaLockedBinaryPackage, Environment, LockedPackage, LockFile, PypiLockedPackage

from ebsif.errors import InputError
from ebsif.lock.conda.foreign import Pinned, pinned_file
from ebsif.lock.pip.foreign import direct, is_of_default
from ebsif.lock.pip.line import Entry, Line
from ebsif.lock.pip.locked import File, Package, Source, file_of

# Keys at the beginning of lines that it has, and nothing else that is read as an environment.
_KEYS = tuple(re.compile(rf"^{key}:", re.MULTILINE) for key in ("version", "environments", "packages"))
# The line of a package in the list of all.
_PLACE = re.compile(r"^- \w+: (?P<place>\S+)$")
_DEFAULT = "default"
_REMEDY = "lock again with `pixi lock`"


def is_pixi(text: str) -> bool:
    """Tell whether a text is that of a ``pixi.lock``."""
    return all(key.search(text) for key in _KEYS)


def read_pixi(text: str, path: Path, platform: str | None, name: str | None) -> tuple[list[Pinned], list[Entry]]:
    """Return the files of conda that a ``pixi.lock`` lists for a platform, and what it leaves to pip.

    Parameters
    ----------
    text
        The text of the file.
    platform
        What conda calls the machine of the base; None when that is not known, and nothing is chosen.
    name
        The environment to have; None for the one of the name ``default``.

    Raises
    ------
    InputError
        With the line, for a file without SHA256; or when it has nothing for the platform.
    """
    try:
        lock = LockFile.from_path(path)
    except ParseCondaLockError as error:
        raise InputError(path, [(None, f"not a lock of pixi: {' '.join(str(error).split())}")]) from error
    environment = lock.environment(name or _DEFAULT)
    if environment is None:
        known = ", ".join(sorted(each for each, _ in lock.environments())) or "none"
        message = f"there is no environment '{name or _DEFAULT}' in it; there are: {known} (`pixi_environment`)"
        raise InputError(path, [(None, message)])
    lines: dict[str, int] = {}
    for at, line in enumerate(text.splitlines(), 1):
        if place := _PLACE.match(line):
            lines.setdefault(place["place"], at)
    pinned, pip = [], []
    for package in _packages(environment, path, platform):
        number = lines.get(package.location)
        if isinstance(package, CondaLockedBinaryPackage):
            pinned.append(pinned_file(_url(package, path), _sha256(package), _REMEDY, platform, path, number))
        elif isinstance(package, PypiLockedPackage):
            pip.append(_entry(package, path, number))
        else:
            message = f"{package.name} is built from its sources ({package.location}): build it, and name its channel"
            raise InputError(path, [(number, message)])
    return pinned, pip


def _packages(environment: Environment, path: Path, platform: str | None) -> list[LockedPackage]:
    """Return the packages for a platform."""
    if platform is None:
        return []
    there = {str(each.subdir): each for each in environment.platforms()}
    if platform not in there:
        message = f"the lock is for {', '.join(sorted(there)) or 'no platform'}, and the base is {platform}"
        raise InputError(path, [(None, f"{message}: add it to `platforms` of the workspace, and {_REMEDY}")])
    return environment.packages(there[platform]) or []


def _url(package: LockedPackage, path: Path) -> str:
    """Return where a package lies: what lies on this machine is written as a path, perhaps as seen from the lock."""
    location = package.location
    return location if "://" in location else (path.parent / location).absolute().as_uri()


def _sha256(package: LockedPackage) -> str | None:
    try:
        digest = package.hashes.sha256 if package.hashes else None
    except AttributeError:
        return None  # what the library wraps is None where the lock has no hash
    return digest.hex() if digest else None


def _entry(package: PypiLockedPackage, path: Path, number: int | None) -> Entry:
    """Return a package that is left to pip, as a line of requirements."""
    location, digest = package.location, _sha256(package)
    hashes = (f"sha256:{digest}",) if digest else ()
    if is_of_default(location):
        return Entry(f"{package.name}=={package.version}", path, number, hashes)
    is_url = location.startswith(("http://", "https://"))
    source = Source("url" if is_url else "path", location.partition("#")[0])
    if location.startswith("git+"):
        source = Source.of_git_url(location)
    found = direct(
        Package(package.name, None, number, (File(file_of(location), *hashes),), source=source),
        Line(package.name, path, number),
    )
    return Entry(source.value if found.local else found.text, path, number, hashes)
