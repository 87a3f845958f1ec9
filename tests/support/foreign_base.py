"""A desk where pip runs on this machine, since its image is for another one."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.manifests import freeze, make_manifest
from tests.support.wheels import Wheel

# pip runs on this machine where an image cannot be started.
MACHINE = "aarch64" if os.uname().machine != "aarch64" else "x86_64"


def make_desk(folder: Path, pip_wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with an image, and a folder of sources that has pip; the folder ``work`` is the current one."""
    for name in ("frozen", "work", "home", "there", "bin"):
        (folder / name).mkdir()
    # It is looked for, and nothing is run with it.
    (folder / "bin" / "apptainer").touch(0o755)
    variables = {"EBSIF_IMAGES": "frozen", "EASYBUILD_SOURCEPATH": "sources", "HOME": "home", "XDG_CACHE_HOME": "cache"}
    for name, below in variables.items():
        monkeypatch.setenv(name, str(folder / below))
    for name, value in (("PATH", str(folder / "bin")), ("PIP_RETRIES", "0"), ("PIP_CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.chdir(folder / "work")
    freeze(folder / "frozen", make_manifest(
        file="demo.sif", machine=MACHINE, tag=f"cp311-cp311-manylinux_2_36_{MACHINE}"
    ))  # fmt: skip
    sources(folder).mkdir(parents=True)
    shutil.copy(pip_wheel.path, sources(folder))
    return folder


def sources(folder: Path) -> Path:
    """Return the folder of sources of such a desk."""
    return folder / "sources" / "d" / "Demo" / "extensions"
