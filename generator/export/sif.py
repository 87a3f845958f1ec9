"""``ebsif export sif``: base, layer and activation in one SIF file, for which a container runtime is enough."""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from ebsif import sbom
from ebsif.arguments import add_installed
from ebsif.base.store import manifest_of
from ebsif.console import Console
from ebsif.errors import EbsifError, FileError
from ebsif.export import siffile
from ebsif.export.overlay import as_json, make_overlay, merged, sort_settings
from ebsif.export.siffile import DataObject, SifFile, read_sif
from ebsif.files import copied, sha256, sync, temporary_folder
from ebsif.inside.activation import LAYER, RUNSCRIPTS
from ebsif.inside.text import shell_words
from ebsif.installation import RECORD, InstalledLayer, find_installation, find_installed, read_installation
from ebsif.runtime import Inside, Runtime, find_runtime
from ebsif.scratch import ELSEWHERE

EXAMPLE = "ebsif export sif PyTorch-2.13.0-cpu-python-3.11-singularity-mine.eb -o pytorch.sif"

# Where the runtimes keep what `inspect` shows, in an image that they have built.
_METADATA = "inspect-metadata.json"
_MAXIMUM_SIZE = 10_000_000
# The names of our data objects.
_OVERLAY, _SBOM, _EASYCONFIG = "ebsif-overlay", "sbom.cdx.json", "easyconfig.eb"

# Looks around in a base, and prints three answers: whether it has what the environment is hooked into, what lies where
# the layer and our scripts belong, and its labels.
_LOOK = f"""
printf '\\0'
[ ! -f /.singularity.d/env/99-base.sh ] || echo yes
printf '\\0'
for each in {LAYER}/* {RUNSCRIPTS}/*; do [ ! -e "$each" ] || echo "$each"; done
printf '\\0'
[ ! -f /.singularity.d/labels.json ] || cat /.singularity.d/labels.json
"""


@dataclass(frozen=True)
class Exported:
    """A portable file.

    Parameters
    ----------
    file
        The file.
    size
        Its size in bytes.
    base, base_sha256
        The file name of the base, and its SHA256.
    root_sha256
        The SHA256 of its root file system, which is the same in the base and in the file.
    layer_sha256, content_sha256
        Those of the layer, as its record has them.
    start_with
        The runtime's command that starts programs: ``exec``, or ``run``.
    binds, host_variables, start_variables, gpu
        What the module sets and the file cannot carry.
    """

    file: str
    size: int
    base: str
    base_sha256: str
    root_sha256: str
    layer_sha256: str
    content_sha256: str
    start_with: str
    binds: Sequence[str]
    host_variables: Sequence[str]
    start_variables: Sequence[str]
    gpu: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this kind."""
    add_installed(parser)
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE", help="the new SIF file")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the file, and tell what is in it and what cannot be."""
    runtime, installed = find_runtime(), find_installed(find_installation(options.subject).path)
    made = export(installed, options.output, runtime, console)
    if options.json:
        console.json(asdict(made))
        return 0
    console.say(f"{made.file}: {made.size / 1e6:.1f} MB")
    console.note(f"base    {made.base}, SHA256 {made.base_sha256}")
    console.note(f"        its root file system has in both files SHA256 {made.root_sha256}")
    console.note(f"layer   SHA256 {made.layer_sha256}, content {made.content_sha256}")
    for what, names in {
        "bound by the module": made.binds,
        "set by the module on the host": made.host_variables,
        "worked out when a command of the module starts": made.start_variables,
        "switched on by the module": [f"--{made.gpu.lower()}"] if made.gpu else [],
    }.items():
        if names:
            console.note(f"not in the file, {what}: {', '.join(names)}")
    console.note(shell_words(runtime.path.name, made.start_with, made.file, "python"))
    return 0


def export(installed: InstalledLayer, target: Path, runtime: Runtime, console: Console) -> Exported:
    """Write a SIF file with the base, the layer and the activation of an installation.

    Raises
    ------
    EbsifError
        When the installation is not what was installed, its base cannot carry a layer, or the file cannot be written;
        then nothing is left behind.
    """
    image, wanted = _checked(installed, console)
    if target.exists():
        raise EbsifError(f"{target} is there already, and was not replaced")
    sif = read_sif(image)
    settings = sort_settings(read_installation(installed.path).settings, installed.path)
    with temporary_folder(instead=ELSEWHERE) as scratch:
        labels = merged(look_at(sif, runtime, scratch), _provenance(installed, wanted))
        with copied(image, target, console, 0o755) as (copy, found):
            if found != wanted:
                raise EbsifError(f"{image} has SHA256 {found}, and the layer was made on one with {wanted}")
            with console.waiting("packing the layer"):
                overlay = make_overlay(installed, settings, labels, scratch)
            objects = [
                siffile.overlay(_OVERLAY, overlay, sif),
                *_documents(installed, sif, labels, scratch, console),
            ]
            siffile.add_objects(copy, objects, _identifier(sif.id, objects, console))
            root = _same_root(sif, read_sif(copy), console)
            sync(copy)
            size = copy.stat().st_size
    return Exported(
        file=str(target),
        size=size,
        base=image.name,
        base_sha256=wanted,
        root_sha256=root,
        layer_sha256=installed.record.image_sha256,
        content_sha256=installed.record.content_sha256,
        start_with=str(installed.easyconfig.parameters.get("start_with", "exec")),
        binds=settings.binds,
        host_variables=settings.host,
        start_variables=settings.start,
        gpu=settings.gpu,
    )


def _checked(installed: InstalledLayer, console: Console) -> tuple[Path, str]:
    """Return the base of an installation, whose layer is as it was installed, and the SHA256 that it must have."""
    if installed.image is None:
        raise EbsifError(f"the image {installed.easyconfig.image} of {installed.path} is gone: install it again")
    layer, recorded = installed.layer_image, installed.record
    if not layer.exists() or sha256(layer, console) != recorded.image_sha256:
        raise EbsifError(f"{layer} is not the one that {RECORD} tells of: only what was installed can be exported")
    if recorded.definition is None:
        raise EbsifError(f"{installed.path / RECORD} does not tell on which image the layer was made: install it again")
    return installed.image, str(recorded.definition["resolvedDependencies"][0]["digest"]["sha256"])


def _same_root(base: SifFile, made: SifFile, console: Console) -> str:
    """Return the SHA256 of the root file system, which must be the same in both."""
    one, other = (siffile.object_sha256(sif, sif.primary, console) for sif in (base, made))
    if one != other:
        raise EbsifError(f"{base.path} was changed while it was copied: try again")
    return one


def look_at(sif: SifFile, runtime: Runtime, scratch: Path) -> Any:
    """Return the labels of a base that can carry a layer, as they stand in it.

    Parameters
    ----------
    scratch
        A folder for temporary files of the container.

    Raises
    ------
    EbsifError
        When it cannot.
    """
    if sif.overlays:
        raise EbsifError(f"{sif.path} has a layer already: export the module on the image without one")
    workdir = scratch / "workdir"
    workdir.mkdir()
    answers = runtime.output(sif.path, ["sh", "-c", _LOOK], Inside(scratch=workdir)).split("\0")[-3:]
    if len(answers) < 3 or answers[0].strip() != "yes":
        raise EbsifError(
            f"{sif.path} has no /.singularity.d/env/99-base.sh, as images have that Apptainer or Singularity has "
            "built: what the module sets cannot be put into a file with it"
        )
    if answers[1].strip():
        there = ", ".join(answers[1].split())
        raise EbsifError(f"{sif.path} has files where the layer belongs, which would be mixed with it: {there}")
    metadata = _metadata(sif)
    return metadata["data"]["attributes"].get("labels") if metadata else _parsed(answers[2], sif.path)


def _metadata(sif: SifFile) -> Any:
    """Return what the runtime shows of an image, where it lies outside of the file system, and else None."""
    found = sif.find(siffile.GENERIC_JSON, _METADATA)
    if found is None:
        return None
    data = _parsed(siffile.read_object(sif, found, _MAXIMUM_SIZE).decode(errors="replace"), sif.path)
    match data:
        case {"data": {"attributes": dict()}}:
            return data
    raise FileError(f"{sif.path} is damaged: its {_METADATA} is not what a runtime writes")


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged: its labels cannot be read ({error})") from error


def _provenance(installed: InstalledLayer, base_sha256: str) -> Mapping[str, str]:
    """Return the labels that tell what the file was made of."""
    easyconfig = installed.easyconfig
    return {
        "ebsif.base": easyconfig.image,
        "ebsif.base.sha256": base_sha256,
        "ebsif.easyconfig": easyconfig.path.name,
        "ebsif.layer.content": installed.record.content_sha256,
        "ebsif.layer.sha256": installed.record.image_sha256,
        "ebsif.module": f"{easyconfig.name}/{easyconfig.version}",
    }


def _documents(
    installed: InstalledLayer, sif: SifFile, labels: Mapping[str, str], scratch: Path, console: Console
) -> list[DataObject]:
    """Return what is told of the file, beside what runs: the layer's record, a bill of materials, the easyconfig."""
    bom = sbom.of_easyconfig(installed.easyconfig, manifest_of(sif.path, console))
    sbom.fix(bom, sif.id, sif.header.created)
    sbom.write(bom, scratch / _SBOM)
    documents = [
        DataObject(RECORD, installed.path / RECORD),
        DataObject(_SBOM, scratch / _SBOM, siffile.SBOM, siffile.CYCLONEDX_JSON),
        DataObject(_EASYCONFIG, installed.easyconfig.path, siffile.GENERIC),
    ]
    metadata = _metadata(sif)
    if metadata:
        metadata["data"]["attributes"]["labels"] = dict(labels)
        (scratch / _METADATA).write_text(as_json(metadata), encoding="utf-8")
        documents.append(DataObject(_METADATA, scratch / _METADATA))
    return documents


def _identifier(base: UUID, objects: Sequence[DataObject], console: Console) -> UUID:
    """Return an identifier for the file: another one for each base, and for each thing that is added."""
    total = hashlib.sha256()
    for one in objects:
        total.update(f"{one.name}\0{sha256(one.content, console)}\0".encode())
    return uuid5(base, total.hexdigest())
