"""Making the layer of an easyconfig again, by `eb` itself, where it disturbs nobody."""

import os
from collections.abc import Sequence
from pathlib import Path

from ebsif import process
from ebsif.console import Console
from ebsif.easybuild import find_eb, source_paths
from ebsif.easyconfig.read import MAXIMUM_SIZE, Easyconfig
from ebsif.errors import ToolError
from ebsif.files import read_text
from ebsif.installation import RECORD

# The image serves to make the layer, and is not what is made; and what is compared here, `eb` need not refuse.
_CHANGES = "\nimage_install = 'link'\ncontent_digest = None\n"
# Also where its module can be loaded, and with verified files, whatever else EasyBuild's configuration says.
_OPTIONS = ["--rebuild", "--skip-sanity-check", "--disable-ignore-checksums", "--disable-module-only"]


def rebuild(easyconfig: Easyconfig, image: Path | None, scratch: Path, console: Console) -> Path:
    """Install an easyconfig below a scratch folder, and return the folder of the installation.

    Parameters
    ----------
    image
        The image to use; None to let EasyBuild look for it.

    Raises
    ------
    ToolError
        When `eb` is missing, or fails.
    """
    copy = scratch / easyconfig.path.name
    copy.write_text(read_text(easyconfig.path, MAXIMUM_SIZE) + _CHANGES, encoding="utf-8")
    images = scratch / "image"
    images.mkdir()
    if image:
        (images / easyconfig.image).symlink_to(image.resolve())
    places = {
        "--buildpath": scratch / "build",
        "--installpath": scratch,
        "--installpath-modules": scratch / "modules",
        "--installpath-software": scratch / "software",
        "--locks-dir": scratch / "locks",
        "--repositorypath": scratch / "repository",
        # What is missing is fetched into the first, and goes with it.
        "--sourcepath": ":".join(map(str, [images, *source_paths()])),
        "--tmpdir": scratch / "tmp",
    }
    words = [find_eb(), str(copy), *(f"{option}={place}" for option, place in places.items()), *_OPTIONS]
    with console.waiting(f"installing {easyconfig.path.name} into {scratch}"):
        done = process.run(words, os.environ)
    if done.returncode != 0:
        said = _reason((done.stdout + done.stderr).splitlines())
        raise ToolError(f"the layer could not be made again, eb ended with status {done.returncode}: {said}")
    return next((scratch / "software").rglob(RECORD)).parent


def _reason(lines: Sequence[str]) -> str:
    """Return of what `eb` has printed what tells why it failed."""
    said = [line.strip() for line in lines if line.strip()]
    return next((line for line in reversed(said) if line.startswith("ERROR")), "; ".join(said[-3:]))
