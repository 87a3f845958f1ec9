"""What is installed: layers of packages on bases, as easyconfigs for our easyblocks and for the manual way."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from ebsif.easyconfig.read import Constant, read_easyconfig
from ebsif.inside.squashfs import file_digest
from workbench import easybuild, store, wheels

NAME = "PyTorch"
VERSION = "bench"
_DEMO = easybuild.PROJECT / "easyconfigs" / "p" / NAME / f"{NAME}-2.13.0-cpu-python-3.11-singularity-demo"
# The easyconfigs of the demo, which say what is true of each base.
_DEMOS = {"venv-torch": f"{_DEMO}.eb", "conda-torch": f"{_DEMO}-conda.eb"}
BY_HAND = Path(__file__).with_name("by-hand.sh")
# The manual way takes the installer that venv brings.
_INSTALLER = "pip"


@dataclass(frozen=True)
class File:
    """A wheel of a layer."""

    name: str
    version: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Subject:
    """What a case installs.

    Parameters
    ----------
    base
        The name of the base.
    image
        Its SIF file.
    layer
        The name of the layer, one of `workbench.wheels.MEASURED`.
    """

    base: str
    image: Path
    layer: str

    @property
    def wheels(self) -> Path:
        """The folder with the wheels of the layer."""
        return wheels.find(store.cache_root(), self.layer)

    @property
    def files(self) -> list[File]:
        """The wheels of the layer, as its lock names them."""
        found = {}
        for path in self.wheels.iterdir():
            name, release, _, _ = parse_wheel_filename(path.name)
            found[name, str(release)] = path
        files = []
        for line in wheels.LAYERS[self.layer]().splitlines():
            if line.startswith("#"):
                continue
            asked, _, digest = line.partition(" --hash=sha256:")
            requirement = Requirement(asked)
            version = str(requirement.specifier).removeprefix("==")
            path = found[canonicalize_name(requirement.name), version]
            files.append(File(requirement.name, version, path, digest))
        return files

    def pinned(self, *, installer: bool = False) -> str:
        """Return the packages of the layer as a file of requirements, with or without what installs them."""
        return "".join(f"{file.name}=={file.version}\n" for file in self.files if installer or file.name != _INSTALLER)

    @property
    def installer(self) -> File:
        """The wheel of pip."""
        return next(file for file in self.files if file.name == _INSTALLER)


def our_easyconfig(subject: Subject) -> str:
    """Return an easyconfig for our easyblocks: that of the demo on the same base, with other packages."""
    parameters = dict(read_easyconfig(Path(_DEMOS[subject.base])).parameters)
    if subject.layer != "demo":
        del parameters["import_check"]
    parameters |= {
        "version": VERSION,
        "versionsuffix": "",
        "sources": [subject.image.name],
        "checksums": [file_digest(str(subject.image))],
        "exts_default_options": {},
        "exts_list": [
            (file.name, file.version, {"sources": [file.path.name], "checksums": [file.sha256]})
            for file in subject.files
        ],
    }
    return _text(parameters)


def by_hand_easyconfig(subject: Subject, runtime: str, requirements: Path) -> str:
    """Return an easyconfig that runs the manual way, by an easyblock that comes with EasyBuild.

    Parameters
    ----------
    subject
        What to install.
    runtime
        The name of the container runtime.
    requirements
        Where the packages are named.
    """
    # A venv of a venv does not see torch, and some have a setuptools of their own that torch finds too old.
    folders = [subject.wheels, wheels.find(store.cache_root(), "torch")]
    prefix = runtime.upper()
    image = f"%(installdir)s/{subject.image.name}"
    words = [BY_HAND, runtime, image, "%(installdir)s", requirements, *folders]
    return _text(
        {
            "easyblock": "MakeCp",
            "name": NAME,
            "version": VERSION,
            "homepage": "https://pytorch.org/",
            "description": "PyTorch from a container, with more packages, by hand",
            "toolchain": Constant("SYSTEM"),
            "sources": [{"filename": subject.image.name, "extract_cmd": "/bin/cp -L %s ."}],
            "checksums": [file_digest(str(subject.image))],
            "skipsteps": ["build"],
            "files_to_copy": [([subject.image.name], ".")],
            "postinstallcmds": [shlex.join(map(str, words))],
            "sanity_check_paths": {"files": [subject.image.name, "user-software.squashfs", "bin/python"], "dirs": []},
            "modextravars": {
                "SIF": image,
                "CONTAINER_RUNTIME": runtime,
                f"{prefix}_BIND": "%(installdir)s/user-software.squashfs:/user-software:image-src=/,ro",
                f"{prefix}ENV_PREPEND_PATH": "/user-software/venv/pytorch/bin",
            },
            "moduleclass": "ai",
        }
    )


def _text(parameters: Mapping[str, Any]) -> str:
    lines = []
    for name, value in parameters.items():
        lines.append(f"{name} = {value.name if isinstance(value, Constant) else repr(value)}\n")
    return "".join(lines)
