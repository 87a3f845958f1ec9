"""The tools that install packages: files of the lock, of known version, from the default package index."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ebsif.errors import EbsifError
from ebsif.files import temporary_folder
from ebsif.lock.model import PIP, LockedFile
from ebsif.lock.pip.messages import explained
from ebsif.lock.pip.network import default_index, network_environment
from ebsif.lock.sources import missing_files
from ebsif.process import StuckError, in_vain, patience, run

_RATTLER_VERSION = "0.28.0"
# The installer of conda layers, by the machine that it runs on; for any CPython from 3.10 on.
_RATTLER = {
    "x86_64": (
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb",
    ),
    "aarch64": ("manylinux_2_28_aarch64", "61b24202374188e72130f1b3dc63b455befaafc3e49e5481a38b6a6c8828c1e0"),
    "ppc64le": ("manylinux_2_28_ppc64le", "595e415bc27f01bd95cc3c03138c0dc4087d57d8db2e80c72ca0063ee66c01b8"),
    "riscv64": ("manylinux_2_31_riscv64", "31c6770fc2294855488532b015bc051ac3e785c30c46ddea29ea82f6b7b55876"),
}


def rattler(machine: str) -> LockedFile:
    """Return the installer of conda layers for a machine.

    Raises
    ------
    EbsifError
        When there is none.
    """
    if machine not in _RATTLER:
        raise EbsifError(f"there is no py-rattler {_RATTLER_VERSION} for {machine}: conda layers need one")
    platforms, sha256 = _RATTLER[machine]
    filename = f"py_rattler-{_RATTLER_VERSION}-cp310-abi3-{platforms}.whl"
    return LockedFile("py-rattler", _RATTLER_VERSION, filename, sha256)


def provide(tools: Iterable[LockedFile], folder: Path) -> None:
    """Put those of the tools into a folder that are not there yet, from the default package index.

    Raises
    ------
    EbsifError
        When one cannot be downloaded.
    """
    for tool in missing_files(tools, folder):
        (folder / tool.filename).unlink(missing_ok=True)  # something else under its name
        _download(tool, folder)


def _download(tool: LockedFile, folder: Path) -> None:
    with temporary_folder() as scratch:
        requirements = scratch / "tool.txt"
        requirements.write_text(f"{tool.name}=={tool.version} --hash=sha256:{tool.sha256}\n")
        words = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
        words += ["--require-hashes", "--only-binary", ":all:", "--dest", str(folder), *_kind(tool)]
        # As in the container, so that no setting of the user's can stand in the way.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        env |= network_environment(scratch, PurePosixPath(scratch))
        words += ["--requirement", str(requirements)]
        try:
            # Not each pip tells of its progress, but these files are small.
            done = run(words, env, seconds=patience())
        except StuckError as error:
            where = f"{tool.filename} has not arrived from {default_index()}"
            raise EbsifError(f"{where} {in_vain(error.seconds)}") from error
    if done.returncode != 0:
        raise explained(done.stdout, done.stderr, None)


def _kind(tool: LockedFile) -> list[str]:
    """Return pip's options for exactly this wheel, on whatever machine and Python it runs itself."""
    if tool == PIP:
        return []
    python, abi, platforms = tool.filename.removesuffix(".whl").split("-")[-3:]
    options = ["--implementation", python[:2], "--python-version", f"{python[2]}.{python[3:]}", "--abi", abi]
    return [*options, "--platform", platforms.split(".")[0]]
