"""Storing manifests: beside a frozen image, or in the user's cache."""

from pathlib import Path

from ebsif.base.checksums import Stated, verify
from ebsif.base.image import Base, locate, read_name
from ebsif.base.inspect import identity, inspect_image
from ebsif.base.manifest import SUFFIX, Manifest, read_manifest
from ebsif.console import Console
from ebsif.document import Document
from ebsif.errors import FileError, OutdatedError
from ebsif.files import cache_path, make_cache, write_atomically
from ebsif.recipe import Recipe
from ebsif.runtime import find_runtime
from ebsif.site import Site

# The folder in the user's cache.
_CACHE = "manifests"


def manifest_path(image: Path) -> Path:
    """Return where the manifest of an image lies beside it."""
    return image.with_name(image.name + SUFFIX)


def manifest_of(image: Path, console: Console) -> Manifest:
    """Return the manifest of an image; inspect the image if there is no manifest of the current format.

    Raises
    ------
    EbsifError
        When the manifest beside the image is that of another one, or the inspection fails.
    """
    manifest = stored_manifest(image)
    if manifest is None:
        manifest = inspect_image(image, find_runtime(), console)
        make_cache(_CACHE)
        write_atomically(_cached(image), manifest.to_json().encode(), 0o644)
    published = publishers_manifest(manifest_path(image))
    verify(image, manifest.sha256, [Stated(manifest_path(image), published.sha256)] if published else [])
    # The same image may have another name here.
    return manifest.model_copy(update={"file": image.name})


def stored_manifest(image: Path) -> Manifest | None:
    """Return the manifest of an image; None when there is none of the current format by an inspection.

    Raises
    ------
    FileError
        When the manifest beside the image is that of another one, or no manifest.
    """
    found = identity(image)
    beside = _read_beside(manifest_path(image))
    if beside and beside.source == "publisher":
        beside = None  # somebody can look into the image itself now
    if beside and (beside.id, beside.size) != (found.id, found.size):
        raise FileError(
            f"{manifest_path(image)} is the manifest of another image than {image}: if the image is the right one, "
            "remove the manifest, and ebsif inspects the image again"
        )
    if beside:
        return beside
    cached = _read_cached(_cached(image))
    return cached if cached and (cached.id, cached.size) == (found.id, found.size) else None


def known_manifest(image: Path) -> Manifest | None:
    """Return the manifest of an image if there is one, without starting the image; raises as `stored_manifest`."""
    return stored_manifest(image) or publishers_manifest(manifest_path(image))


def publishers_manifest(path: Path) -> Manifest | None:
    """Return a manifest from the files of an image's publisher; None when there is none of the current format."""
    manifest = _read_beside(path)
    return manifest if manifest and manifest.source == "publisher" else None


def _read_beside(path: Path) -> Manifest | None:
    """Return the manifest beside an image; None when it has an older format. Not every user may replace it."""
    try:
        return read_manifest(path) if path.exists() else None
    except OutdatedError:
        return None


def _read_cached(path: Path) -> Manifest | None:
    """Return a manifest from the cache; None when another version of ebsif wrote it."""
    try:
        return read_manifest(path) if path.exists() else None
    except FileError:
        return None


def _cached(image: Path) -> Path:
    """Return where the cache has the manifest of an image."""
    return cache_path(_CACHE, f"{identity(image).id}{SUFFIX}")


def find_base(image: str, site: Site, folder: Path, console: Console, *, inspect: bool = True) -> Base:
    """Return what is known of an image: from what is in it if it is at hand, else from its publisher and its name.

    Parameters
    ----------
    image
        Its file name, looked for in the site's folders; or a path, relative to `folder`.
    inspect
        Whether to look into the image if nobody has, which starts what is in it.
    """
    path = locate(image, site, folder)
    file = Path(image).name
    if path:
        manifest = manifest_of(path, console) if inspect else known_manifest(path)
    else:
        manifest = _published(image, site, folder)
    return Base(file, path, manifest, read_name(file, site.families), site.machine)


def _published(image: str, site: Site, folder: Path) -> Manifest | None:
    """Return the manifest that was made of the publisher's files, where the image itself would be."""
    path = locate(image + SUFFIX, site, folder)
    manifest = publishers_manifest(path) if path else None
    return manifest and manifest.model_copy(update={"file": Path(image).name})


def base_of(recipe: Recipe, document: Document, site: Site, console: Console) -> Base:
    """Return what is known of a recipe's base; inspects the image if it is at hand and has no manifest.

    Raises
    ------
    EbsifError
        When the image is not at hand, and the recipe does not say what to expect in it; or when it is for another kind
        of processor than the recipe or the site says.
    """
    base = find_base(recipe.base, site, document.path.parent, console)
    if base.manifest is None and recipe.expected is None:
        places = ", ".join(str(folder) for folder in site.image_folders()) or "no folder, since the site names none"
        raise document.error(
            ("base",),
            f"there is no image {recipe.base} (looked for beside the recipe and in {places}), and the recipe does not "
            "say what to expect in it (`expected:`); `ebsif inspect` makes a manifest from its publisher's list, too",
        )
    machine = recipe.machine or base.machine
    if machine and base.manifest and base.manifest.machine != machine:
        whose = "recipe" if recipe.machine else f"site {site.name}"
        raise document.error(("base",), f"{base.file} is for {base.manifest.machine}, and the {whose} for {machine}")
    return base
