"""The reasons that pip gives, shortened and in our words."""

import posixpath
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ebsif.errors import ConflictError, EbsifError
from ebsif.inside.room import amount
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.network import unused_settings
from ebsif.lock.pip.passed import Offered, offered
from ebsif.lock.target import BASE, Installed, Target
from ebsif.process import LEAST, in_vain
from ebsif.scratch import ELSEWHERE

_CAUSES = re.compile(r"^The conflict is caused by:\n(?P<causes>(?: +.+\n?)+)", re.MULTILINE)
_CAUSE = re.compile(
    r"^ +(?P<who>The user requested(?: \(constraint\))?|\S+ \S+ depends on) (?P<what>.+)$", re.MULTILINE
)
_NONE = re.compile(
    r"^ERROR: Could not find a version that satisfies the requirement (?P<what>.+?)"
    r"(?: \(from (?P<who>(?!versions: )[^)]+)\))? \(from versions: (?P<versions>.*)\)$",
    re.MULTILINE,
)
# Only the last try is a reason.
_NETWORK = re.compile(
    r"Retrying \(Retry\(total=0\b|HTTP error \d+|Could not fetch URL|Could not install packages due to an OSError: HTTP"
)
# pip does not say which ones.
_BACKEND = re.compile(r"Failed to build '(?P<name>[^']+)' when installing backend dependencies")
_BUILD = re.compile(r"^ERROR: Failed to build '(?P<name>[^']+)'", re.MULTILINE)
_COMMAND = re.compile(r"^\S+\s+(?P<start>Running command )?(?P<end>ERROR: .* exited with \d+$)?")
# Metadata that this pip does not read, and older ones did: what is wrong, and the line of it.
_INVALID = re.compile(
    r"Ignoring version (?P<version>\S+) of (?P<name>\S+) since it has invalid metadata:\n"
    r".* has invalid metadata: (?P<reason>.+)(?:\n +(?P<line>\w.*))?"
)
_INVALID_BASE = re.compile(r"Cannot process installed package (?P<name>\S+) (?P<version>\S+)\s")
_NO_FILES = re.compile(r"no matching distributions available for your environment:\n(?P<names>(?: +\S+\n)+)")
# What an index has answered stands in pip's log alone; after 404, it just does not have the package.
_REFUSED = re.compile(r" Could not fetch URL (?P<url>\S+): (?P<reason>(?!404 ).+) - skipping$")
_STATUS = re.compile(r"^(\d{3}) (?:Client|Server) Error|too many (\d{3}) error responses")
_NO_PAGE = re.compile(r" Skipping page (?P<url>\S+) because .* Content-Type: (?P<kind>\S+?)\. ")
_FETCHED = re.compile(r" Fetching project page and analyzing links: (?P<url>\S+)$")
# What pip is about to wait for.
_PAGE = re.compile(r" (?:Getting page|Obtaining dependency information for \S+ from) (?P<url>\S+)$")
_LINK = re.compile(r" Found link (?P<url>\S+) \(from ")
_DOWNLOADING = re.compile(r" Downloading (?P<name>\S+)(?: \([^)]*\))?$")
_PACKAGE = re.compile(r"^\S+ (?:Collecting|Processing) (?P<name>\S+)")  # what it is built with is indented
_BUILDS = re.compile(
    r" (?:Installing (?:build|backend) dependencies|Getting requirements to build wheel|Preparing metadata)\b"
    r".*: started$"
)
_UNREADABLE = re.compile(r"^  File .*, in parse_links$", re.MULTILINE)
# As `drive.py` says it.
_ROOM = re.compile(
    r"^ERROR: no room for (?P<name>\S+): (?P<needed>\d+) bytes are needed, and (?P<free>\d+) are free$", re.MULTILINE
)
_HASHES = re.compile(r"THESE PACKAGES DO NOT MATCH THE HASHES")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)$")
_USER = ("The user requested", "The user requested (constraint)")
_KNOWN_VERSIONS = 8  # that a message lists
_LINES = 10
_CAUSES_SHOWN = 6
_REASON_SHOWN = 300  # characters


def explained(
    output: str, errors: str, target: Target | None, lines: Sequence[Line] = (), log: Iterable[str] = ()
) -> EbsifError:
    """Return an error that says what pip has said.

    Parameters
    ----------
    output, errors
        What pip has written; the reasons of a conflict are in its ordinary output.
    target
        The Python that it ran for; None when it ran on this machine.
    lines
        The requirements and constraints, with their places.
    log
        The lines of pip's log.
    """
    said = list(log)
    invalid: dict[str, str] = {canonicalize_name(match["name"]): _invalid(match) for match in _INVALID.finditer(errors)}
    causes = _CAUSES.search(output)
    if causes:
        found = [(match["who"], match["what"].strip()) for match in _CAUSE.finditer(causes["causes"])]
        none = _NO_FILES.search(output)
        names = {canonicalize_name(name) for name in none["names"].split()} if none else set()
        there_are = offered(said)
        missing_ones = [cause for cause in found if _package(cause[1]) in names]
        without = [cause for cause in missing_ones if _has_no_wheel(cause[1], target, there_are)]
        if without:
            who, what = without[0]
            who = who.removesuffix(" depends on")
            return ConflictError(_missing(what, None if who in _USER else who, "", target, lines, there_are))
        notes = [text for name, text in invalid.items() if name in {_package(what) for _, what in found}]
        return ConflictError("; ".join([_conflict(found, target, lines), *notes]))
    there = _INVALID_BASE.search(errors)
    if there:
        return ConflictError(
            f"{BASE} has {there['name']} {there['version']}, whose metadata pip does not accept any more: add "
            f"{canonicalize_name(there['name'])} to `allow_base_packages`, and a newer version of it to `packages`"
        )
    room = _ROOM.search(errors)
    if room:
        return EbsifError(
            f"there is no room to download {room['name']}: {amount(int(room['needed']))} are needed in "
            f"{tempfile.gettempdir()}, and {amount(int(room['free']))} are free; {ELSEWHERE}"
        )
    if _HASHES.search(errors):
        return EbsifError("a file has another SHA256 than the one given: " + _last_lines(errors))
    if _NETWORK.search(errors):
        reason = next(line for line in errors.splitlines() if _NETWORK.search(line))
        return EbsifError(f"the package index cannot be reached: {_network_reason(reason)}")
    backend = _BACKEND.search(errors)
    if backend:
        fitting = f" that fit {target.label}" if target else ""
        return ConflictError(
            f"{backend['name']} cannot be locked from source: its build backend asks for packages that have no wheels"
            f"{fitting}; look for a version of {backend['name']} with a wheel, or build one"
        )
    build = _BUILD.search(errors)
    if build:
        return EbsifError(
            f"{build['name']} cannot be locked from source, for which its build must run: {_said_by_build(said)}; a "
            f"build sees no packages of the image: look for a version of {build['name']} with a wheel, or build one"
        )
    missing = _NONE.search(errors)
    answer = _answer(_package(missing["what"]) if missing else None, errors, said)
    if answer:
        return EbsifError(answer)
    if missing:
        what, who, versions = missing["what"], missing["who"], missing["versions"]
        if _package(what) in invalid:
            return ConflictError(f"{invalid[_package(what)]}: take a newer version{_place(what, lines)}")
        return ConflictError(_missing(what, who, versions, target, lines, offered(said)))
    return EbsifError("pip failed: " + _last_lines(errors))


def stuck(log: Iterable[str], seconds: float) -> EbsifError:
    """Return an error about what pip was waiting for when it was ended.

    Parameters
    ----------
    log
        The lines of pip's log.
    seconds
        How long it has waited.
    """
    links: dict[str, str] = {}
    package, address, is_building = "a package", "it", False
    for line in log:
        if link := _LINK.search(line):
            links[posixpath.basename(urlsplit(link["url"]).path)] = link["url"]
        elif began := _PACKAGE.search(line):
            package, is_building = began["name"], False
        elif page := _PAGE.search(line):
            address, is_building = page["url"], False
        elif file := _DOWNLOADING.search(line):
            address, is_building = links.get(file["name"], file["name"]), False
        elif _BUILDS.search(line):
            is_building = True
    if is_building:
        return backend_stuck(package, seconds)
    return EbsifError(
        f"the package index does not go on: from {address}, less than {LEAST >> 10} KiB have arrived {in_vain(seconds)}"
    )


def backend_stuck(package: str, seconds: float) -> EbsifError:
    """Return an error about a build backend that was ended."""
    return EbsifError(
        f"{package} cannot be locked from source: its build backend has not told what it needs {in_vain(seconds)}; "
        "else look for a version with a wheel, or build one"
    )


def _invalid(match: "re.Match[str]") -> str:
    line = f"`{match['line'].strip()}`: " if match["line"] else ""
    return (
        f"{match['name']} {match['version']} has metadata that pip does not accept any more "
        f"({line}{match['reason'].strip()})"
    )


def _has_no_wheel(what: str, target: Target | None, there_are: Mapping[str, Offered]) -> bool:
    """Tell whether nobody has a package that fits a requirement; pip says so of all that do not fit each other."""
    name = _package(what)
    try:
        fitting = Requirement(what).specifier.filter(there_are.get(name, Offered()).wheels, prereleases=True)
    except InvalidRequirement:
        return False
    return not (target and target.find(name)) and not any(True for _ in fitting)


def _said_by_build(log: Iterable[str]) -> str:
    """Return what the last command of a build has said at its end."""
    found: list[str] = []
    running = False
    for line in log:
        mark = _COMMAND.match(line.rstrip())
        if mark and mark["start"]:
            found, running = [], True
        elif mark and mark["end"]:
            running = False
        elif running:
            found.append(line.partition(" ")[2].rstrip().removeprefix("  "))
    # Not the lines of a traceback.
    text = [line for line in found if line and not line.startswith((" ", "Traceback "))]
    return " ".join(" ".join(text[-_LINES:]).split())[-_REASON_SHOWN:] or "it says nothing"


def _conflict(causes: Sequence[tuple[str, str]], target: Target | None, lines: Sequence[Line]) -> str:
    there = [_there(who, what, target) for who, what in causes]
    said = [_cause(who, what, target, lines) for who, what in causes]
    texts = list(dict.fromkeys(said))
    # Of all the versions that pip has tried, some are enough; what the target has is always told.
    kept = list(dict.fromkeys(text for text, package in zip(said, there, strict=True) if package))
    others = [text for text in texts if text not in kept]
    if len(others) > _CAUSES_SHOWN:
        left_out = f"and {len(others) - _CAUSES_SHOWN} more versions that do not fit"
        texts = [*others[:_CAUSES_SHOWN], left_out, *kept]
    in_base = [package.key for package in there if package and package.owner == BASE]
    hint = f"; to replace it in the layer, add {in_base[0]} to `allow_base_packages`" if in_base else ""
    return "packages conflict: " + ", ".join(texts) + hint


def _cause(who: str, what: str, target: Target | None, lines: Sequence[Line]) -> str:
    if who == "The user requested":
        return f"{what} is asked for{_place(what, lines)}"
    there = _there(who, what, target)
    if there:
        return f"{there.owner} has {what.replace('==', ' ')}"
    if who == "The user requested (constraint)":
        return f"a constraint asks for {what}{_place(what, lines)}"
    return f"{who.removesuffix(' depends on')} needs {what}"


def _there(who: str, what: str, target: Target | None) -> Installed | None:
    """Return the package of the target that a constraint pins."""
    pin = _PIN.match(what)
    if target is None or pin is None or who != "The user requested (constraint)":
        return None
    found = target.find(pin["name"])
    return found if found and found.version == pin["version"] else None


def _place(what: str, lines: Sequence[Line]) -> str:
    """Return where a requirement stands."""
    found = [line for line in lines if _same(line.text, what)]
    places = [f"{line.path}:{line.number}" if line.number else str(line.path) for line in found]
    return f" ({', '.join(dict.fromkeys(places))})" if places else ""


def _same(written: str, said: str) -> bool:
    """Tell whether a requirement is what pip names; it leaves out markers."""
    try:
        ours, theirs = Requirement(written), Requirement(said)
    except InvalidRequirement:
        return written == said
    return (canonicalize_name(ours.name), ours.extras, ours.specifier) == (
        canonicalize_name(theirs.name), theirs.extras, theirs.specifier
    )  # fmt: skip


def _missing(
    what: str,
    who: str | None,
    versions: str,
    target: Target | None,
    lines: Sequence[Line],
    there_are: Mapping[str, Offered],
) -> str:
    name = _package(what)
    there, place = target.find(name) if target else None, _place(what, lines)
    found = [version for version in versions.split(", ") if version and version != "none"]
    package = what + (f", which {who} needs," if who else place)
    if there:
        package += f" ({there.owner} has {there.version})"
    none = f"no wheel of {package} {f'fits {target.label}' if target else 'exists'}"
    if found:
        none += f"; the newest versions with one are: {', '.join(found[-_KNOWN_VERSIONS:])}"
    sources = there_are.get(name, Offered()).sources
    source = f"if there is only a source package, add {name} to `allow_source`"
    if sources:
        none += f"; the newest source package is {max(sources)}: to build from source, add {name} to `allow_source`"
    elif found:
        none += f"; {source}"
    else:
        none += f": is the name right? {source[0].upper()}{source[1:]}"
    return "; ".join([none, *unused_settings()])


def _package(what: str) -> str:
    return canonicalize_name(re.split(r"[\s<>=!~;\[@]", what, maxsplit=1)[0])


def _answer(name: str | None, errors: str, log: Iterable[str]) -> str | None:
    """Return a sentence about an index that did not answer with the files of a package, or None.

    Parameters
    ----------
    name
        The package that pip has not found.
    """
    page = ""
    for line in log:
        fetched, refused, none = (pattern.search(line) for pattern in (_FETCHED, _REFUSED, _NO_PAGE))
        page = fetched["url"] if fetched else page
        said = refused or none
        if said is None or name is None or not said["url"].rstrip("/").endswith(f"/{name}"):
            continue
        if none:
            return f"{none['url']} is no list of files ({none['kind']}): is the address of the package index right?"
        found = _STATUS.search(said["reason"])
        if found is None:
            return f"the package index cannot be reached: {said['reason'][:_REASON_SHOWN]}"
        status = found[1] or found[2]
        hint = "try again later, or tell who keeps it"
        if status in ("401", "403", "407"):
            hint = f"put name and password for it into ~/.netrc; or it has no {name}"
        return f"the package index answers {said['url']} with status {status}: {hint}"
    if page and _UNREADABLE.search(errors):
        return f"{page} cannot be read as a list of files: is the address of the package index right?"
    return None


def _network_reason(line: str) -> str:
    """Return the reason in pip's words, without how often it has tried."""
    broken = re.search(r"after connection broken by '(?P<reason>.+)': (?P<path>\S+)$", line)
    inner = re.search(r"^\w+\([\"'](?P<text>.+?)[\"']\)$", broken["reason"]) if broken else None
    return (inner["text"] if inner else broken["reason"] if broken else line.strip())[:_REASON_SHOWN]


def _last_lines(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    said = [line for line in lines if line.lstrip().startswith("ERROR")] or lines
    return "\n".join(said[-_LINES:])
