"""What wheels bring that does not fit their base, as far as their files tell: `eb` imports the packages, and judges."""

import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ebsif.base.manifest import Manifest
from ebsif.binaries import LIBRARY, names_in
from ebsif.errors import ConflictError, FileError
from ebsif.inside.layer import SHARED, modules
from ebsif.inside.packages import is_wheel
from ebsif.lock.model import LockedFile

Gpus = Literal["CUDA", "ROCm", "no"]
# What each package depends on.
Graph = Mapping[str, frozenset[str]]

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")

_TORCH = re.compile(r"lib(torch|c10)\w*\.so")
_CUDA = re.compile(r"lib(cudart|cublas|cudnn|cufft|cusolver|cusparse|nccl|nvrtc|torch_cuda|c10_cuda)\b.*\.so")
_ROCM = re.compile(r"lib(amdhip64|hipblas|hsa-runtime64|MIOpen|rccl|rocblas|torch_hip|c10_hip)\b.*\.so")
_MPI = re.compile(r"libmpi(ch|cxx|fort|_\w+)?(-[0-9a-f]+)?\.so")
# Libraries that NVIDIA publishes as wheels; nvidia-ml-py only asks a driver, if there is one.
_NVIDIA = re.compile(r"nvidia-(?!ml-py).+|cuda-(bindings|pathfinder|toolkit)|cupy-cuda.+")
# Builds of torch, as its publisher calls them, and where each has an index (https://pytorch.org/get-started/locally).
_BUILD = re.compile(r"(?P<cpu>cpu)|(?P<cuda>cu[0-9]+)|(?P<rocm>rocm[0-9.]+)")
_INDEX = "https://download.pytorch.org/whl/"


@dataclass(frozen=True)
class Surroundings:
    """What a layer is put on, and what its makers have decided.

    Parameters
    ----------
    base
        The base, whose Python packages the layer sees.
    amd
        Whether the machine has GPUs of AMD.
    asked
        The packages that were asked for, as they are compared.
    allowed
        The packages that may replace others, as they are compared.
    """

    base: Manifest
    amd: bool
    asked: frozenset[str]
    allowed: frozenset[str]

    @cached_property
    def torch(self) -> str | None:
        """Version of torch in the base."""
        return next((version for name, version in self.base.packages.items() if name.lower() == "torch"), None)

    @property
    def build(self) -> str | None:
        """Which build of torch the base has, such as ``cpu`` or ``rocm6.3``; None where its version does not say so."""
        return _build_of(self.torch or "")

    @cached_property
    def gpus(self) -> Gpus | None:
        """The GPUs that programs of the base can use; None where nothing tells."""
        if self.build:
            return _gpus_of(self.build)
        if self.base.rocm or self.amd:
            return "ROCm"
        return "CUDA" if any(_NVIDIA.fullmatch(canonicalize_name(name)) for name in self.base.packages) else None


def misfits(files: Iterable[LockedFile], folder: Path, around: Surroundings) -> list[str]:
    """Return a sentence for each thing that probably does not work on the base.

    Parameters
    ----------
    files
        What is installed.
    folder
        Where the files lie.

    Raises
    ------
    ConflictError
        When a package hides a module that another one of the base brings.
    FileError
        When a wheel cannot be read.
    """
    wheels = [_Wheel(file, folder / file.filename) for file in files if is_wheel(file.filename)]
    graph = {wheel.file.key: wheel.requires for wheel in wheels}
    _refuse_hidden(wheels, around, graph)
    return [*_of_nvidia(wheels, around, graph), *_of_torch(wheels, around, graph), *_of_mpi(wheels, around, graph)]


class _Wheel:
    """A wheel, read as far as it must be."""

    def __init__(self, file: LockedFile, path: Path) -> None:
        self.file = file
        self._path = path

    @property
    def size(self) -> int:
        """The size of its file in bytes."""
        return self._path.stat().st_size

    @property
    def names(self) -> list[str]:
        """The files in it."""
        return self._read[0]

    @cached_property
    def needs(self) -> dict[str, Requirement]:
        """What it depends on, whatever the conditions."""
        raw, _ = parse_email(self._read[1])
        return {canonicalize_name(need.name): need for need in _requirements(raw.get("requires_dist", []))}

    @property
    def requires(self) -> frozenset[str]:
        """The names of what it depends on."""
        return frozenset(self.needs)

    @cached_property
    def libraries(self) -> frozenset[str]:
        """The names of libraries in it; of what is built on torch, also of those that it needs."""
        paths = [name for name in self.names if ".so" in posixpath.basename(name)]
        found = set(map(posixpath.basename, paths))
        if "torch" in self.needs and paths:
            with self._open() as archive:
                for path in paths:
                    with archive.open(path) as file:
                        found |= names_in(file, LIBRARY)
        return frozenset(found)

    @property
    def gpus(self) -> Gpus | None:
        """The GPUs that it was built for; None where nothing tells."""
        build = _build_of(self.file.version)
        if build:
            return _gpus_of(build)
        if any(map(_CUDA.match, self.libraries)):
            return "CUDA"
        return "ROCm" if any(map(_ROCM.match, self.libraries)) else None

    def is_shared(self, module: str) -> bool:
        """Tell whether a module is the beginning of a package that shares its name with others."""
        start = module.replace(".", "/") + "/__init__.py"
        if start not in self.names:
            return False
        with self._open() as archive:
            return bool(SHARED.search(archive.read(start).decode("utf-8", "replace")))

    @cached_property
    def _read(self) -> tuple[list[str], bytes]:
        """The names of the files in it, and its metadata; together, since opening a wheel takes the most time."""
        with self._open() as archive:
            names = archive.namelist()
            metadata = next((name for name in names if _METADATA.fullmatch(name)), None)
            return names, archive.read(metadata) if metadata else b""

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except (OSError, zipfile.BadZipFile) as error:
            raise FileError(f"{self._path} cannot be read as a wheel: {error}") from error


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue  # pip has warned of it


def _build_of(version: str) -> str | None:
    """Return the build that the local part of a version names, as in 2.13.0+cpu."""
    try:
        local = Version(version).local or ""
    except InvalidVersion:
        return None
    build = _BUILD.match(local)
    return build[0] if build else None


def _gpus_of(build: str) -> Gpus:
    kind = _BUILD.match(build)
    return "no" if kind is None or kind["cpu"] else "CUDA" if kind["cuda"] else "ROCm"


def _refuse_hidden(wheels: Sequence[_Wheel], around: Surroundings, graph: Graph) -> None:
    """Refuse a module of the base under the name of another package."""
    there = around.base.modules or {}
    for wheel in wheels:
        for module in modules(wheel.names):
            owner = there.get(module, wheel.file.key)
            free = {wheel.file.key, owner} & around.allowed
            if owner != wheel.file.key and not free and not wheel.is_shared(module):
                raise ConflictError(
                    f"{wheel.file.name} {wheel.file.version} would hide the module {module} of the base, which comes "
                    f"from {owner}: leave out what needs it{_who(wheel.file.key, around, graph)}, or, to "
                    f"replace it in the layer, add {owner} to `allow_base_packages`"
                )


def _of_nvidia(wheels: Sequence[_Wheel], around: Surroundings, graph: Graph) -> Iterator[str]:
    """Tell of libraries for NVIDIA's GPUs that nothing here can use."""
    if around.gpus not in ("ROCm", "no"):
        return
    found = [wheel for wheel in wheels if _NVIDIA.fullmatch(wheel.file.key)]
    if found:
        first, others = found[0].file.name, len(found) - 1
        more = f" and {others} more packages" if others else ""
        yield (
            f"{first}{more} ({_megabytes(found)}) {'are' if others else 'is'} for GPUs of NVIDIA, and the base has "
            f"{around.gpus} GPUs{_who(found[0].file.key, around, graph)}: look for a build without, in another version "
            "or index (`extra_indexes`), or leave it out"
        )


def _of_torch(wheels: Sequence[_Wheel], around: Surroundings, graph: Graph) -> Iterator[str]:
    """Tell of what is bound to another build of torch than the base has, and of a torch that replaces it."""
    if around.torch is None:
        return
    replacing = [wheel for wheel in wheels if wheel.file.key == "torch"]
    for wheel in replacing or wheels:
        name = f"{wheel.file.name} {wheel.file.version} ({_megabytes([wheel])})"
        if replacing:
            who = _who(wheel.file.key, around, graph)
            yield f"{name} replaces torch {around.torch} of the base, for which all else there was built{who}"
        elif any(map(_TORCH.match, wheel.libraries)):
            build = _build_of(wheel.file.version)
            if wheel.gpus and around.gpus and wheel.gpus != around.gpus:
                problem = f"is built for torch with {wheel.gpus}"
            elif build and around.build and build != around.build:
                problem = f"is built for torch of the build {build}"
            elif not _is_pinned(wheel.needs.get("torch")):
                problem = "links the libraries of torch, and does not say of which version"
            else:
                continue
            who = _who(wheel.file.key, around, graph)
            yield f"{name} {problem}, and the base has torch {around.torch}{who}: {_remedy(around)}"


def _is_pinned(need: Requirement | None) -> bool:
    return need is not None and any(part.operator in ("==", "===", "~=") for part in need.specifier)


def _remedy(around: Surroundings) -> str:
    index = f" ({_INDEX}{around.build})" if around.build else ""
    return (
        f"take a build for the torch of the base, which its publisher may have in an index of its own{index}, to be "
        "added to `extra_indexes`; or another version; or leave it out"
    )


def _of_mpi(wheels: Sequence[_Wheel], around: Surroundings, graph: Graph) -> Iterator[str]:
    """Tell of a second MPI."""
    for wheel in wheels:
        if any(map(_MPI.match, wheel.libraries)):
            there = around.base.mpi or "no MPI that is known"
            yield (
                f"{wheel.file.name} {wheel.file.version} brings an MPI of its own, which does not know the network of "
                f"the machine; the base has {there}{_who(wheel.file.key, around, graph)}: build it on the base (add "
                f"{wheel.file.name} to `allow_source`), or leave it out"
            )


def _who(key: str, around: Surroundings, graph: Graph) -> str:
    """Return who of what was asked for leads to a package, for a message."""
    leading = sorted(name for name in around.asked if key != name and _leads(name, key, graph))
    if key in around.asked or not leading:
        return ""
    return f" ({', '.join(leading)} {'needs' if len(leading) == 1 else 'need'} it)"


def _leads(start: str, end: str, graph: Graph) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for name in graph.get(waiting.pop(), frozenset()) - seen:
            seen.add(name)
            waiting.append(name)
    return end in seen


def _megabytes(wheels: Iterable[_Wheel]) -> str:
    size = sum(wheel.size for wheel in wheels) / 1e6
    return f"{size / 1000:.1f} GB" if size >= 1000 else f"{size:.0f} MB" if size >= 1 else f"{size * 1000:.0f} kB"
