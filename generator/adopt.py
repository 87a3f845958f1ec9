"""What is in an environment that somebody has made by hand, as what a recipe asks for."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name, canonicalize_version
from packaging.version import InvalidVersion, Version

from ebsif.errors import EbsifError
from ebsif.finding import Finding
from ebsif.values import holds_secret

# Every environment has its own, whoever installs.
_OWN = frozenset({"pip"})
# What `python -m venv` and others put into each environment, unless somebody has asked for it.
_USUAL = frozenset({"setuptools", "wheel"})
# What Python and layers of ours have there.
_MADE = frozenset({"__pycache__", "_ebsif_layer.py", "ebsif_layer.pth"})
# As many files that no package tells of are named.
_NAMED = 5


@dataclass(frozen=True)
class Found:
    """A package in an environment.

    Parameters
    ----------
    name, version
        As it calls itself; no version where only its address is known.
    url
        Where it came from, as pip reads it; None for an index.
    asked
        Whether a person has asked for it, and not another package.
    """

    name: str
    version: str | None = None
    url: str | None = None
    asked: bool = True

    @property
    def key(self) -> str:
        """Its name as it is compared."""
        return canonicalize_name(self.name)


@dataclass(frozen=True)
class Adopted:
    """What a recipe asks for to get the same again.

    Parameters
    ----------
    packages
        What was asked for.
    pins
        The versions of all, as constraints.
    replaced
        Packages of the base that the environment has in another version.
    report
        What was taken over, and what was not.
    """

    packages: tuple[str, ...]
    pins: tuple[str, ...]
    replaced: tuple[str, ...]
    report: tuple[Finding, ...]


@dataclass
class _Taken:
    """What was found so far."""

    found: list[Found] = field(default_factory=list)
    report: list[Finding] = field(default_factory=list)

    def leave(self, what: str, why: str) -> None:
        self.report.append(Finding("left out", f"{what}: {why}", "warning"))


def of_folder(folder: Path, base: Mapping[str, str], python: str | None) -> Adopted:
    """Return what is in a venv, or in a layer that its user has filled.

    Parameters
    ----------
    base
        Version by name of the packages of the base.
    python
        The minor version of its Python, such as 3.12.

    Raises
    ------
    EbsifError
        When there is no environment in the folder, or more than one.
    """
    packages = _site_packages(folder)
    taken = _Taken()
    made_for = packages.parent.name.removeprefix("python")
    if python and made_for != python and made_for[:1].isdigit():
        said = f"{packages} is for Python {made_for}, and the base has {python}: versions may differ"
        taken.report.append(Finding("Python", said, "warning"))
    owned: set[str] = set()
    for distribution in distributions(path=[str(packages)]):
        owned |= {file.parts[0] for file in distribution.files or ()}
        _take(distribution, taken)
    _tell_of_others(packages, owned, taken)
    return _adopted(taken, base)


def of_freeze(text: str, base: Mapping[str, str]) -> Adopted:
    """Return what ``pip freeze`` has listed.

    Parameters
    ----------
    base
        Version by name of the packages of the base.
    """
    taken = _Taken()
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith("#"):
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            taken.leave(line, "it is no package with a version or an address")
            continue
        versions = [each.version for each in requirement.specifier if each.operator == "=="]
        found = Found(requirement.name, versions[0] if versions else None, requirement.url)
        _add(found, taken, {canonicalize_name(name) for name in base})
    return _adopted(taken, base)


def _site_packages(folder: Path) -> Path:
    """Return the folder for packages of the only environment in a folder."""
    if folder.name == "site-packages":
        return folder
    # A venv itself, or those in a layer, below venv/.
    places = (path for above in ("", "*/", "*/*/") for path in folder.glob(f"{above}lib/python3*/site-packages"))
    found = sorted(path for path in places if path.is_dir())
    if any(folder.glob("**/conda-meta")) and len(found) != 1:
        raise EbsifError(
            f"{folder} has environments of conda: `conda env export -p FOLDER` writes what `ebsif new --from-env` reads"
        )
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none"
        raise EbsifError(f"{folder} must have one environment of Python, and has {len(found)} ({names}): name one")
    return found[0]


def _take(distribution: Distribution, taken: _Taken) -> None:
    """Take over an installed package, unless something is wrong with it."""
    name, place = distribution.metadata["Name"], getattr(distribution, "_path", None)
    try:
        canonicalize_name(name or "", validate=True)
        version = str(Version(distribution.version))
    except (InvalidName, InvalidVersion, TypeError):
        taken.leave(str(name or place), "what it says of itself has no name and version that pip accepts")
        return
    asked = distribution.read_text("REQUESTED") is not None
    origin = distribution.read_text("direct_url.json")
    try:
        url = _url(json.loads(origin)) if origin else None
    except (KeyError, TypeError, ValueError) as error:
        taken.leave(f"{name} {version}", f"where it came from cannot be read ({error})")
        return
    _add(Found(name, version, url, asked), taken)


def _url(origin: Mapping[str, Any]) -> str:
    """Return the address in a ``direct_url.json`` (the specification of recorded direct URLs) as pip reads it."""
    url, fragment = str(origin["url"]), origin.get("subdirectory")
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f"{url}#subdirectory={fragment}" if fragment else url


def _add(found: Found, taken: _Taken, base: Iterable[str] = ()) -> None:
    """Add a package, unless its origin cannot be used by others."""
    if found.key in _OWN or (found.key in _USUAL and not found.asked):
        return
    if found.url and holds_secret(found.url):
        taken.leave(found.name, "its address holds a password or token: name it in the recipe without, see ~/.netrc")
    elif found.url and found.url.startswith("file:") and found.key not in base:
        taken.leave(found.name, f"it was installed from {found.url}: name that in the recipe, if it is still there")
    else:
        taken.found.append(found)


def _tell_of_others(packages: Path, owned: set[str], taken: _Taken) -> None:
    """Tell of files that no package has brought."""
    others = [path.name for path in sorted(packages.iterdir()) if path.name not in owned and _is_somebodys(path)]
    if others:
        named = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
        taken.leave(named, f"no package has brought this into {packages}")


def _is_somebodys(path: Path) -> bool:
    return path.suffix not in (".dist-info", ".egg-info") and path.name not in _MADE


def _adopted(taken: _Taken, base: Mapping[str, str]) -> Adopted:
    """Return what is not in the base, and a report of all."""
    there: dict[str, str] = {canonicalize_name(name): version for name, version in base.items()}
    own = [found for found in taken.found if not _is_of_base(found, there)]
    asked = [found for found in own if found.asked] or own
    replaced = sorted(found.name for found in own if found.key in there)
    return Adopted(
        tuple(_sorted(f"{found.name} @ {found.url}" if found.url else found.name for found in asked)),
        tuple(_sorted(f"{found.name}=={found.version}" for found in own if found.version and not found.url)),
        tuple(replaced),
        tuple(_report(taken, own, asked, there)),
    )


def _is_of_base(found: Found, there: Mapping[str, str]) -> bool:
    """Tell whether the base has a package, in this version if there is one."""
    if found.key not in there:
        return False
    return found.version is None or canonicalize_version(found.version) == canonicalize_version(there[found.key])


def _sorted(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=str.lower)


def _report(taken: _Taken, own: list[Found], asked: list[Found], there: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding("packages", f"{len(own)} packages are taken over, {len(asked)} of them were asked for")
    of_base = len(taken.found) - len(own)
    if of_base:
        yield Finding("base", f"{of_base} are in the base, in the same version")
    for found in own:
        if found.key in there:
            said = f"{found.name} {found.version} replaces {there[found.key]} of the base (`allow_base_packages`)"
            yield Finding("replaced", said, "warning", "to use the base's, remove it there and in the constraints")
    yield from taken.report
