"""Reading the metadata inside conda packages, for files that no solver has seen."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import rattler
from rattler.package import BuildString

from ebsif.inside.conda import PackageError, read_record
from ebsif.lock.conda.foreign import NOARCH, Pinned
from ebsif.lock.conda.messages import of_machine
from ebsif.lock.conda.request import error_at
from ebsif.lock.model import LockedFile


def checked(
    pinned: Sequence[Pinned], folder: Path, platform: str, virtual: Mapping[str, tuple[str, str]]
) -> list[LockedFile]:
    """Return the files that somebody else has locked, by name, with the name and version that each contains.

    Parameters
    ----------
    folder
        The folder that they lie in.
    platform
        What conda calls the base's machine.
    virtual
        Version and build of each virtual package.

    Raises
    ------
    InputError
        With the line, when one cannot be used on the base, or is there twice.
    """
    found: dict[str, LockedFile] = {}
    for item in pinned:
        try:
            record = asyncio.run(read_record(str(folder / item.file.filename)))
        except PackageError as error:
            raise error_at(item, str(error)) from error
        name = record.name.normalized
        who = f"{name} {record.version}"
        if record.subdir not in (platform, NOARCH):
            raise error_at(item, f"{item.file.filename} is for {record.subdir}, and the base is {platform}")
        for requirement in record.depends:
            if requirement.startswith("__") and not _is_met(requirement, virtual):
                raise error_at(item, of_machine(who, requirement, virtual))
        if name in found:
            raise error_at(item, f"{name} is there twice: as {found[name].filename} and as {item.file.filename}")
        found[name] = replace(item.file, name=name, version=str(record.version))
    return [found[name] for name in sorted(found)]


def _is_met(requirement: str, virtual: Mapping[str, tuple[str, str]]) -> bool:
    """Tell whether a requirement of the machine is met."""
    spec = rattler.MatchSpec(requirement)
    there = virtual.get(spec.name.normalized)
    if there is None:
        return False
    version, build = there
    package = rattler.PackageRecord(spec.name.normalized, version, BuildString(build), 0, NOARCH)
    return spec.matches(package)
