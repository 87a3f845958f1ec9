"""Manifests, and what passes for their images, for tests that need no image."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from ebsif.base.manifest import Activation, Kind, Manifest, OperatingSystem, Python
from ebsif.base.store import manifest_path
from ebsif.inside.runtime import SIF_MACHINES

TAG = "cp311-cp311-manylinux_2_36_x86_64"


def make_manifest(
    *,
    file: str = "x.sif",
    kind: Kind = "venv",
    python: str | None = "3.11.2",
    rocm: str | None = None,
    packages: dict[str, str] | None = None,
    commands: Sequence[str] = (),
    machine: str = "x86_64",
    tag: str = TAG,
    system: str = "Debian GNU/Linux 12 (bookworm)",
) -> Manifest:
    """Return the manifest of an image with a venv in ``/opt/venv``."""
    return Manifest(
        file=file,
        sha256="0" * 64,
        size=1,
        id="3f0c1f2e-0000-4000-8000-000000000000",
        kind=kind if python else "bare",
        start_with="exec",
        labels={},
        os=OperatingSystem(id="debian", version="12", name=system),
        machine=machine,
        glibc="2.36",
        kernel="3.2.0",
        rocm=rocm,
        mpi=None,
        libfabric=None,
        pythonpath=None,
        python=Python(path="/opt/venv/bin/python", version=python, tag=tag) if python else None,
        packages=packages or {},
        commands=list(commands),
        activation=Activation(),
        venv_env={},
    )


def image_header(manifest: Manifest) -> bytes:
    """Return the beginning of an image that a manifest fits."""
    start = bytes(32) + b"SIF_MAGIC\0" + b"01\0" + _architecture(manifest.machine) + b"\0"
    return start + bytes.fromhex((manifest.id or "").replace("-", ""))


def image_for(machine: str, image: Path, folder: Path) -> Path:
    """Put a copy of a real image into a folder that says of itself that it is for another machine."""
    content = image.read_bytes()
    ours, theirs = _architecture(os.uname().machine), _architecture(machine)
    # It stands in the header, and at its primary partition, a file system in SquashFS (kinds 2 and 1).
    for before in (b"SIF_MAGIC\0" + b"01\0", struct.pack("<ii", 1, 2)):
        assert content.count(before + ours) == 1
        content = content.replace(before + ours, before + theirs)
    copy = folder / image.name
    copy.write_bytes(content)
    return copy


def _architecture(machine: str) -> bytes:
    """Return how the header of a SIF image calls a machine."""
    return next(code for code, name in SIF_MACHINES.items() if name == machine)


def freeze(folder: Path, manifest: Manifest) -> Path:
    """Make an image of nothing but a header, and its manifest."""
    header = image_header(manifest)
    image = folder / manifest.file
    image.write_bytes(header)
    fitting = manifest.model_copy(update={"size": len(header)})
    manifest_path(image).write_text(fitting.to_json())
    return image
