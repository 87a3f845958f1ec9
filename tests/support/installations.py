"""What EasyBuild leaves behind, as far as `ebsif` reads it."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.manifests import freeze, make_manifest

# Noon, so that it is the same day in all time zones but a few.
INSTALLED = datetime(2026, 11, 2, 12)
ID = (make_manifest().id or "").replace("-", "")


def make_installation(software: Path, frozen: Path, *more: str) -> Path:
    """Make an installation whose image is a link to a frozen one, with further settings."""
    image = freeze(frozen, make_manifest(python="3.12.3"))
    folder = software / "Demo" / "1.0"
    settings = folder / "runscripts" / "container.conf"
    settings.parent.mkdir(parents=True)
    lines = ["image x.sif", "frozen $UNSET/x.sif", "frozen $FROZEN/x.sif", f"identity {image.stat().st_size} {ID}"]
    lines += more
    settings.write_text("".join(f"{line}\n" for line in lines))
    set_time(settings)
    (folder / "x.sif").symlink_to(image)
    return folder


def add_layer(installation: Path, record: dict[str, Any]) -> Path:
    """Add a layer with what is written down of it; return its image."""
    image = installation / "user-software.squashfs"
    image.write_bytes(b"x" * 4_200_000)
    (installation / "layer.json").write_text(json.dumps(record))
    set_time(image)
    set_time(installation / "layer.json")
    return image


def set_time(file: Path, seconds: float = 0) -> None:
    """Let a file be as old as the installation, or younger by some seconds."""
    at = INSTALLED.timestamp() + seconds
    os.utime(file, (at, at))
