"""The manifest: what an inspection found in a base."""

import json
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationError

from ebsif.errors import FileError, OutdatedError
from ebsif.files import read_text
from ebsif.values import (
    Command,
    ContainerPath,
    GlibcVersion,
    Machine,
    PackageSpelling,
    PythonVersion,
    Sha256,
    StrictModel,
    Text,
    Variables,
)

Kind = Literal["conda", "conda-active", "venv", "bare"]

# Raise this when a field is added or changes its meaning. Format 2 added `Activation.unusable`, and lists the commands
# of conda's noarch packages. Format 3 added `Manifest.source` and `Manifest.modules`, and says what nobody found out.
Format = Literal[3]
FORMAT: int = get_args(Format)[0]

SUFFIX = ".manifest.json"
# No manifest is nearly as large.
MAXIMUM_SIZE = 50_000_000


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
    env: Variables | None = Field(default_factory=dict)
    """The variables that it sets, but for ``PATH``; None when nobody has tried."""
    path: list[ContainerPath] = Field(default_factory=list)
    """The folders that it puts before ``PATH``."""
    unusable: dict[Text, Text] = Field(default_factory=dict)
    """The changes that a module cannot make from outside the container: what activating does with each variable."""


class Facts(StrictModel):
    """What a person knows of a base that is not at hand."""

    kind: Kind | None = None
    """What Python environment it has."""
    python: ContainerPath | None = None
    """The program of its Python."""
    python_version: PythonVersion | None = None
    """The full version of that, such as 3.12.3."""
    machine: Machine | None = None
    """The kind of processor that it is for, as ``uname -m`` says."""
    glibc: GlibcVersion | None = None
    """Version of the C library."""
    activation: Text | None = None
    """The command that activates its environment."""
    start_with: Literal["exec", "run"] | None = None
    """How to start commands in it."""
    sha256: Sha256 | None = None
    """SHA256 of the image file."""


class Manifest(StrictModel):
    """What is in a base."""

    format: Format = 3
    """Version of this format."""
    source: Literal["inspection", "publisher"] = "inspection"
    """Who says it: ebsif, which has looked into the image, or the files of its publisher, when the image was not there.
    What these do not say is null."""
    file: str
    """Name of the image file."""
    sha256: Sha256
    """SHA256 of the image file."""
    size: Annotated[int, Field(ge=0, lt=2**63)] | None
    """Size of the image file in bytes."""
    id: str | None
    """The identifier (UUID) in the image file's header, by which another image of the same size is told apart."""
    kind: Kind
    """What Python environment it has: of conda, of conda and active already, a venv, or none."""
    start_with: Literal["exec", "run"]
    """How to start commands: ``run`` when its own runscript prepares the environment, else ``exec``."""
    labels: dict[str, str] | None
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
    """The image's own ``PYTHONPATH``, activated, which would put its packages before those of any layer."""
    python: Python | None
    """Its Python, if it has one that layers can be made with (3.8 or newer, with the modules venv and ensurepip)."""
    packages: dict[PackageSpelling, PackageSpelling]
    """Version of each installed Python package, by its own spelling of the name."""
    modules: dict[Text, PackageSpelling] | None = None
    """The package of each module that can be imported."""
    commands: list[Command] | None
    """The commands that Python packages brought."""
    activation: Activation
    """What activating the base's own environment does."""
    venv_env: Variables | None
    """What activating a venv of the name ``{venv}`` sets besides ``VIRTUAL_ENV`` and ``PATH``."""

    def to_json(self) -> str:
        """Return the text of the manifest's file: the same for the same content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from its file.

    Raises
    ------
    OutdatedError
        When an older version of ebsif has written it.
    FileError
        When it cannot be read, is none, or comes from a newer version of ebsif.
    """
    text = read_text(path, MAXIMUM_SIZE)
    written = _format(text)
    if written < FORMAT:
        raise OutdatedError(
            f"{path} has the format {written} of an older ebsif, and this one reads format {FORMAT}: run "
            "`ebsif freeze` or `ebsif inspect --output` on its image again"
        )
    if written > FORMAT:
        raise FileError(
            f"{path} has the format {written} of a newer ebsif, and this one reads format {FORMAT}: use that ebsif"
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise FileError(
            f"{path} is not a manifest of this version of ebsif ({where}: {first['msg']}): remove it, and run "
            "`ebsif inspect` or `ebsif freeze` on the image again"
        ) from error


def _format(text: str) -> int:
    """Return the format that a manifest states; the current one when it states none, which validation then explains."""
    try:
        written = json.loads(text).get("format")
    except (ValueError, RecursionError, AttributeError):
        return FORMAT
    return written if type(written) is int else FORMAT
