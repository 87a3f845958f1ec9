"""The reasons that the solver gives, shortened and in our words."""

import re
from collections.abc import Mapping, Sequence

from ebsif.errors import ConflictError, EbsifError
from ebsif.lock.conda.request import CondaRequest, Spec, places

_LEAD = "Cannot solve the request because of: "
_NONE = re.compile(r"No candidates were found for (?P<name>[^\s.]\S*) (?P<version>.+?)\.(?=\n|$)")
_NEEDED = re.compile(
    r"(?P<who>[\w.-]+ [^\n]+?) would require\n[^\w\n]*(?P<name>__\w+) (?P<version>[^\n]+?), for which no candidates"
)
_OTHER_SYSTEMS = {"__win": "Windows", "__osx": "macOS"}
_LINES = 12
_KNOWN_VERSIONS = 8  # that a message lists


def missing_name(explanation: str) -> tuple[str, str] | None:
    """Return name and version of the package that the channels lack, if that is the solver's reason."""
    match = _NONE.search(explanation)
    return (match["name"], match["version"]) if match else None


def no_candidates(
    name: str, version: str, request: CondaRequest, versions: Sequence[str], elsewhere: Sequence[str], platform: str
) -> ConflictError:
    """Return an error about a package that the channels do not have.

    Parameters
    ----------
    versions
        The versions that they have of it, or the builds of the version that is asked for, the newest last.
    elsewhere
        The other platforms that they have it for.
    """
    specs = [spec for spec in request.specs if spec.name == name]
    place = f" ({', '.join(spec.place for spec in specs)})" if specs else ""
    what = name if version == "*" else f"{name} {version}"
    where = f"the channels ({', '.join(request.channels)})"
    if versions:
        listed = ", ".join(versions[-_KNOWN_VERSIONS:])
        # Builds are listed where the version is there.
        hint = "; leave the build out to take any" if "=" in listed else ""
        return ConflictError(f"{where} have no {what}{place}; the newest are: {listed}{hint}")
    if elsewhere:
        return ConflictError(f"{what}{place} is only there for {', '.join(elsewhere)}, and the base is {platform}")
    return ConflictError(f"{where} have no {what}{place}: is the name right?")


def only_elsewhere(
    name: str, request: CondaRequest, first: int, versions: Sequence[str], rank: int
) -> ConflictError:
    """Return an error about a package of which the first channel that has it has nothing that fits.

    Parameters
    ----------
    first, rank
        The numbers of that channel and of the one that has something.
    versions
        The versions that the first one has, the newest last.
    """
    specs = [spec for spec in request.specs if spec.name == name]
    what = places(specs) if specs else name
    one, other = request.channels[first], request.channels[rank]
    listed = ", ".join(versions[-_KNOWN_VERSIONS:])
    return ConflictError(
        f"{what}: the channel {one} has {name}, but nothing that fits (it has {listed}), "
        f"and {other} comes behind it: write {other}::{specs[0].text if specs else name} to take it from there, or put "
        f"{other} first"
    )


def unsolvable(explanation: str, request: CondaRequest, virtual: Mapping[str, tuple[str, str]]) -> ConflictError:
    """Return an error that says what the solver has said."""
    needed = _NEEDED.search(explanation)
    direct = _NONE.search(explanation)
    if needed:
        return ConflictError(_of_machine(needed["who"], needed["name"], needed["version"], virtual))
    if direct and direct["name"].startswith("__"):
        return ConflictError(_of_machine("the environment", direct["name"], direct["version"], virtual))
    text = explanation.strip().removeprefix(_LEAD)
    lines = [line for line in text.splitlines() if line.strip()]
    more = [f"… and {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
    told = "\n".join([*lines[:_LINES], *more])
    return ConflictError(f"packages conflict: {told}\nAsked for: {places(_named(text, request))}")


def of_machine(who: str, requirement: str, virtual: Mapping[str, tuple[str, str]]) -> str:
    """Return a sentence about a requirement that the machine does not meet, given as ``__glibc >=2.40``."""
    name, _, version = requirement.partition(" ")
    return _of_machine(who, name, version or "*", virtual)


def _of_machine(who: str, name: str, version: str, virtual: Mapping[str, tuple[str, str]]) -> str:
    if name in _OTHER_SYSTEMS:
        return f"{who} is for {_OTHER_SYSTEMS[name]}, and the base is Linux"
    what = {"__glibc": "glibc", "__linux": "Linux"}.get(name, name)
    needs = f"{who} needs {what}" + ("" if version == "*" else f" {version}")
    has = " ".join(part for part in virtual.get(name, ()) if part != "0")
    if name == "__glibc":
        return f"{needs}, and the base has " + (f"glibc {has}" if has else "none")
    if name in virtual:
        return f"{needs}, and for the base it is {has}"
    return f"{needs}, which the base does not tell of: if every machine has it, add it to `virtual_packages`"


def _named(text: str, request: CondaRequest) -> list[Spec]:
    """Return the packages asked for that an explanation names, or all of them if it names none."""
    found = [spec for spec in request.specs if re.search(rf"(?<![\w.-]){re.escape(spec.name)}(?![\w-])", text)]
    return found or list(request.specs)


def unreachable(error: Exception, request: CondaRequest) -> EbsifError:
    """Return an error about a channel that cannot be used."""
    lines = [line.removeprefix("Caused by: ") for line in str(error).splitlines() if line.strip()]
    missing = re.match(r"could not find subdir '.+' in channel '(?P<channel>.+)'", lines[0])
    if missing:
        return EbsifError(f"there is no channel at {missing['channel']}: {lines[-1]}")
    url = re.search(r"url \((?P<url>[^)]+)\)", str(error))
    if url is None:
        return EbsifError(f"a channel cannot be used ({', '.join(request.channels)}): {lines[-1]}")
    return EbsifError(f"the channel cannot be reached ({url['url'].rpartition('/')[0]}): {lines[-1]}")
