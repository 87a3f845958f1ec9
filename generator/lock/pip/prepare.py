"""What is built from source, made ready: as a file of the lock, and as a wheel for pip to resolve with.

pip would build all of it at once, and with the same variables. Here each is looked at alone, with the version that its
tags give, and a wheel that has no more than its metadata stands for it.
"""

import itertools
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.console import Console
from ebsif.errors import EbsifError, InputError
from ebsif.files import sha256
from ebsif.inside.packages import version_variables
from ebsif.lock.commit import Commit
from ebsif.lock.model import LockedFile, file_name
from ebsif.lock.pip.download import formats
from ebsif.lock.pip.git import BEFORE_VERSION, SUFFIX, Repository, pack, pack_again
from ebsif.lock.pip.line import Entry, Line
from ebsif.lock.pip.pip import Pip
from ebsif.lock.pip.report import dependencies, metadata_text
from ebsif.lock.pip.request import PipRequest
from ebsif.lock.pip.requirements import read_line
from ebsif.lock.pip.source import Archive, Origin, Source, read_origin
from ebsif.lock.pip.tree import EPOCH, Tree
from ebsif.lock.sources import missing_files
from ebsif.lock.staging import stored

# Folders within the one that pip sees, for each source in one of its own.
_GIVEN, _TREE, _BUILT, _STANDS_IN = "given", "tree", "built", "stands-in"
# Digits in names of files: of a commit, as `is_file_of` knows them, and of the digest of a folder.
_COMMIT_SHOWN, _DIGEST_SHOWN = 12, 8
_QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Ready:
    """What a recipe asks pip for, with nothing in it that must be built.

    Parameters
    ----------
    request
        The request, in which wheels stand for what is.
    files
        The files of the lock that these stand for, by the name by which packages are compared; they lie in the folder
        of sources.
    """

    request: PipRequest
    files: Mapping[str, LockedFile]


def prepare(pip: Pip, request: PipRequest, folder: Path, console: Console) -> Ready:
    """Make all ready that a request names and that must be built, with what that needs and that must be, too.

    Parameters
    ----------
    folder
        The folder of sources.

    Raises
    ------
    InputError
        When one cannot be had, or its build does not begin, with its line.
    """
    waiting = [line for line in request.requirements if line.source]
    lines = [line for line in request.requirements if not line.source]
    named = {canonicalize_name(line.name) for line in request.requirements if line.name}
    files: dict[str, LockedFile] = {}
    numbers = itertools.count()
    while waiting:
        line = waiting.pop(0)
        work = _Work(pip, request, folder, console, line, f"{_GIVEN}/{next(numbers)}")
        try:
            found = work.look_into()
        except InputError:
            raise
        except EbsifError as error:
            raise line.error(str(error)) from error
        if found is None:
            continue  # its marker leaves it out
        file, standing, needed = found
        if file.key in files:
            raise line.error(f"{file.name} is named twice, by different addresses: leave one out")
        files[file.key] = file
        lines.append(standing)
        named.add(canonicalize_name(file.name))
        # Where a recipe names one itself, that counts.
        new = {canonicalize_name(str(other.name)): other for other in needed}
        waiting += [other for name, other in new.items() if name not in named]
        named |= new.keys()
    return Ready(replace(request, requirements=tuple(lines)), files)


def restore(pip: Pip, files: Iterable[LockedFile], request: PipRequest, folder: Path, console: Console) -> None:
    """Make those files of a lock again that are on no index and not in the folder of sources any more.

    Raises
    ------
    EbsifError
        When what they were made of has changed, or is gone.
    """
    origins = [line.source.origin for line in request.requirements if line.source]
    archives = [origin.place for origin in origins if isinstance(origin, Archive) and isinstance(origin.place, Path)]
    by_sha256 = {sha256(path, _QUIET): path for path in archives}
    trees = [origin for origin in origins if isinstance(origin, Tree)]
    for number, file in enumerate(missing_files(files, folder)):
        own = f"{_GIVEN}/again-{number}"
        (pip.folder / own).mkdir(parents=True)
        if file.commit:
            path = pack_again(file.commit, pip.folder / own, console)
            _check_again(file, path, f"what git gives for {file.commit.commit}", "does a filter of git change files?")
        elif file.is_own:
            wheels = [_built(pip, tree, request, f"{own}/{at}", console) for at, tree in enumerate(trees)]
            path = next((wheel for wheel in wheels if wheel and wheel.name == file.filename), Path())
            hint = f"`ebsif generate --upgrade {file.name}` takes that"
            if not path.name:
                raise EbsifError(
                    f"{file.filename} is not among the sources, and no folder that is named gives it any more: {hint}"
                )
            _check_again(file, path, "what the build of its folder gives now", hint)
        elif file.sha256 in by_sha256:
            path = by_sha256[file.sha256]
        else:
            continue
        _put(file, path, folder)


def _check_again(file: LockedFile, path: Path, what: str, hint: str) -> None:
    found = sha256(path, _QUIET)
    if found != file.sha256:
        raise EbsifError(
            f"{file.filename} is not among the sources, and {what} has SHA256 {found}, not {file.sha256}: {hint}"
        )


def _put(file: LockedFile, path: Path, folder: Path) -> None:
    """Put a file into the folder of sources."""
    if missing_files([file], folder):
        with stored(file, folder) as temporary:
            shutil.copyfile(path, temporary)


@dataclass(frozen=True)
class _Obtained:
    """A source that has arrived.

    Parameters
    ----------
    path
        The archive, or the wheel that was built of a folder.
    version
        What its tags or its name say, where they do.
    commit
        What it is made of, when that is a repository.
    """

    path: Path
    version: str | None = None
    commit: Commit | None = None


@dataclass(frozen=True)
class _Work:
    """The work on one line.

    Parameters
    ----------
    pip, request, folder, console
        As for `prepare`.
    line
        The line.
    own
        The folder for its files, within that of pip.
    """

    pip: Pip
    request: PipRequest
    folder: Path
    console: Console
    line: Line
    own: str

    def look_into(self) -> tuple[LockedFile, Line, list[Line]] | None:
        """Return its file of the lock, the line that stands for it, and the lines of what it needs that is built, too.

        None when its marker leaves it out.
        """
        if self.pip.target.image is None:
            raise EbsifError("it is built from source, for which the image must be at hand: lock it there")
        (self.pip.folder / self.own).mkdir(parents=True)
        obtained = self._obtain()
        report = self._report(obtained) if obtained else {"install": []}
        if obtained is None or not report["install"]:
            return None
        item = {**report["install"][0], "requested_extras": list(self._source.extras)}
        file = self._locked(item["metadata"], obtained)
        needed = [self._needed(need) for need in dependencies(item, report["environment"]) if is_built(need)]
        return file, self._standing(item["metadata"], file), needed

    @property
    def _source(self) -> Source:
        assert self.line.source
        return self.line.source

    @property
    def _start_dir(self) -> str | None:
        return None if isinstance(self._source.origin, Tree) else self._source.origin.start_dir

    def _obtain(self) -> _Obtained | None:
        origin, folder = self._source.origin, self.pip.folder / self.own
        if isinstance(origin, Repository):
            packed = pack(origin, folder, self.console)
            return _Obtained(packed.archive, packed.version, packed.commit)
        if isinstance(origin, Archive):
            path = shutil.copyfile(self._downloaded(origin.place), folder / origin.name)
            return _Obtained(path, _version_in(origin.stem))
        wheel = _built(self.pip, origin, self.request, self.own, self.console, self._source.marker)
        return _Obtained(wheel) if wheel else None

    def _downloaded(self, place: str | Path) -> Path:
        """Return the file of an archive, which may have to cross the network."""
        if isinstance(place, Path):
            return place
        with self.console.waiting(f"downloading {place}"):
            self.pip.run(["download", *_listed(self.pip, place), *_options(self.request)])
        return self.pip.downloaded(place)

    def _report(self, obtained: _Obtained) -> dict[str, Any]:
        """Return what pip says of it alone."""
        place = f"file://{quote(self.pip.inside(str(obtained.path.relative_to(self.pip.folder))))}"
        place += f"#subdirectory={quote(self._start_dir)}" if self._start_dir else ""
        text = f"{self.line.name} @ {place}" if self.line.name else place
        words = ["--no-deps", "--ignore-installed", *_listed(self.pip, text, self._source.marker)]
        env = version_variables(obtained.version) if obtained.version else {}
        with self.console.waiting(f"looking into {obtained.path.name}"):
            return self.pip.report([*words, *_options(self.request)], [self.line], env=env)

    def _locked(self, metadata: Mapping[str, Any], obtained: _Obtained) -> LockedFile:
        """Return its file of the lock, which lies in the folder of sources then."""
        origin, name, version = self._source.origin, str(metadata["name"]), str(metadata["version"])
        digest = sha256(obtained.path, _QUIET)
        if self.line.hashes and f"sha256:{digest}" not in self.line.hashes:
            raise EbsifError(f"{obtained.path.name} has SHA256 {digest}, which is none of those asked for")
        if isinstance(origin, Tree):
            file = LockedFile(name, version, obtained.path.name, digest, is_own=True)
        elif obtained.commit:
            # Two commits may have the same version.
            filename = f"{name}-{version}-g{obtained.commit.commit[:_COMMIT_SHOWN]}{SUFFIX}"
            file = LockedFile(name, version, filename, digest, commit=obtained.commit, start_dir=self._start_dir)
        else:
            file = _locked_archive(origin, name, version, digest)
        file_name(file.filename, f"the build of {name}")
        _put(file, obtained.path, self.folder)
        return file

    def _needed(self, need: Requirement) -> Line:
        """Return a requirement of it, which stands where its line does."""
        extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
        return read_line(Entry(f"{need.name}{extras} @ {need.url}", self.line.path, self.line.number))

    def _standing(self, metadata: Mapping[str, Any], file: LockedFile) -> Line:
        """Return a line with the wheel that stands for it."""
        folder = self.pip.folder / self.own / _STANDS_IN
        folder.mkdir()
        wheel = _stand_in(metadata, file, folder)
        extras = f"[{','.join(self._source.extras)}]" if self._source.extras else ""
        text = f"{file.name}{extras} @ {wheel.name}" + _ending(self._source.marker)
        return replace(self.line, text=text, name=file.name, hashes=(), file=wheel, source=None)


def is_built(need: Requirement) -> bool:
    """Tell whether a package needs another one from a place where it must be built."""
    try:
        return need.url is not None and read_origin(need.url, Path()) is not None
    except ValueError:
        return False  # pip says what it thinks of it


def _locked_archive(origin: Origin, name: str, version: str, digest: str) -> LockedFile:
    assert isinstance(origin, Archive)
    filename = f"{name}-{version}{origin.suffix}"
    if isinstance(origin.place, Path):
        return LockedFile(name, version, filename, digest, start_dir=origin.start_dir)
    remote = file_name(origin.name, origin.place) if origin.name != filename else None
    return LockedFile(name, version, filename, digest, origin.place.rpartition("/")[0], remote, None, origin.start_dir)


def _built(
    pip: Pip, tree: Tree, request: PipRequest, own: str, console: Console, marker: str = ""
) -> Path | None:
    """Return the wheel that is built of a folder; None when a marker leaves it out.

    Its name has the digest of the folder in place of the number of a build: the user may never count up the version.
    """
    folder, version = pip.folder / own, tree.version()
    tree.copy(folder / _TREE)
    # What is built is the same as long as the folder is.
    env = {"SOURCE_DATE_EPOCH": str(EPOCH), **(version_variables(version) if version else {})}
    words = ["wheel", "--no-deps", "--wheel-dir", pip.inside(f"{own}/{_BUILT}")]
    words += _listed(pip, f"file://{quote(pip.inside(f'{own}/{_TREE}'))}", marker)
    with console.waiting(f"building {tree.name or tree.folder}"):
        pip.run([*words, *_options(request)], env=env)
    made = list((folder / _BUILT).glob("*.whl"))
    if not made:
        return None
    parts = made[0].name.split("-")
    if len(parts) == len(("name", "version", "python", "abi", "platform")):
        parts.insert(2, f"0_{tree.digest()[:_DIGEST_SHOWN]}")
    return made[0].rename(made[0].with_name("-".join(parts)))


def _stand_in(metadata: Mapping[str, Any], file: LockedFile, folder: Path) -> Path:
    """Make a wheel with nothing but the metadata of a package."""
    needs = [Requirement(text) for text in metadata.get("requires_dist", [])]
    for need in needs:
        if is_built(need):
            need.url = None  # it has a line of its own
    text = metadata_text(file.name, file.version, {**metadata, "requires_dist": [str(need) for need in needs]})
    stem = f"{file.key.replace('-', '_')}-{Version(file.version)}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr(f"{stem}.dist-info/METADATA", text)
        packed.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{stem}.dist-info/RECORD", "")
    return wheel


def _listed(pip: Pip, text: str, marker: str = "") -> list[str]:
    """Return pip's options for a requirements file with one line."""
    path = pip.folder / "given.txt"
    path.write_text(text + _ending(marker) + "\n", encoding="utf-8")
    return ["--requirement", pip.inside(path.name)]


def _ending(marker: str) -> str:
    return f" ; {marker}" if marker else ""


def _options(request: PipRequest) -> list[str]:
    return [*formats(request), *request.options.words()]


def _version_in(stem: str) -> str | None:
    """Return the version in the name of an archive, as forges give them the names of tags."""
    try:
        return str(Version(BEFORE_VERSION.sub("", stem)))
    except InvalidVersion:
        return None
