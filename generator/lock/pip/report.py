"""pip's report of what it would install, as locked files."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ebsif.errors import EbsifError
from ebsif.lock.model import PIP, LockedFile
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.target import BASE, Target

Report = Mapping[str, Any]


def locked_files(report: Report, request: PipRequest, default_host: str | None) -> list[LockedFile]:
    """Return the files in a report, but for pip itself.

    Parameters
    ----------
    default_host
        The host of the default package index's files; None when that does not matter.

    Raises
    ------
    EbsifError
        When one has no SHA256.
    """
    files = [_locked_file(item, _is_elsewhere(item, request, default_host)) for item in report["install"]]
    return [file for file in files if file.key != PIP.key]


def from_base(report: Report, request: PipRequest, target: Target, files: Iterable[LockedFile]) -> dict[str, str]:
    """Return version by name of what is asked for or depended on, and comes from the base."""
    needed: set[str] = {canonicalize_name(line.name) for line in request.requirements if line.name}
    for item in report["install"]:
        needed |= set(_dependencies(item, report["environment"]))
    needed -= {file.key for file in files}
    packages = sorted(target.packages, key=lambda package: package.name.lower())
    return {
        package.name: package.version
        for package in packages
        if package.owner == BASE and package.key in needed
    }


def host(item: Mapping[str, Any]) -> str | None:
    """Return the host that a file in a report comes from."""
    return urlsplit(str(item["download_info"]["url"])).hostname


def _is_elsewhere(item: Mapping[str, Any], request: PipRequest, default_host: str | None) -> bool:
    """Tell whether a file does not come from the default package index; indexes may have their files on other hosts."""
    if item["is_direct"] or request.index:
        return True
    return bool(request.extra_indexes) and host(item) != default_host


def _locked_file(item: Mapping[str, Any], is_elsewhere: bool) -> LockedFile:
    metadata, download = item["metadata"], item["download_info"]
    url = urlsplit(download["url"])
    folder, _, filename = url.path.rpartition("/")
    digest = download.get("archive_info", {}).get("hashes", {}).get("sha256")
    if digest is None:
        raise EbsifError(f"{unquote(filename)} has no SHA256 at {url.hostname}, so that it cannot be locked")
    here = url.scheme == "file"
    source_url = None if here or not is_elsewhere else f"{url.scheme}://{url.netloc}{folder}"
    return LockedFile(metadata["name"], metadata["version"], unquote(filename), digest, source_url)


def _dependencies(item: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    extras = ["", *item.get("requested_extras", [])]
    for text in item["metadata"].get("requires_dist", []):
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras):
            yield str(canonicalize_name(requirement.name))
