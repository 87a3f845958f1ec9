"""Locks of other tools: the packages that they have for a base become requirements with version and hashes.

pip resolves with these as ever, so that what the base has is left out or refused by the same rule. Packages that only
others need become constraints: where the base's package needs something else, they are not installed.
"""

import re
from collections.abc import Callable, Sequence, Set
from pathlib import Path

from packaging.pylock import is_valid_pylock_path
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.errors import InputError
from ebsif.files import is_there, read_text
from ebsif.lock.model import PIP
from ebsif.lock.pip.line import Entry, Line
from ebsif.lock.pip.locked import Destination, ForeignLock, Package, best_wheel
from ebsif.lock.pip.network import PYPI, default_index
from ebsif.lock.pip.options import Options
from ebsif.lock.pip.poetry import is_poetry, read_poetry
from ebsif.lock.pip.pylock import is_pylock, read_pylock
from ebsif.lock.pip.requirements import Requirements, placed_line, read_line, url_on_disk
from ebsif.lock.pip.toml import Toml, parse_toml
from ebsif.lock.pip.uv import is_uv, read_uv
from ebsif.recipe import LockFile
from ebsif.values import index_url

# A lock of a large workspace has tens of thousands of lines.
MAXIMUM_SIZE = 20_000_000

_Reader = Callable[[Toml, Sequence[str], Sequence[str], Destination], ForeignLock]
_READERS: tuple[tuple[Callable[[Toml], bool], _Reader], ...] = (
    (is_pylock, read_pylock),
    (is_poetry, read_poetry),
    (is_uv, read_uv),
)
# What no requirements file has: TOML's headers of the packages, and the key that a `pylock.toml` begins with.
_LOCK = re.compile(r"^(\[\[\s*packages?\s*\]\]|lock-version\s*=)", re.MULTILINE)
_NAMES = ("uv.lock", "poetry.lock")
# What else people take for one, by lines that it has.
_OTHERS = {
    r"^environments:\s*$": "this is a lock of pixi: name it by `environment` (`ebsif new -f`)",
    r"^\[(project|build-system)\]\s*$": "this is a pyproject.toml: name it by `pyproject` (`ebsif new -p`)",
}
# Where the files of PyPI lie; those of other indexes lie beside their lists.
_PYPI_FILES = "https://files.pythonhosted.org/"
_URL = re.compile(r"https?://[^\s;#]+")
_REPOSITORY = re.compile(r"[a-z]+\+[^\s;]+")
# What locks call a file or a folder.
_ON_DISK = ("path", "file", "directory", "editable")
_PATH = re.compile(r"[^\s;#\[\]]+\.whl")


def is_lock(text: str, path: Path) -> bool:
    """Tell whether a file is a lock of another tool, by its name and the beginnings of its lines."""
    return path.name in _NAMES or is_valid_pylock_path(path) or bool(_LOCK.search(text))


def lock_text(entry: Entry) -> str | None:
    """Return the text of a file that is a lock; None for a requirements file, and for what is no file.

    Raises
    ------
    InputError
        When it is something that another key is for.
    """
    path = entry.path.parent / entry.text
    if not is_there(path, Path.is_file):
        return None
    text = read_text(path, MAXIMUM_SIZE)
    for line, message in _OTHERS.items():
        if re.search(line, text, re.MULTILINE):
            raise InputError(path, [(None, message)])
    return text if is_lock(text, path) else None


def read_lock(
    text: str, entry: Entry, wanted: LockFile, destination: Destination, *, allowed: Set[str], named: Set[str]
) -> Requirements:
    """Return what a lock of another tool has for a base, as requirements.

    Parameters
    ----------
    text
        The text of the file.
    entry
        The file, and where the recipe names it.
    wanted
        What the recipe takes of it.
    allowed
        The packages of the base that may be replaced.
    named
        The packages whose file the recipe names itself.

    Raises
    ------
    InputError
        With file and line, for what is no such lock, and for what does not fit the base.
    """
    path = entry.path.parent / entry.text
    toml = parse_toml(text, path)
    reader = next((read for is_it, read in _READERS if is_it(toml)), None)
    if reader is None:
        raise InputError(path, [(None, "no lock that can be read: it is none of pylock.toml, uv.lock and poetry.lock")])
    lock = reader(toml, wanted.extras, wanted.groups, destination)
    _check_python(lock, destination)
    for name in wanted.unpin:
        if name not in {package.key for package in lock.packages}:
            message = f"unpin: {name} is not among what {path.name} has for this base"
            raise InputError(entry.path, [(entry.number, message)])
    packages = [package for package in lock.packages if package.key not in {*named, PIP.key}]
    _check_base([package for package in packages if package.key not in {*wanted.unpin, *allowed}], lock, destination)
    return _requirements(packages, lock, set(wanted.unpin), destination)


def _check_python(lock: ForeignLock, destination: Destination) -> None:
    """Refuse the lock of a project that the base's Python cannot run."""
    if lock.python is None or not destination.is_known:
        return
    try:
        fits = SpecifierSet(lock.python.text).contains(destination.markers["python_full_version"], prereleases=True)
    except InvalidSpecifier as error:
        raise lock.python.error(f"{lock.python.text!r} is not a range of versions, as in '>=3.11'") from error
    if not fits:
        raise lock.python.error(
            f"the lock is for Python {lock.python.text}, and the base has {destination.markers['python_full_version']}:"
            " lock again with a range that includes it, or take another base"
        )


def _check_base(packages: Sequence[Package], lock: ForeignLock, destination: Destination) -> None:
    """Refuse packages in another version than the base has, all of them at once."""
    found = [package for package in packages if _there(package, destination) is False]
    if found:
        problems: list[tuple[int | None, str]] = [
            (package.number, f"{package.name} {package.version} is locked, and the base has "
                             f"{destination.packages[package.key][1]}")
            for package in found
        ]
        names = ", ".join(package.key for package in found)
        choice = (
            f"to keep what the base has, write `{{file: {lock.path.name}, unpin: [{names}]}}` into `requirements`; to "
            f"replace it in the layer, add it to `allow_base_packages`; or take another base"
        )
        raise InputError(lock.path, [*problems, (None, choice)])


def _there(package: Package, destination: Destination) -> bool | None:
    """Tell whether the base has a package in the version of the lock; None when it has none, or nobody can compare."""
    there = destination.packages.get(package.key)
    if there is None or package.version is None:
        return None
    try:
        return SpecifierSet(f"=={package.version}").contains(Version(there[1]), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


def _requirements(
    packages: Sequence[Package], lock: ForeignLock, unpinned: Set[str], destination: Destination
) -> Requirements:
    asked, others, indexes = list[Line](), list[Line](), list[str]()
    ignored = dict(lock.ignored)
    for package in packages:
        place = Line(package.name, lock.path, package.number)
        if package.key in unpinned:
            ignored[f"{package.name}=={package.version}"] = f"`unpin` names it ({lock.path.name})"
            if package.is_asked:
                asked.append(_checked(_name(package), package, place))
            continue
        line = _line(package, place, destination)
        (asked if package.is_asked or line.is_file else others).append(line)
        if package.index and not _is_default(package.index):
            try:
                indexes.append(index_url(package.index))
            except ValueError as error:
                raise place.error(str(error)) from error
    options = Options(extra_indexes=tuple(dict.fromkeys(indexes)))
    return Requirements(tuple(asked), tuple(others), options, ignored)


def _line(package: Package, place: Line, destination: Destination) -> Line:
    """Return the requirement of a package, or the constraint, which has no extras."""
    if _there(package, destination):
        return _checked(f"{_name(package)}=={package.version}", package, place)
    if package.source:
        return direct(package, place)
    if package.files and not package.hashes:
        raise place.error(f"{package.name} has no SHA256 in the lock: lock again on an index that states it")
    placed = [file for file in package.files if file.url or file.path]
    if package.index is None and placed and not any(is_of_default(file.url) for file in placed):
        return _of_file(package, place, destination)
    if package.version is None:
        raise place.error(f"{package.name} has no version")
    return _checked(f"{_name(package)}=={package.version}", package, place)


def _name(package: Package) -> str:
    """Return a package as a requirement names it, or a constraint, which has no extras."""
    return _with_extras(package) if package.is_asked else package.name


def _with_extras(package: Package) -> str:
    return f"{package.name}[{','.join(package.extras)}]" if package.extras else package.name


def _checked(text: str, package: Package, place: Line) -> Line:
    """Return a line of a package, which nothing but its name and version may be."""
    try:
        canonicalize_name(package.name, validate=True)
        requirement = Requirement(text)
        Version(package.version or "0")
    except (InvalidName, InvalidRequirement, InvalidVersion) as error:
        raise place.error(f"{text!r} is not a package with a version: {str(error).splitlines()[0]}") from error
    return Line(str(requirement), place.path, place.number, package.name, package.hashes)


def _of_file(package: Package, place: Line, destination: Destination) -> Line:
    """Return the requirement of a package whose files no index is named for."""
    file = best_wheel(package, destination)
    if file is None:
        raise place.error(
            f"no wheel of {package.name} {package.version} in the lock fits Python "
            f"{destination.markers['python_version']} on {destination.markers['platform_machine']}"
        )
    return _at(file.url, file.path, package, place, (file.sha256,) if file.sha256 else ())


def direct(package: Package, place: Line) -> Line:
    """Return the requirement of a package that comes from no index; all such sources are taken or refused here.

    Raises
    ------
    InputError
        With the line, for a file without a SHA256, and for what nothing can be built of.
    """
    assert package.source
    kind, value = package.source.kind, package.source.value
    if kind == "url":
        return _at(value, None, package, place, package.hashes)
    if kind in ("path", "file") and value.endswith(".whl"):
        return _at(None, value, package, place, package.hashes)
    _checked(package.name, package, place)
    entry = Entry(_with_extras(package), place.path, place.number, package.hashes)
    if kind in _ON_DISK:
        return placed_line(entry, url_on_disk(place.path.parent / value, entry), value)
    if _REPOSITORY.fullmatch(value):
        return placed_line(entry, value, value)
    raise place.error(f"{package.name} comes from {kind}, and {value!r} is not the address of a repository")


def _at(url: str | None, path: str | None, package: Package, place: Line, hashes: Sequence[str]) -> Line:
    """Return the requirement of a package with its file: a URL, or a path beside the lock."""
    if not hashes:
        raise place.error(f"{package.name} has no SHA256 in the lock, so that its file cannot be taken")
    _checked(package.name, package, place)
    if url:
        found = _URL.match(url)
        if found is None or url[found.end() :][:1] not in ("", "#"):
            raise place.error(f"{url!r} is not the URL of a file")
        text = f"{_with_extras(package)} @ {found[0]}"
    else:
        if path is None or not _PATH.fullmatch(path):
            raise place.error(f"{path!r} is not the path of a wheel that can be taken over: add it to `packages`")
        text = (path if path.startswith("/") else f"./{path}") + _with_extras(package).removeprefix(package.name)
    return read_line(Entry(text, place.path, place.number, tuple(hashes)))


def _is_default(index: str) -> bool:
    """Tell whether an index is the one that counts as PyPI here, too."""
    return index.rstrip("/") == PYPI or index.rstrip("/") == default_index().rstrip("/")


def is_of_default(url: str | None) -> bool:
    """Tell whether a file is one of the default index, by its address: not all tools write the index they have read."""
    beside_index = default_index().rstrip("/").rpartition("/")[0]
    return bool(url) and str(url).startswith((_PYPI_FILES, f"{beside_index}/"))
