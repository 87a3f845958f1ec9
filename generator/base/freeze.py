"""Freezing an image: a copy that nobody changes any more, with its manifest beside it."""

from dataclasses import dataclass
from pathlib import Path

from ebsif.base.inspect import check_can_inspect, identity, inspect_image
from ebsif.base.manifest import Manifest, read_manifest
from ebsif.base.store import manifest_path
from ebsif.console import Console
from ebsif.errors import EbsifError, OutdatedError
from ebsif.files import copy_new, make_folder, sha256, write_atomically
from ebsif.runtime import Runtime


@dataclass(frozen=True)
class Frozen:
    """A frozen image.

    Parameters
    ----------
    image
        Its file.
    manifest
        What is in it.
    is_new
        Whether it was copied now; else it was there already.
    """

    image: Path
    manifest: Manifest
    is_new: bool


def freeze(source: Path, folder: Path, runtime: Runtime, console: Console) -> Frozen:
    """Copy an image into a folder. A link is followed; the copy is named as its target.

    Raises
    ------
    EbsifError
        When another image of the name is there, or the folder cannot be written to; then nothing is changed.
    """
    source = source.resolve()
    identity(source)
    target = folder / source.name
    if target.exists():
        return _again(source, target, runtime, console)
    check_can_inspect(source)
    make_folder(folder, "choose another one with --to")
    copy_new(source, target, console)
    return Frozen(target, _with_manifest(target, runtime, console), is_new=True)


def _again(source: Path, target: Path, runtime: Runtime, console: Console) -> Frozen:
    """Verify an image that is frozen already."""
    found, wanted = sha256(target, console), sha256(source, console)
    if found != wanted:
        raise EbsifError(
            f"another image is at {target}: it has SHA256 {found}, and {source} has {wanted}. Frozen images are never "
            "replaced: rename the new one, or choose another folder with --to"
        )
    beside = manifest_path(target)
    try:
        # An earlier freeze may have been killed before it wrote the manifest.
        manifest = read_manifest(beside) if beside.exists() else None
    except OutdatedError:
        manifest = None
    if manifest is None:
        return Frozen(target, _with_manifest(target, runtime, console, known_sha256=found), is_new=False)
    if manifest.sha256 != found:
        raise EbsifError(f"{beside} is the manifest of another image: remove it, and run `ebsif freeze` again")
    return Frozen(target, manifest, is_new=False)


def _with_manifest(image: Path, runtime: Runtime, console: Console, known_sha256: str | None = None) -> Manifest:
    manifest = inspect_image(image, runtime, console, known_sha256=known_sha256)
    write_atomically(manifest_path(image), manifest.to_json().encode(), 0o444)
    return manifest
