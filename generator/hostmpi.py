"""The MPI of this machine, as a feature: its library, and what that needs of other libraries, found by `ldd`."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ebsif import __version__, document
from ebsif.binaries import glibc_needed
from ebsif.document import Document, scalar
from ebsif.errors import EbsifError, ToolError
from ebsif.feature import Feature
from ebsif.jinja import templates

# Where the container sees the libraries, and nothing else.
FOLDER = "/ebsif/mpi"
# Libraries of glibc belong to the program that loads others, which is the container's.
_GLIBC = re.compile(
    r"linux-(vdso|gate)\S*|ld(64|-linux\S*|-\d\S*)?\.so\S*|libnsl\.so\.1"
    r"|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|BrokenLocale|thread_db|nss_\w+)(\.so\.\d+|-2\.\d+\.so)"
)
# Images have these themselves, in what may be a newer version.
_COMMON = re.compile(r"lib(stdc\+\+|gcc_s|gfortran|quadmath|atomic|gomp|z|ssl|crypto|curl)\.so\S*")

_FOUND = re.compile(r"\t(?P<name>.+?) => (?P<path>/.+) \(0x[0-9a-f]+\)")
_MISSING = re.compile(r"\t(?P<name>.+?) => not found")
# The kernel's, the loader, and what is needed by its path.
_ALONE = re.compile(r"\t(?P<name>\S.*?) \(0x[0-9a-f]+\)")
_INTERFACE = re.compile(r"lib[\w.+-]*?\.so\.\d+")
_SECONDS = 60.0


def needed(library: Path) -> dict[str, Path]:
    """Return where the libraries lie that a library needs, by the names under which they are asked for.

    What belongs to glibc is left out.

    Raises
    ------
    ToolError
        When `ldd` cannot tell.
    EbsifError
        When one of them is not there.
    """
    found: dict[str, Path] = {}
    for line in _ldd(library).splitlines():
        match = _FOUND.fullmatch(line)
        if match:
            found[match["name"]] = Path(match["path"])
            continue
        if match := _MISSING.fullmatch(line):
            raise EbsifError(
                f"{library} needs {match['name']}, which is not found here: load the modules that jobs with it load, "
                "or take another host"
            )
        if match := _ALONE.fullmatch(line):
            if "/" in match["name"]:
                found[Path(match["name"]).name] = Path(match["name"])
        elif line != "\tstatically linked":
            raise ToolError(f"ldd says of {library} what is not understood: {line.strip()!r}")
    return {name: path for name, path in found.items() if not _GLIBC.fullmatch(name)}


def _ldd(library: Path) -> str:
    try:
        done = subprocess.run(
            ["ldd", str(library.absolute())],
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"ldd, which tells what {library} needs, cannot be run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ToolError(f"ldd cannot tell what {library} needs: {said[-1].strip() if said else 'it says nothing'}")
    return done.stdout


def interface(library: Path) -> str:
    """Return the name of a library with the version of its interface, as programs ask for it, from its file's name.

    Raises
    ------
    EbsifError
        When the name does not say it.
    """
    name = library.resolve().name
    match = _INTERFACE.match(name)
    if match is None:
        raise EbsifError(f"{library} is not a library whose name has a version, such as libmpi.so.12: give that")
    return match[0]


def common(feature: Feature) -> list[str]:
    """Return the libraries of a feature that images have themselves, too."""
    names = [Path(bind.split(":")[1]).name for bind in feature.binds]
    return [name for name in names if _COMMON.fullmatch(name)]


def look(library: Path, more: Sequence[Path] = (), mpi: str = "pmi2") -> Feature:
    """Return the feature that brings an MPI library of this machine into containers.

    Parameters
    ----------
    library
        The MPI library.
    more
        Libraries that it loads when it runs, which `ldd` does not know of.
    mpi
        What `srun --mpi=` takes for it.

    Raises
    ------
    EbsifError
        When one of the libraries is not there, or cannot be brought into a container.
    """
    for one in (library, *more):
        if not one.is_file():
            raise EbsifError(f"there is no library {one}")
    asked = interface(library)
    binds = {asked: library.absolute(), "libmpi.so." + asked.rpartition(".")[2]: library.absolute()}
    binds |= {interface(one): one.absolute() for one in more}
    for one in (library, *more):
        binds = needed(one) | binds
    written = {
        "description": f"{library.resolve().name} of the machine, in place of the MPI of the image",
        "binds": [_bind(name, path) for name, path in sorted(binds.items())],
        "library_path": [FOLDER],
        # UCX would look into /proc of other tasks, each of which has a user namespace of its own where nobody is root.
        "container_env": {"UCX_POSIX_USE_PROC_LINK": "n"} if "libucs.so.0" in binds else {},
        "glibc": glibc_needed(binds.values()),
        "srun": {"mpi": mpi},
        "proof": f"srun --mpi={mpi} --nodes=2 --ntasks-per-node=1 python -c "
        "'from mpi4py import MPI; print(MPI.COMM_WORLD.Get_size(), MPI.Get_library_version())'",
    }
    return document.validate(Feature, Document(Path("the command line"), written, {}))


def _bind(name: str, path: Path) -> str:
    if re.search(r"[,:\x00-\x1f\x7f]", str(path)):
        raise EbsifError(f"{str(path)!r} has a character in its path that no bind can have, such as a comma or a colon")
    return f"{path}:{FOLDER}/{name}:ro"


def render(feature: Feature) -> str:
    """Return the text of a feature's file."""
    text: str = (
        templates("ebsif", {"yaml": scalar})
        .get_template("feature.yml.j2")
        .render(feature=feature, common=common(feature), version=__version__)
    )
    return text
