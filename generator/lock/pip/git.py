"""Repositories of git: from an address to a commit, and to the source file that EasyBuild makes of it."""

import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.version import InvalidVersion, Version

from ebsif.console import Console
from ebsif.errors import EbsifError, ToolError
from ebsif.files import temporary_folder
from ebsif.lock.commit import Commit, address_of, check_address, subfolder
from ebsif.process import StuckError, in_vain, patience, run

SUFFIX = ".tar.xz"  # of the archives that EasyBuild makes, which has no other that are always the same

_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
# What git itself takes on its command line, and pip does not.
_SHORT = re.compile(r"([\w.-]+@[\w.-]+):([^/].*)")
_ATTRIBUTES, _MODULES = ".gitattributes", ".gitmodules"
# What a hook of git, from which we may have been started, tells the git that it starts.
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
_LOGIN = re.compile(
    r"could not read (Username|Password)|Authentication failed|Permission denied|error: 40[13]|access denied"
)
_DESCRIBED = re.compile(r"(?P<tag>.+)-(?P<distance>\d+)-g[0-9a-f]+(?P<dirty>-dirty)?")
# What a tag may have before the version.
BEFORE_VERSION = re.compile(r"^(?:.*?[-/_@])??v?(?=\d)")
_HASH_SHOWN = 9  # digits of a commit in a version


@dataclass(frozen=True)
class Repository:
    """What an address of git names.

    Parameters
    ----------
    url, repo_name
        As in `Commit`.
    ref
        A branch, a tag or a commit; None for what the repository shows first.
    start_dir
        The folder in it that holds the package; None for the top.
    """

    url: str
    repo_name: str
    ref: str | None = None
    start_dir: str | None = None

    @property
    def address(self) -> str:
        """What git clones."""
        return address_of(self.url, self.repo_name)


@dataclass(frozen=True)
class Packed:
    """A commit as a source file.

    Parameters
    ----------
    commit
        The commit.
    archive
        The file.
    version
        What the tags before the commit give, for packages that take their version from there.
    """

    commit: Commit
    archive: Path
    version: str


def read_repository(address: str) -> Repository:
    """Return what an address with ``git+`` names, as pip understands it.

    Raises
    ------
    ValueError
        When git and EasyBuild could not both clone it; the address must hold no password.
    """
    short = _SHORT.fullmatch(address.removeprefix("git+"))
    if short:
        host, path = short.groups()
        raise ValueError(f"the address of a repository begins with how it is reached: write git+ssh://{host}/{path}")
    parts = urlsplit(address.removeprefix("git+"))
    place, mark, ref = parts.path.rpartition("@")
    if not mark:
        place, ref = parts.path, ""
    if mark and not (_REF.fullmatch(ref) and ".." not in ref):
        raise ValueError(f"{ref!r} is no branch, tag or commit: letters, digits and any of /_.+-")
    if parts.query:
        raise ValueError("the address of a repository has no question mark")
    folder, _, name = unquote(place).rstrip("/").removesuffix(".git").rpartition("/")
    url = f"{parts.scheme}://{parts.netloc}{folder}"
    check_address(url, name)
    within = fragment(parts.fragment, "subdirectory")
    return Repository(url, name, ref or None, subfolder(within.strip("/")) if within else None)


def fragment(text: str, key: str) -> str | None:
    """Return a value in the fragment of an address, as in ``egg=name&subdirectory=folder``."""
    return next(iter(parse_qs(text).get(key, [])), None)


def pack(repository: Repository, target: Path, console: Console) -> Packed:
    """Make the source file of what an address names, in a folder.

    Raises
    ------
    EbsifError
        When git cannot clone it, or it has no such branch, tag or commit.
    """
    with _cloned(repository.address, console) as clone:
        commit = _commit_of(repository, clone)
        return _packed(clone, Commit(repository.url, repository.repo_name, commit), target)


def pack_again(commit: Commit, target: Path, console: Console) -> Path:
    """Make the source file of a commit once more, in a folder, and return it; raises as `pack` does."""
    with _cloned(commit.address, console) as clone:
        if not _is_there(commit.commit, clone):
            raise EbsifError(
                f"the commit {commit.commit} is not in {commit.address} any more: its branch was rewritten, or its tag "
                "moved; `ebsif generate --upgrade NAME` takes what is there now"
            )
        return _packed(clone, commit, target).archive


def version_of(folder: Path, ref: str) -> str:
    """Return the version that tags give, in the manner of setuptools-scm: that of a tag, or the next one in work.

    Parameters
    ----------
    folder
        Somewhere in a working tree or a clone.
    ref
        A commit, or ``--dirty`` for the files as they are there.
    """
    said = _git(["describe", "--tags", "--long", "--match", "*[0-9]*", ref], folder)
    described = _DESCRIBED.fullmatch(said.stdout.strip()) if said.returncode == 0 else None
    commit = _output(["rev-parse", "HEAD" if ref == "--dirty" else ref], folder)
    local = f"g{commit[:_HASH_SHOWN]}"
    try:
        tagged = Version(BEFORE_VERSION.sub("", described["tag"])) if described else None
    except InvalidVersion:
        tagged = None
    if described is None or tagged is None:
        return f"0.1.dev{_output(['rev-list', '--count', commit], folder)}+{local}"
    if described["dirty"]:
        local += ".dirty"
    elif described["distance"] == "0":
        return str(tagged)
    return f"{_next(tagged)}.dev{described['distance']}+{local}"


def _next(version: Version) -> str:
    """Return the release that comes after a version, as far as anybody can know."""
    release = version.release if version.is_prerelease else (*version.release[:-1], version.release[-1] + 1)
    return ".".join(map(str, release))


@contextmanager
def _cloned(address: str, console: Console) -> Iterator[Path]:
    """Give a clone without a checkout, made as EasyBuild makes it; it is gone afterwards."""
    with temporary_folder() as folder:
        clone = folder / PurePosixPath(address).name.removesuffix(".git")
        with console.waiting(f"cloning {address}"):
            done = _git(["clone", "--no-checkout", "--progress", "--", address, str(clone)], folder)
        if done.returncode != 0:
            hint = "EasyBuild must be able to clone it, too, and always adds .git to the address"
            if _LOGIN.search(done.stderr):
                hint = "let git itself know how to log in, by a credential helper or an ssh-agent, not by the address"
            raise EbsifError(f"git cannot clone {address}: {_reason(done)}; {hint}")
        yield clone


def _commit_of(repository: Repository, clone: Path) -> str:
    """Return the commit that a branch, a tag or the beginning of a hash stands for, in that order, as pip has it."""
    ref = repository.ref
    names = [f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref] if ref else ["HEAD"]
    for name in names:
        found = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], clone)
        if found.returncode == 0:
            return found.stdout.strip()
    if ref is None:
        raise EbsifError(f"{repository.address} has no commit yet")
    raise EbsifError(
        f"{repository.address} has no branch, tag or commit {ref} (EasyBuild clones branches and tags, nothing else)"
    )


def _is_there(commit: str, clone: Path) -> bool:
    return _git(["cat-file", "-e", f"{commit}^{{commit}}"], clone).returncode == 0


def _packed(clone: Path, commit: Commit, target: Path) -> Packed:
    version = version_of(clone, commit.commit)
    _output(["checkout", "--detach", commit.commit], clone)
    if (clone / _MODULES).is_file():
        commit = replace(commit, recursive=True)
    if commit.recursive:
        _output(["submodule", "update", "--init", "--recursive"], clone)
    for attributes in clone.rglob(_ATTRIBUTES):
        if attributes.is_file() and "filter=lfs" in attributes.read_text(encoding="utf-8", errors="replace").split():
            raise EbsifError(
                f"{commit.address} keeps files in Git LFS, which EasyBuild takes only from 5.4 on, and only where "
                "git-lfs is: build a wheel of it, and name that"
            )
    archive = target / f"{commit.repo_name}{SUFFIX}"
    write_archive(clone, archive)
    return Packed(commit, archive, version)


def write_archive(folder: Path, archive: Path) -> None:
    """Write the archive that EasyBuild makes of a clone (``make_archive`` in filetools.py), byte for byte."""
    with tarfile.open(archive, "w:xz", preset=6, format=tarfile.GNU_FORMAT, encoding="utf-8") as packed:
        for path in sorted([str(folder), *map(str, folder.rglob("*"))]):
            packed.add(path, os.path.relpath(path, folder.parent), recursive=False, filter=_same_everywhere)


def _same_everywhere(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return a member without what differs from one clone to the next; None for what git keeps for itself."""
    if ".git" in PurePosixPath(member.name).parts:
        return None
    # Others may do what the owner may, but for writing.
    readable = member.mode & stat.S_IRWXU & ~stat.S_IWUSR
    member.mode = (member.mode & ~(stat.S_IRWXG | stat.S_IRWXO)) | readable >> 3 | readable >> 6
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def output(words: Sequence[str], folder: Path) -> str | None:
    """Return what a command of git prints in a folder; None when it fails, as where there is no git."""
    try:
        done = _git(words, folder)
    except ToolError:
        return None
    return done.stdout if done.returncode == 0 else None


def _output(words: Sequence[str], folder: Path) -> str:
    """Return what a command of git prints that must succeed."""
    done = _git(words, folder)
    if done.returncode != 0:
        raise EbsifError(f"`git {' '.join(words)}` fails: {_reason(done)}")
    return done.stdout.strip()


def _git(words: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    git = shutil.which("git")
    if git is None:
        raise ToolError("git is not on PATH: install it, or load the module that provides it")
    # It must not ask: whoever runs `eb` elsewhere cannot answer either. Files of Git LFS are refused later.
    env = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
    options = ["-c", "core.autocrlf=false", "-C", str(folder)]
    try:
        # With --progress, it tells that it goes on.
        return run([git, *options, *words], env, seconds=patience(), is_news=bool)
    except StuckError as error:
        raise EbsifError(f"`git {' '.join(words)}` has not gone on {in_vain(error.seconds)}") from error


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the last thing that git complains of."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    return complaints[-1] if complaints else f"status {done.returncode}"
