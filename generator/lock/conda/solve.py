"""Solving: which packages of the channels make an environment that runs on a base."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import rattler
from rattler.exceptions import GatewayError, InvalidChannelError, SolverError
from rattler.package import BuildString

from ebsif.errors import ConflictError, EbsifError
from ebsif.files import make_cache, size_of
from ebsif.lock.conda.channel import AT_ONCE, client, going_on
from ebsif.lock.conda.foreign import NOARCH
from ebsif.lock.conda.messages import missing_name, no_candidates, only_elsewhere, unreachable, unsolvable
from ebsif.lock.conda.request import CondaRequest
from ebsif.lock.model import LockedFile, file_name
from ebsif.values import NO_SECRET, channels_of, holds_secret

T = TypeVar("T")
_SCHEMES = {"https", "http"}
# Platforms to look at for the message about a package that the base's platform lacks.
_OTHERS = ("linux-64", "linux-aarch64", "linux-ppc64le", "osx-64", "osx-arm64", "win-64")


class Solver:
    """The solver for one base.

    Parameters
    ----------
    request
        What to solve for.
    platform
        What conda calls the base's machine.
    virtual
        Version and build of each virtual package.
    """

    def __init__(self, request: CondaRequest, platform: str, virtual: Mapping[str, tuple[str, str]]) -> None:
        self._request = request
        self._platform = platform
        self._virtual = virtual
        self._cache = make_cache("conda")
        self._gateway = rattler.Gateway(self._cache, client=client(), max_concurrent_requests=AT_ONCE)

    async def solve(self, kept: Collection[LockedFile], python: str | None) -> list[LockedFile]:
        """Return the files of the environment, by name.

        Parameters
        ----------
        kept
            Files to take where that is possible, those of the same channels.
        python
            The version that Python must have if there is one, as in 3.11.

        Raises
        ------
        ConflictError
            When no packages fit together on the base, each from the first channel that has it.
        EbsifError
            When a channel cannot be used, or does not tell the SHA256 of a file.
        """
        try:
            locked = await self._records(kept) if kept else []
            found = await self._solve(locked, [f"python {python}.*"] if python else [])
            await self._check_channels(found)
        except SolverError as error:
            if python and await self._is_solvable():
                raise _other_python(python, self._request) from error
            raise await self._explained(str(error)) from error
        except (GatewayError, InvalidChannelError) as error:
            raise unreachable(error, self._request) from error
        return sorted(map(locked_file, found), key=lambda file: file.name)

    async def _solve(
        self, locked: Sequence[rattler.RepoDataRecord], constraints: Sequence[str]
    ) -> list[rattler.RepoDataRecord]:
        solution = rattler.solve(
            self._request.channels,
            [rattler.MatchSpec(spec.text) for spec in self._request.specs],
            gateway=self._gateway,
            platforms=[rattler.Subdir(self._platform), rattler.Subdir(NOARCH)],
            locked_packages=locked,
            virtual_packages=[
                rattler.GenericVirtualPackage(
                    rattler.PackageName(name), rattler.Version(version), BuildString(build)
                )
                for name, (version, build) in self._virtual.items()
            ],
            channel_priority=rattler.ChannelPriority.Strict,
            constraints=constraints,
        )
        return await self._going_on(solution)

    async def _check_channels(self, found: Sequence[rattler.RepoDataRecord]) -> None:
        """Refuse a package that does not come from the first channel that has it, unless its channel was asked for.

        The solver sees only what fits a request: a channel that has nothing which fits seems not to have the package.
        """
        ranks = {_place(rattler.Channel(name).base_url): rank for rank, name in enumerate(self._request.channels)}
        free = {spec.name for spec in self._request.specs if channels_of(spec.text)}
        taken = {record.name.normalized: record for record in found if record.name.normalized not in free}
        if len(ranks) == 1:
            return
        there: dict[str, dict[int, set[rattler.Version]]] = {}
        for record in await self._query(sorted(taken), [self._platform, NOARCH]):
            ranked = there.setdefault(record.name.normalized, {})
            ranked.setdefault(ranks[_place(record.channel)], set()).add(record.version)
        for name, ranked in sorted(there.items()):
            first, rank = min(ranked), ranks[_place(taken[name].channel)]
            if first < rank:
                versions = list(map(str, sorted(ranked[first])))
                raise only_elsewhere(name, self._request, first, versions, rank)

    async def _records(self, files: Collection[LockedFile]) -> list[rattler.RepoDataRecord]:
        """Return the records of files, as far as the channels still have them."""
        known = {(file.filename, file.sha256) for file in files}
        names = sorted({file.name for file in files})
        found = await self._query(names, [self._platform, NOARCH])
        return [record for record in found if (record.file_name, _sha256(record)) in known]

    async def _query(self, names: Sequence[str], platforms: Sequence[str]) -> list[rattler.RepoDataRecord]:
        subdirs = [rattler.Subdir(platform) for platform in platforms]
        query = self._gateway.query(self._request.channels, subdirs, names, recursive=False)
        return [record for records in await self._going_on(query) for record in records]

    async def _going_on(self, work: Awaitable[T]) -> T:
        what = f"solving with {', '.join(self._request.channels)}"
        return await going_on(work, lambda: size_of(self._cache), what)

    async def _is_solvable(self) -> bool:
        try:
            await self._solve([], [])
        except SolverError:
            return False
        return True

    async def _explained(self, explanation: str) -> ConflictError:
        missing = missing_name(explanation)
        if missing is None or missing[0].startswith("__"):
            return unsolvable(explanation, self._request, self._virtual)
        name, version = missing
        there = await self._query([name], [self._platform, NOARCH])
        versions = sorted({record.version for record in there})
        wanted, _, build = version.partition(" ")
        builds = [record for record in there if build and rattler.MatchSpec(f"{name} {wanted}").matches(record)]
        elsewhere = [] if there else await self._elsewhere(name)
        builds.sort(key=lambda record: record.build_number)
        known = [f"{record.version}={record.build}" for record in builds] or list(map(str, versions))
        return no_candidates(name, version, self._request, known, elsewhere, self._platform)

    async def _elsewhere(self, name: str) -> list[str]:
        """Return the other platforms for which the channels have a package."""
        found = set()
        for platform in _OTHERS:
            if platform != self._platform:
                try:
                    found |= {record.subdir for record in await self._query([name], [platform])}
                except GatewayError:
                    continue
        return sorted(found)


def locked_file(record: rattler.RepoDataRecord) -> LockedFile:
    """Return the file of a record.

    Raises
    ------
    EbsifError
        When its SHA256 is not known, or it lies where no file can be had from.
    """
    filename, sha256 = file_name(record.file_name, f"the channel {record.channel}"), _sha256(record)
    folder = record.url.rpartition("/")[0]
    if holds_secret(folder) or urlsplit(folder).scheme not in _SCHEMES | {urlsplit(str(record.channel)).scheme}:
        raise EbsifError(
            f"the channel {record.channel} says that {filename} lies elsewhere, where no file of a package can lie: an "
            f"address is one of https or http, and {NO_SECRET}; tell the channel's keeper"
        )
    if sha256 is None:
        raise EbsifError(
            f"{filename} has no SHA256 in the channel {record.channel}, so that it cannot be locked: whoever "
            "keeps the channel adds it by indexing it again (`rattler-index` or `conda index`)"
        )
    return LockedFile(record.name.normalized, str(record.version), filename, sha256, folder, size=record.size)


def _place(channel: str | None) -> str:
    """Return the address of a channel as it is compared."""
    return (channel or "").rstrip("/")


def _sha256(record: rattler.RepoDataRecord) -> str | None:
    return record.sha256.hex() if record.sha256 else None


def _other_python(python: str, request: CondaRequest) -> ConflictError:
    named = [spec for spec in request.specs if spec.name == "python"]
    who = f"{named[0].text} is asked for ({named[0].place})" if named else "the environment needs another one"
    return ConflictError(
        f"with `stack: true`, Python must be that of the base: the base has {python}, and {who}"
    )
