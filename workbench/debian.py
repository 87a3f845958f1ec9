"""Debian's packages: installing those of this release, and unpacking single ones of another."""

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.process import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LIBRARY = re.compile(r"^ *(?:Pre)?Depends: (lib\S+)$", re.MULTILINE)
_ONE_AT_A_TIME = threading.RLock()
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def ensure(packages_of: Mapping[str, str], purpose: str) -> None:
    """Install the packages whose files are missing.

    Parameters
    ----------
    packages_of
        For each program on PATH, or absolute path of a file, the Debian package that brings it.
    purpose
        What they are needed for, for the error message.

    Raises
    ------
    WorkbenchError
        When something is missing and this user on this machine cannot install it.
    """
    with _ONE_AT_A_TIME:
        missing = [name for name in packages_of if not _present(name)]
        if not missing:
            return
        packages = sorted({packages_of[name] for name in missing})
        if not can_install():
            raise WorkbenchError(
                f"{purpose} needs {', '.join(missing)}, not found on this machine; only root on a Debian can have it "
                f"installed by this command: ask for the packages {' '.join(packages)} (named as in Debian)"
            )
        install(packages)


def can_install() -> bool:
    """Return whether this user can install packages here."""
    return os.geteuid() == 0 and bool(shutil.which("apt-get"))


def install(packages: Sequence[str]) -> None:
    """Install packages, or upgrade them to the newest that this machine's release has."""
    _update()
    patient = ["--option", "DPkg::Lock::Timeout=120"]  # somebody else may be installing
    run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *patient, *packages], env=_QUIET)


def _present(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else bool(shutil.which(name))


@cache
def _update() -> None:
    run(["apt-get", "update", "--quiet"], env=_QUIET)


def archive() -> str:
    """Return the URI of the Debian archive that this machine's own apt uses."""
    _update()
    fields = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    uris = run([*fields, "Label: Debian"]).split()
    if not uris:
        raise WorkbenchError("This machine's apt has no source of Debian's own archive: add one to its sources")
    return uris[0].rstrip("/")


class Suite:
    """Another of the archive's suites, with lists and cache of its own: the machine's apt never sees it.

    Signatures are verified as everywhere in apt, with the keys of the newest keyring package of this machine's
    release, which itself comes by a signature that the machine trusts already.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._env = {**_QUIET, "APT_CONFIG": str(folder / "apt.conf")}
        for wanted in ("state/lists/partial", "cache/archives/partial"):
            (folder / wanted).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "suite.list").write_text(source_line(name))
        settings = {
            "Dir::Etc::SourceList": folder / "suite.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": folder / "state",
            "Dir::State::Status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Acquire::Languages": "none",
        }
        (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
        install(["debian-archive-keyring"])
        run(["apt-get", "update", "--quiet"], env=self._env)

    def with_libraries(self, package: str) -> list[str]:
        """Return a package and all library packages that it needs, directly or through another library."""
        wanted, new = [package], [package]
        while new:
            printed = run(["apt-cache", "depends", "--important", *new], env=self._env)
            new = sorted(set(_LIBRARY.findall(printed)).difference(wanted))
            wanted += new
        return wanted

    def unpack(self, packages: Sequence[str], target: Path) -> None:
        """Download packages of this suite and unpack their files below a folder."""
        _unpack(packages, target, self._env)


def source_line(suite: str) -> str:
    """Return the line of a sources list for a suite of the archive that this machine uses."""
    return f"deb [signed-by={KEYRING}] {archive()} {suite} main\n"


def unpack(packages: Sequence[str], target: Path) -> None:
    """Download packages of this machine's release and unpack their files below a folder, installing nothing."""
    if can_install():
        _update()
    _unpack(packages, target, _QUIET)


def _unpack(packages: Sequence[str], target: Path, env: Mapping[str, str]) -> None:
    with scratch_folder() as folder:
        run(["apt-get", "download", "--quiet", *packages], env=env, cwd=folder)
        for package in sorted(folder.glob("*.deb")):
            run(["dpkg", "-x", package, target])


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder that is removed at the end, and that apt's unprivileged helper can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
