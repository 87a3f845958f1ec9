"""What pip has passed over without a word: source packages, which are not installed unless a recipe allows it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.errors import ConflictError
from ebsif.lock.pip.report import Report, dependencies
from ebsif.lock.pip.request import PipRequest

# What pip logs of each file that an index lists.
_SOURCE = re.compile(
    r" Skipping link: No sources permitted for (?P<name>\S+): (?P<url>\S+)(?: \(from [^)]*\))?"
    r"(?: \(requires-python:(?P<python>.+)\))?$"
)
_WHEEL = re.compile(r" Found link (?P<url>\S+\.whl)\b.*, version: (?P<version>\S+)$")
_SUFFIX = re.compile(r"\.(tar\.\w+|tgz|zip)$")


@dataclass
class Offered:
    """The versions of a package that the indexes have.

    Parameters
    ----------
    wheels
        Those with a wheel that fits.
    sources
        Those with a source package, with the versions of Python that it is for.
    """

    wheels: set[Version] = field(default_factory=set)
    sources: dict[Version, SpecifierSet] = field(default_factory=dict)


def offered(log: Iterable[str]) -> Mapping[str, Offered]:
    """Return what the indexes have of each package, by the name by which it is compared.

    Parameters
    ----------
    log
        What pip has logged.
    """
    found: dict[str, Offered] = {}
    for line in log:
        source, wheel = _SOURCE.search(line.rstrip()), _WHEEL.search(line.rstrip())
        try:
            if source:
                package = found.setdefault(canonicalize_name(source["name"]), Offered())
                version = _version_of(source["url"], source["name"])
                package.sources[version] = SpecifierSet(source["python"] or "")
            elif wheel:
                name = unquote(urlsplit(wheel["url"]).path).rpartition("/")[2].split("-")[0]
                found.setdefault(canonicalize_name(name), Offered()).wheels.add(Version(wheel["version"]))
        except (InvalidVersion, InvalidSpecifier):
            continue  # pip takes no such file
    return found


def _version_of(url: str, name: str) -> Version:
    """Return the version that the name of a source package tells, given the package."""
    stem = _SUFFIX.sub("", unquote(urlsplit(url).path).rpartition("/")[2])
    # Each dash may be the one between name and version.
    for at in re.finditer("-", stem):
        if canonicalize_name(stem[: at.start()]) == canonicalize_name(name):
            return Version(stem[at.end() :])
    raise InvalidVersion(stem)


def passed_over(report: Report, request: PipRequest, log: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each package that has a newer release as a source package only.

    Raises
    ------
    ConflictError
        When a pre-release that nobody has asked for was taken in its place.
    """
    there, environment = offered(log), report["environment"]
    wanted: dict[str, list[SpecifierSet]] = {}
    for requirement in _requirements(report, request):
        wanted.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    for item in report["install"]:
        name, version = item["metadata"]["name"], Version(item["metadata"]["version"])
        key = canonicalize_name(name)
        package = there.get(key, Offered())
        if item["is_direct"]:
            continue
        ranges = wanted.get(key, [])
        sources = {
            found
            for found, pythons in package.sources.items()
            if not found.is_prerelease
            and pythons.contains(environment["python_full_version"], prereleases=True)
            and all(each.contains(found, prereleases=True) for each in ranges)
        }
        is_asked = request.options.pre or any(each.prereleases for each in ranges)
        newest = max(sources, default=version)
        if sources and version.is_prerelease and not is_asked:
            raise ConflictError(
                f"{name} {newest} is there as a source package only, and {version} is a pre-release that nobody asked "
                f"for: add {key} to `allow_source`, or write {name}=={version}"
            )
        wheels = {found for found in package.wheels if is_asked or not found.is_prerelease}
        if newest > max({version, *wheels}):
            yield (
                f"{name} {newest} is there as a source package only, and {version} is taken: add {key} to "
                f"`allow_source`, or write {name}=={version} if that is meant"
            )


def _requirements(report: Report, request: PipRequest) -> Iterator[Requirement]:
    """Yield all that was asked for, and that what is installed depends on."""
    for line in (*request.requirements, *request.constraints):
        try:
            requirement = Requirement(line.text)
        except InvalidRequirement:
            continue  # an address
        if requirement.marker is None or requirement.marker.evaluate({**report["environment"], "extra": ""}):
            yield requirement
    for item in report["install"]:
        yield from dependencies(item, report["environment"])
