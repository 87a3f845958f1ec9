"""pip's report of what it would install, as locked files."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ebsif.errors import EbsifError
from ebsif.inside.packages import SOURCE_SUFFIXES, is_file_of, is_wheel
from ebsif.lock.model import PIP, LockedFile, file_name
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.summary import Summary
from ebsif.lock.target import BASE, Installed, Target

_BUILD_ONE = "build a wheel of it, and name that"

Report = Mapping[str, Any]

# What pip logs as it reads indexes, each line after the time.
_PAGE = re.compile(r" Fetching project page and analyzing links: (?P<url>\S+)$")
_FILE = re.compile(r" Found link (?P<url>\S+)")


def listed_at(index: str, log: Iterable[str]) -> set[str]:
    """Return the addresses of the files that a package index lists, as far as pip has looked.

    Parameters
    ----------
    log
        What pip has logged: the page of each package, and then the files that it lists.
    """
    found: set[str] = set()
    is_page_of_index = False
    for line in log:
        page, file = _PAGE.search(line), _FILE.search(line)
        if page:
            is_page_of_index = _comparable(page["url"]).rstrip("/").rpartition("/")[0] == _comparable(index).rstrip("/")
        elif file and is_page_of_index:
            found.add(_comparable(file["url"]))
    return found


def locked_files(
    report: Report, request: PipRequest, listed: Set[str], ready: Mapping[str, LockedFile] | None = None
) -> list[LockedFile]:
    """Return the files in a report, but for pip itself.

    Parameters
    ----------
    listed
        The addresses of files that the default package index lists; only those of named indexes are compared with it.
    ready
        Those that other files stand for in the report, by the name by which packages are compared.

    Raises
    ------
    EbsifError
        When one has no SHA256, or `eb` would not find it by its name.
    """
    files = [
        (ready or {}).get(canonicalize_name(item["metadata"]["name"]))
        or _locked_file(item, _is_elsewhere(item, request, listed))
        for item in report["install"]
    ]
    return [file for file in files if file.key != PIP.key]


def addresses(report: Report) -> dict[str, str]:
    """Return where each file in a report lies, by its name."""
    urls = [str(item["download_info"]["url"]) for item in report["install"]]
    return {unquote(urlsplit(url).path).rpartition("/")[2]: url for url in urls}


def from_base(report: Report, request: PipRequest, target: Target, files: Iterable[LockedFile]) -> dict[str, str]:
    """Return version by name of what is asked for or depended on, and comes from the base."""
    needed: set[str] = {canonicalize_name(line.name) for line in request.requirements if line.name}
    for item in report["install"]:
        needed |= {canonicalize_name(need.name) for need in dependencies(item, report["environment"])}
    needed -= {file.key for file in files}
    packages = sorted(target.packages, key=lambda package: package.name.lower())
    return {
        package.name: package.version
        for package in packages
        if package.owner == BASE and package.key in needed
    }


def summary_of(
    request: PipRequest,
    environment: Mapping[str, str] | None,
    packages: Iterable[Installed],
    files: Iterable[LockedFile],
    from_base: Mapping[str, str],
) -> Summary:
    """Return what comes of a request.

    Parameters
    ----------
    environment
        What environment markers are compared with; None when nobody knows.
    packages
        What is there already.
    files
        What is installed.
    from_base
        What is used of that.
    """
    layer = {file.key: file for file in sorted(files, key=lambda file: file.key)}
    replaced = {
        package.name: (package.version, layer[package.key].version)
        for package in packages
        if package.owner == BASE and package.key in layer
    }
    left_out = {line.text: "its marker does not hold" for line in request.requirements if not _holds(line, environment)}
    return Summary(
        tuple(dict.fromkeys(line.text for line in request.requirements if line.text not in left_out)),
        from_base,
        {file.name: file.version for file in layer.values()},
        replaced,
        {**request.ignored, **left_out},
    )


def _holds(line: Line, environment: Mapping[str, str] | None) -> bool:
    if environment is None:
        return True
    if line.source:
        marker = Marker(line.source.marker) if line.source.marker else None
    else:
        try:
            marker = Requirement(line.text).marker
        except InvalidRequirement:
            return True  # the address of a wheel
    return marker is None or marker.evaluate({**environment, "extra": ""})


def _comparable(url: str) -> str:
    """Return an address without what pip may hide or add: credentials, and the fragment with a checksum."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def _is_elsewhere(item: Mapping[str, Any], request: PipRequest, listed: Set[str]) -> bool:
    """Tell whether a file does not come from the default package index.

    What host it lies on says nothing: one may have the files of several indexes, and an index files on several hosts.
    """
    if item["is_direct"] or request.options.index:
        return True
    return bool(request.options.elsewhere) and _comparable(str(item["download_info"]["url"])) not in listed


def _locked_file(item: Mapping[str, Any], is_elsewhere: bool) -> LockedFile:
    metadata, download = item["metadata"], item["download_info"]
    url = urlsplit(download["url"])
    folder, _, quoted = url.path.rpartition("/")
    filename = file_name(unquote(quoted), f"the package index at {url.hostname}")
    digest = download.get("archive_info", {}).get("hashes", {}).get("sha256")
    if digest is None:
        raise EbsifError(f"{filename} has no SHA256 at {url.hostname}, so that it cannot be locked")
    name, version = metadata["name"], metadata["version"]
    if not filename.endswith((".whl", *SOURCE_SUFFIXES)):
        kinds = ", ".join((".whl", *SOURCE_SUFFIXES))
        raise EbsifError(f"{filename} is no file that can be installed ({kinds}): {_BUILD_ONE}")
    if not is_file_of(filename, name, version):
        # pip would not find it by name and version, when nothing but files is there.
        remedy = "download it, name it so, and add its path to `packages`" if is_wheel(filename) else _BUILD_ONE
        raise EbsifError(f"{filename} is not called as {name} {version}, which it is by its metadata: {remedy}")
    here = url.scheme == "file"
    source_url = None if here or not is_elsewhere else f"{url.scheme}://{url.netloc}{folder}"
    return LockedFile(name, version, filename, digest, source_url)


def dependencies(item: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Requirement]:
    """Yield what a package in a report depends on."""
    extras = ["", *item.get("requested_extras", [])]
    for text in item["metadata"].get("requires_dist", []):
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras):
            yield requirement


def metadata_text(name: str, version: str, metadata: Mapping[str, Any]) -> str:
    """Return what a report says of a package as the package itself would say it, as far as pip needs it to resolve."""
    fields = [("Metadata-Version", "2.1"), ("Name", name), ("Version", version)]
    fields += [("Requires-Python", metadata["requires_python"])] if metadata.get("requires_python") else []
    fields += [("Provides-Extra", extra) for extra in metadata.get("provides_extra", [])]
    fields += [("Requires-Dist", requirement) for requirement in metadata.get("requires_dist", [])]
    return "".join(f"{key}: {' '.join(value.split())}\n" for key, value in fields)
