"""A manifest from the files that an image's publisher gives, for an image that is not at hand.

The formats are those of the releases of lumi-ai-factory/laifs-container-recipes. ``<image>.json`` has two lists,
``apt`` and ``pip``, of objects with ``name`` and ``version``: the first is what dpkg-query says, the second what
``pip list --format=json`` prints (containerfiles/torch/Venv_Torch); images without a Python environment of their
own have no ``pip``. ``<image>.md`` ends with lines of ``sha256sum`` for the image's files, and ``<release>.sha256``
has such lines for all files of the release (recipes/lumi-multitorch/lumi-multitorch-template.yaml, the script that
it writes).
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from ebsif.base.checksums import stated_of, verify
from ebsif.base.manifest import Activation, Facts, Manifest, Python
from ebsif.console import Console
from ebsif.errors import EbsifError, FileError
from ebsif.files import read_text, sha256
from ebsif.values import PackageSpelling

_MAXIMUM_SIZE = 50_000_000

# Debian's binutils needs the package for its own machine; those for others are there besides, for cross-compilers.
_BINUTILS = re.compile(r"binutils-(x86-64|aarch64)-linux-gnu")
_PYTHON = re.compile(r"python(3\.\d+)")


class _Package(BaseModel):
    model_config = ConfigDict(strict=True)

    name: PackageSpelling
    version: PackageSpelling


class _Listing(BaseModel):
    model_config = ConfigDict(strict=True)

    apt: list[_Package]
    pip: list[_Package] | None = None


def published_manifest(listing: Path, told: Facts, console: Console) -> Manifest:
    """Return what a publisher's list of packages, ``<image>.json``, says of an image that is not at hand.

    Parameters
    ----------
    told
        What is known of the image besides; it counts more than what the list says.

    Raises
    ------
    EbsifError
        When the list is none, or is not the one that was published; with all that is not known, when nobody says what a
        manifest must have.
    """
    found = _read(listing)
    verify(listing, sha256(listing, console), stated_of(listing))
    image = listing.with_suffix(".sif")
    if found.pip is None:
        raise EbsifError(
            f"{listing} lists no packages of pip: what a layer on {image.name} would have is only known where that is"
        )
    apt = {package.name: _upstream(package.version) for package in found.apt}
    known = _completed(told, apt, image)
    if missing := _missing(known):
        raise EbsifError(
            f"neither {listing} nor the files beside it say all that must be known of {image.name}: tell it with "
            + " ".join(f"--fact {name}={example}" for name, example in missing.items())
        )
    said = {
        **known.model_dump(include={"sha256", "kind", "start_with", "machine", "glibc"}),
        "rocm": _rocm(apt),
        "mpi": f"MPICH {apt['mpich']}" if "mpich" in apt else None,
        "libfabric": apt.get("libfabric"),
        "python": _python(known),
        "packages": {package.name: package.version for package in found.pip},
        "activation": Activation(command=known.activation, env=None),
    }
    unknown = ("size", "id", "labels", "os", "kernel", "pythonpath", "commands", "venv_env")
    return Manifest.model_validate({"source": "publisher", "file": image.name, **dict.fromkeys(unknown), **said})


def _read(listing: Path) -> _Listing:
    try:
        return _Listing.model_validate_json(read_text(listing, _MAXIMUM_SIZE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise FileError(
            f"{listing} is no publisher's list of packages, with `apt` and `pip` as in the releases of the LUMI AI "
            f"Factory ({where}: {first['msg']})"
        ) from error


def _completed(told: Facts, apt: Mapping[str, str], image: Path) -> Facts:
    """Return the facts with what the packages of the system and the files of checksums say."""
    stated = {one.sha256: str(one.file) for one in stated_of(image)}
    if told.sha256:
        stated.setdefault(told.sha256, "what was told")
    if len(stated) > 1:
        places = ", ".join(stated.values())
        raise EbsifError(f"there are different SHA256 of {image.name}, in {places}: fetch the publisher's files again")
    machines = {match[1] for match in map(_BINUTILS.fullmatch, apt) if match}
    found = Facts(
        python_version=_python_version(told, apt),
        machine=machines.pop().replace("-", "_") if len(machines) == 1 else None,
        glibc=apt.get("libc6"),
        sha256=next(iter(stated), None),
    )
    return found.model_copy(update=told.model_dump(exclude_none=True))


def _missing(facts: Facts) -> dict[str, str]:
    """Return what nobody knows and a manifest must have, each with an example of how to say it."""
    examples = {
        "kind": "venv", "python": "/opt/venv/bin/python3", "python_version": "3.12.3", "machine": "x86_64",
        "glibc": "2.39", "start_with": "exec", "sha256": "…",
    }  # fmt: skip
    if facts.kind == "conda":
        examples["activation"] = "'source …'"
    return {name: example for name, example in examples.items() if getattr(facts, name) is None}


def _python_version(told: Facts, apt: Mapping[str, str]) -> str | None:
    """Return the version of the only Python of the system, or of the one that the program is called after."""
    if told.kind in ("conda", "conda-active"):
        return None  # which brings its own
    found = {match[1]: apt[match[0]] for match in map(_PYTHON.fullmatch, apt) if match}
    if told.python and (named := _PYTHON.fullmatch(PurePosixPath(told.python).name)):
        return found.get(named[1])
    return next(iter(found.values())) if len(found) == 1 else None


def _python(facts: Facts) -> Python:
    assert facts.python and facts.python_version
    minor = "".join(facts.python_version.split(".")[:2])
    platform = f"manylinux_{(facts.glibc or '').replace('.', '_')}_{facts.machine}"
    return Python(path=facts.python, version=facts.python_version, tag=f"cp{minor}-cp{minor}-{platform}")


def _rocm(apt: Mapping[str, str]) -> str | None:
    """Return the version of ROCm: AMD's package repeats it in its fourth part, as in 6.4.4.60404."""
    match = re.match(r"\d+\.\d+\.\d+", apt.get("rocm-core", ""))
    return match and match[0]


def _upstream(version: str) -> str:
    """Return the version of a package of Debian without its epoch and without what Debian adds."""
    version = version.rpartition(":")[2]
    return version.rpartition("-")[0] or version
