"""Freezing an image: a copy that nobody changes any more, with its manifest beside it."""

from dataclasses import dataclass
from pathlib import Path

from ebsif.base.checksums import Stated, stated_of, verify
from ebsif.base.inspect import check_can_inspect, identity, inspect_image
from ebsif.base.manifest import Manifest, read_manifest
from ebsif.base.store import manifest_path, publishers_manifest
from ebsif.console import Console
from ebsif.errors import EbsifError, OutdatedError
from ebsif.files import copied, make_folder, sha256, write_atomically
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
    verified_with
        The files that state its SHA256, with which it was compared.
    """

    image: Path
    manifest: Manifest
    is_new: bool
    verified_with: tuple[Path, ...] = ()


def freeze(source: Path, folder: Path, runtime: Runtime, console: Console) -> Frozen:
    """Copy an image into a folder. A link is followed; the copy is named as its target.

    Raises
    ------
    EbsifError
        When another image of the name is there, its publisher states another SHA256, or the folder cannot be written
        to; then nothing is changed.
    """
    source = source.resolve()
    identity(source)
    target = folder / source.name
    stated = [*stated_of(source), *_stated_by_manifest(target)]
    verified_with = tuple(dict.fromkeys(one.file for one in stated))
    if target.exists():
        wanted = sha256(source, console)
        verify(source, wanted, stated)
        return Frozen(target, _again(source, wanted, target, runtime, console), False, verified_with)
    check_can_inspect(source)
    make_folder(folder, "choose another one with --to")
    with copied(source, target, console) as (copy, found):
        verify(source, found, stated)
        manifest = inspect_image(copy, runtime, console, known_sha256=found, name=target.name)
    return Frozen(target, _written(manifest, target), True, verified_with)


def _stated_by_manifest(target: Path) -> list[Stated]:
    """Return what a manifest from the publisher's files says of an image that was not there yet."""
    manifest = publishers_manifest(manifest_path(target))
    return [Stated(manifest_path(target), manifest.sha256)] if manifest else []


def _again(source: Path, wanted: str, target: Path, runtime: Runtime, console: Console) -> Manifest:
    """Verify an image that is frozen already, and return its manifest."""
    found = sha256(target, console)
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
    if manifest is None or manifest.source == "publisher":
        return _with_manifest(target, runtime, console, found)
    if manifest.sha256 != found:
        raise EbsifError(f"{beside} is the manifest of another image: remove it, and run `ebsif freeze` again")
    return manifest


def _with_manifest(image: Path, runtime: Runtime, console: Console, known_sha256: str) -> Manifest:
    return _written(inspect_image(image, runtime, console, known_sha256=known_sha256), image)


def _written(manifest: Manifest, image: Path) -> Manifest:
    """Write the manifest of an image beside it."""
    write_atomically(manifest_path(image), manifest.to_json().encode(), 0o444)
    return manifest
