"""What an installed layer is, to be compared with another one."""

import json
import subprocess
from pathlib import Path

from ebsif.inside.provenance import read_layer_record
from ebsif.owners import owners
from tests.support.site import Site

SQUASHFS = "user-software.squashfs"


def digests(site: Site, kind: str) -> tuple[str, str]:
    """Return the digest of a layer's content and that of its file, as they were written down."""
    record = read_layer_record(json.loads((site.installation(kind) / "layer.json").read_text()))
    return record.content_sha256, record.image_sha256


def unpacked(site: Site, kind: str, target: Path) -> Path:
    """Unpack a layer into a new folder."""
    image = site.installation(kind) / SQUASHFS
    command: list[str | Path] = ["unsquashfs", "-no-progress", "-quiet", "-dest", target, image]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return target


def differences(one: Path, two: Path) -> dict[str, str]:
    """Return the package that has brought each of the files in which two unpacked layers differ, by its path."""
    first, second = _described(one), _described(two)
    known = owners(one) | owners(two)
    paths = sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))
    return {path: known.get(path, "no package") for path in paths}


def _described(top: Path) -> dict[str, tuple[int, str | bytes]]:
    """Return permissions and content of all that is in a folder."""
    found: dict[str, tuple[int, str | bytes]] = {}
    for path in top.rglob("*"):
        content: str | bytes = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(top))] = (path.lstat().st_mode, content)
    return found
