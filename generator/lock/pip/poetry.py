"""Reading ``poetry.lock``: it says of each package which groups it belongs to, and for which machines it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from ebsif.lock.pip.line import Line
from ebsif.lock.pip.locked import Destination, File, ForeignLock, Package, Source, nobody_needs, sha256_of
from ebsif.lock.pip.toml import Toml

# The group of what a project itself depends on.
_MAIN = "main"
# An index that is not the default one, in Poetry's words.
_INDEX = "legacy"


def is_poetry(toml: Toml) -> bool:
    """Tell whether a file is a ``poetry.lock``."""
    metadata = toml.data.get("metadata")
    return isinstance(metadata, dict) and "lock-version" in metadata


def read_poetry(toml: Toml, extras: Sequence[str], groups: Sequence[str], destination: Destination) -> ForeignLock:
    """Return what a ``poetry.lock`` has for a base.

    Raises
    ------
    InputError
        With the line, for what cannot be read, and for extras and groups that are not there.
    """
    metadata = toml.part(toml.data, "metadata", dict)
    if not str(metadata["lock-version"]).startswith("2.") or metadata["lock-version"] == "2.0":
        raise toml.error(
            toml.line_of("lock-version"),
            f"the lock has format {metadata['lock-version']}, which does not say which group a package belongs to: "
            "`poetry lock` of Poetry 2.0 or newer writes one that does",
        )
    entries = toml.tables("package")
    known = {str(canonicalize_name(str(name))) for name in toml.part(toml.data, "extras", dict)}
    there = {group for table, number in entries for group in _groups(toml, table, number)}
    for word, names, of in (("extra", extras, known), ("group", groups, there)):
        for name in names:
            if name not in of:
                raise toml.error(None, f"there is no {word} '{name}'; there are: {', '.join(sorted(of)) or 'none'}")
    wanted = (_MAIN, *groups)
    chosen = [
        (table, number) for table, number in entries if _is_chosen(toml, table, number, wanted, extras, destination)
    ]
    # Poetry does not write which extras of a package are wanted: what only these need is asked for like the package.
    needs = {
        str(canonicalize_name(_text(toml, table, "name", number))): {
            str(canonicalize_name(name))
            for name, need in toml.part(table, "dependencies", dict, number).items()
            if not (isinstance(need, dict) and need.get("optional"))
        }
        for table, number in chosen
    }
    first = nobody_needs(needs)
    left_out = {f"the group {name}": "the recipe does not name it in `groups`" for name in there - set(wanted)}
    left_out |= {f"the extra {name}": "the recipe does not name it in `extras`" for name in known - set(extras)}
    packages = tuple(_package(toml, table, number, first) for table, number in chosen)
    return ForeignLock(toml.path, packages, _python(toml, metadata), left_out)


def _python(toml: Toml, metadata: Mapping[str, Any]) -> Line | None:
    """Return the versions of Python that the project allows; what only Poetry can read (`^3.11`) is left to pip."""
    text = toml.part(metadata, "python-versions", str)
    try:
        return Line(text, toml.path, toml.line_of(f'python-versions = "{text}"')) if SpecifierSet(text) else None
    except InvalidSpecifier:
        return None


def _groups(toml: Toml, table: Mapping[str, Any], number: int | None) -> list[str]:
    return [str(canonicalize_name(str(group))) for group in toml.part(table, "groups", list, number)]


def _is_chosen(
    toml: Toml,
    table: Mapping[str, Any],
    number: int | None,
    wanted: Sequence[str],
    extras: Sequence[str],
    destination: Destination,
) -> bool:
    """Tell whether a package belongs to a group that is wanted, and its marker holds."""
    marks = table.get("markers", "")
    for group in set(_groups(toml, table, number)) & set(wanted):
        # A text for all groups, or a table with one for each that has any.
        marker = marks.get(group, "") if isinstance(marks, dict) else marks
        try:
            if destination.holds(str(marker), extras):
                return True
        except ValueError as error:
            raise toml.error(number, str(error)) from error
    return False


def _package(toml: Toml, table: Mapping[str, Any], number: int | None, first: set[str]) -> Package:
    name, version = (_text(toml, table, key, number) for key in ("name", "version"))
    source = toml.part(table, "source", dict, number)
    kind, url = (toml.part(source, key, str, number) for key in ("type", "url"))
    commit, folder = (toml.part(source, key, str, number) for key in ("resolved_reference", "subdirectory"))
    place = Source.of_git(url, commit, folder) if kind == "git" else Source(kind, url)
    elsewhere = place if source and kind != _INDEX else None
    files = tuple(_files(toml, table, number))
    is_asked = canonicalize_name(name) in first
    return Package(name, version, number, files, url if kind == _INDEX else None, elsewhere, is_asked=is_asked)


def _files(toml: Toml, table: Mapping[str, Any], number: int | None) -> Iterator[File]:
    for item in toml.part(table, "files", list, number):
        if not isinstance(item, dict):
            raise toml.error(number, "files must be a list of tables")
        yield File(toml.part(item, "file", str, number), sha256_of(item.get("hash")))


def _text(toml: Toml, table: Mapping[str, Any], key: str, number: int | None) -> str:
    value = table.get(key)
    if not (isinstance(value, str) and value):
        raise toml.error(number, f"a package without {key}: this is not as Poetry writes it")
    return value
