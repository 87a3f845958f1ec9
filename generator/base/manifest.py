"""The manifest: what is in a base, as found by looking into it."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ebsif.errors import EbsifError
from ebsif.values import Command, ContainerPath, Sha256, StrictModel, Variables

Kind = Literal["conda", "conda-active", "venv", "bare"]

SUFFIX = ".manifest.json"


class OperatingSystem(StrictModel):
    """The operating system of an image."""

    id: str
    """Its identifier in ``/etc/os-release``."""
    version: str
    """Its version there."""
    name: str
    """What it calls itself."""


class Python(StrictModel):
    """The Python of a base that layers are made with."""

    path: ContainerPath
    """Its program."""
    version: str
    """Its full version, such as 3.12.3."""
    tag: str
    """The most specific kind of wheel that it installs, such as ``cp312-cp312-manylinux_2_39_x86_64``."""

    @property
    def minor(self) -> str:
        """The version as in 3.12."""
        return ".".join(self.version.split(".")[:2])


class Activation(StrictModel):
    """What activating the environment of a base does."""

    command: str | None = None
    """What a person would type in the container; None when there is nothing to type."""
    env: Variables = Field(default_factory=dict)
    """The variables that it sets, but for ``PATH``."""
    path: list[ContainerPath] = Field(default_factory=list)
    """The folders that it puts before ``PATH``."""


class Manifest(StrictModel):
    """What is in a base."""

    format: Literal[1] = 1
    """Version of this format."""
    file: str
    """Name of the image file."""
    sha256: Sha256
    """SHA256 of the image file."""
    size: int
    """Size of the image file in bytes."""
    id: str
    """The identifier (UUID) in the image file's header, by which another image of the same size is told apart."""
    kind: Kind
    """What Python environment it has: of conda, of conda and active already, a venv, or none."""
    start_with: Literal["exec", "run"]
    """How to start commands: ``run`` when its own runscript prepares the environment, else ``exec``."""
    labels: dict[str, str]
    """The labels of the image."""
    os: OperatingSystem | None
    """The operating system, where the image tells."""
    machine: str
    """The kind of processor that it is for, as ``uname -m`` says."""
    glibc: str | None
    """Version of the C library."""
    kernel: str | None
    """The oldest Linux that the C library supports."""
    rocm: str | None
    """Version of ROCm."""
    mpi: str | None
    """Name and version of the MPI library."""
    libfabric: str | None
    """Version of libfabric."""
    pythonpath: str | None
    """The image's own ``PYTHONPATH``, which would put its packages before those of any layer."""
    python: Python | None
    """Its Python, if it has one that layers can be made with (3.8 or newer, with the modules venv and ensurepip)."""
    packages: dict[str, str]
    """Version of each installed Python package, by its own spelling of the name."""
    commands: list[Command]
    """The commands that Python packages brought."""
    activation: Activation
    """What activating the base's own environment does."""
    venv_env: Variables
    """What activating a venv of the name ``{venv}`` sets besides ``VIRTUAL_ENV`` and ``PATH``."""

    def to_json(self) -> str:
        """Return the text of the manifest's file: the same for the same content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from its file.

    Raises
    ------
    EbsifError
        When it cannot be read, or is none.
    """
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EbsifError(f"cannot read {path}: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "no UTF-8 text"
        raise EbsifError(
            f"{path} is not a manifest of this version of ebsif ({reason}): remove it, and run `ebsif inspect` or "
            "`ebsif freeze` on the image again"
        ) from error
