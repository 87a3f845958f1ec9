"""What is handed over: the archive, the wheel, and the easyconfig for ebsif itself, which locks what it needs."""

import ast
import configparser
import hashlib
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from workbench import easybuild, pythons, store
from workbench.errors import NotPreparedError, WorkbenchError
from workbench.process import run
from workbench.progress import Progress

# For each of these there are files in the easyconfig; the oldest Python decides on the versions.
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")

_FOLDER = easybuild.PROJECT / "easyconfigs" / "e" / "ebsif"
_NO_DIGEST = "'checksums': [None],"
_BEGIN = "    # Written by `python3 -m workbench lock`: what ebsif needs, in files for each Python and machine.\n"
_END = "    # So much for what is locked.\n"
# glibc 2.17 to 2.28: that of SLES 15, Debian 10 and Rocky Linux 8 is as new, or newer.
_GLIBC = range(28, 16, -1)
_QUIET = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:")


@dataclass(frozen=True)
class Package:
    """A package that ebsif needs.

    Parameters
    ----------
    name, version
        As its index has them.
    files
        The SHA256 of its files, by their names.
    """

    name: str
    version: str
    files: dict[str, str] = field(default_factory=dict)

    def component(self) -> str:
        """Return its lines in the easyconfig."""
        files = sorted(self.files)
        sources = [f"{{'extract_cmd': 'cp %s .', 'filename':\n             '{file}'}}" for file in files]
        checksums = [f"'{self.files[file]}'" for file in files]
        options = "".join(
            f"        '{option}': [\n{''.join(f'            {value},{chr(10)}' for value in values)}        ],\n"
            for option, values in (("sources", sources), ("checksums", checksums))
        )
        return f"    ('{self.name}', '{self.version}', {{\n{options}    }}),\n"


def easyconfig() -> Path:
    """Return the easyconfig for this version.

    Raises
    ------
    WorkbenchError
        When there is none, or more than one.
    """
    found = sorted(_FOLDER.glob("*.eb"))
    if len(found) != 1:
        raise WorkbenchError(f"{_FOLDER} has {len(found)} easyconfigs: there must be one, for the version that is made")
    return found[0]


def locked() -> list[Package]:
    """Return the packages that the easyconfig has locked."""
    listed = ast.literal_eval(f"[{_parts(easyconfig().read_text())[1]}]")
    return [
        Package(
            name,
            version,
            {
                source["filename"]: digest
                for source, digest in zip(options["sources"], options["checksums"], strict=True)
            },
        )
        for name, version, options in listed
    ]


def requirements() -> list[str]:
    """Return what ebsif asks for, to run and to be built."""
    settings = configparser.ConfigParser()
    settings.read(easybuild.PROJECT / "setup.cfg")
    build = re.search(r"^requires = (\[.*\])$", (easybuild.PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    if build is None:
        raise WorkbenchError("pyproject.toml has no line `requires = […]` with what builds the project")
    return [*settings["options"]["install_requires"].split("\n")[1:], *ast.literal_eval(build.group(1))]


def lock(cache: Path, progress: Progress) -> None:
    """Look up anew what ebsif needs, and write it into the easyconfig."""
    path = easyconfig()
    before, _, after = _parts(path.read_text())
    packages = _look_up(cache, progress)
    lines = [packages[name].component() for name in sorted(packages)]
    path.write_text("".join([before, *lines, after]))
    progress.note(str(path))


def _parts(text: str) -> tuple[str, str, str]:
    """Return what comes before the locked packages in an easyconfig, these, and what comes after them."""
    before, begin, rest = text.partition(_BEGIN)
    inside, end, after = rest.partition(_END)
    if not end:
        raise WorkbenchError(f"{easyconfig()} has no lines that enclose what is locked:\n{_BEGIN}{_END}")
    return before + begin, inside, end + after


def _look_up(cache: Path, progress: Progress) -> dict[str, Package]:
    """Return the packages by their names; the versions that one Python has are those of the next."""
    packages: dict[str, Package] = {}
    for version in PYTHONS:
        python = pythons.find_original(version)
        if python is None:
            raise WorkbenchError(f"locking needs each of the Pythons {', '.join(PYTHONS)}: {version} is not here")
        with progress.step(f"Locking for Python {version}"), tempfile.TemporaryDirectory() as scratch:
            constraints = Path(scratch, "constraints.txt")
            constraints.write_text("".join(f"{package.name}=={package.version}\n" for package in packages.values()))
            asked: list[str | Path] = ["--constraint", constraints, *requirements()]
            needed = [found for found, _, _ in _chosen([*_pip(cache), "--python", python], asked)]
            for machine in MACHINES:
                for found, file, digest in _chosen(_pip(cache), ["--no-deps", *_target(version, machine), *needed]):
                    name, _, release = found.partition("==")
                    packages.setdefault(name, Package(name, release)).files[file] = digest
    return packages


def _chosen(pip: Sequence[str | Path], words: Sequence[str | Path]) -> Iterator[tuple[str, str, str]]:
    """Yield what pip would install: name and version, file, SHA256."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.json")
        run([*pip, "install", *_QUIET, "--dry-run", "--ignore-installed", "--report", report, *words])
        for one in json.loads(report.read_text())["install"]:
            name = re.sub(r"[-_.]+", "-", one["metadata"]["name"]).lower()
            file = unquote(one["download_info"]["url"].rpartition("/")[2])
            digest = one["download_info"]["archive_info"]["hashes"]["sha256"]
            yield f"{name}=={one['metadata']['version']}", file, digest


def _pip(cache: Path) -> list[str | Path]:
    return [easybuild.find(cache, easybuild.DEFAULT) / "bin" / "python", "-m", "pip"]


def _target(python: str, machine: str) -> list[str]:
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC] + [f"manylinux2014_{machine}"]
    return [f"--python-version={python}", "--implementation=cp", *(f"--platform={name}" for name in platforms)]


def find_wheels(cache: Path) -> Path:
    """Return the folder with all files that the easyconfig has locked.

    Raises
    ------
    NotPreparedError
        When they have not been downloaded, or are others now.
    """
    folder = _wheels(cache)
    if not folder.exists():
        raise NotPreparedError("What ebsif needs")
    return folder


def prepare_wheels(cache: Path, progress: Progress) -> None:
    """Download all files that the easyconfig has locked, unless they are there."""
    folder = _wheels(cache)
    if folder.exists():
        return
    with progress.step("What ebsif needs: downloading"), store.published(folder) as work:
        with tempfile.TemporaryDirectory() as scratch:
            listed = Path(scratch, "requirements.txt")
            listed.write_text(_as_requirements())
            for python, machine in itertools.product(PYTHONS, MACHINES):
                options = [*_QUIET, "--no-deps", *_target(python, machine)]
                run([*_pip(cache), "download", *options, "--dest", work, "--requirement", listed])
        wanted = {file for package in locked() for file in package.files}
        if {path.name for path in work.iterdir()} != wanted:
            raise WorkbenchError(f"{easyconfig()} is not what is to be had: run `python3 -m workbench lock`")


def _wheels(cache: Path) -> Path:
    return cache / f"wheels-ebsif-{store.key(_as_requirements())}"


def _as_requirements() -> str:
    """Return what is locked as a file of requirements."""
    lines = []
    for package in locked():
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in sorted(package.files.values()))
        lines.append(f"{package.name}=={package.version} {hashes}\n")
    return "".join(lines)


def hand_over(cache: Path, folder: Path) -> list[Path]:
    """Copy the archive and the wheel of this project to a folder, and with them the easyconfig for that archive."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [Path(shutil.copy(source, folder)) for source in easybuild.project_files(cache)]
    [archive] = (path for path in made if path.name.endswith(".tar.gz"))
    before, state, after = easyconfig().read_text().rpartition(_NO_DIGEST)
    if not state:
        raise WorkbenchError(f"{easyconfig()} has no line {_NO_DIGEST} for the archive of this project")
    target = folder / easyconfig().name
    target.write_text(f"{before}{_NO_DIGEST.replace('None', repr(_digest(archive)))}{after}")
    return [*made, target]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
