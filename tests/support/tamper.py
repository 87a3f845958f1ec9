"""Changing an installed layer as somebody would who wants it to look as it was."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from ebsif.inside.provenance import CONTENT
from ebsif.inside.squashfs import content_digest, mksquashfs_command

SQUASHFS = "user-software.squashfs"


def tamper(installation: Path, scratch: Path, change: Callable[[Path], None]) -> None:
    """Change what is in a layer, pack it as the easyblock does, and write the new digests down."""
    image, tree = installation / SQUASHFS, scratch / "tree"
    subprocess.run(["unsquashfs", "-no-progress", "-quiet", "-dest", tree, image], check=True, capture_output=True)
    change(tree)
    record = json.loads((installation / "layer.json").read_text())
    (subject,) = record["subject"]
    command = mksquashfs_command("mksquashfs", str(tree), str(image), subject["annotations"]["compressor"])
    subprocess.run(command, check=True, capture_output=True)
    (content,) = record["predicate"]["runDetails"]["byproducts"]
    content["digest"][CONTENT] = content_digest(str(tree))
    subject["digest"]["sha256"] = hashlib.sha256(image.read_bytes()).hexdigest()
    (installation / "layer.json").write_text(json.dumps(record))
    shutil.rmtree(tree)


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
