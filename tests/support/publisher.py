"""Files as the publisher of an image gives them, in the formats of laifs-container-recipes, with content of our own."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

IMAGE = "lumi-multitorch-torch-u24r64f21m43t29-20260101_000000"
SHA256 = "c" * 64
APT = {
    "binutils-x86-64-linux-gnu": "2.42-4ubuntu2.3",
    "libc6": "2.39-0ubuntu8.5",
    "libfabric": "2.1.0",
    "mpich": "4.3.2",
    "python3": "3.12.3-0ubuntu2",
    "python3.12": "3.12.3-1ubuntu0.8",
    "rocm-core": "6.4.4.60404-129~24.04",
}
PIP = {"six": "1.17.0", "torch": "2.9.1+rocm6.4"}


def publish(
    folder: Path,
    *,
    image: str = IMAGE,
    apt: Mapping[str, str] = APT,
    pip: Mapping[str, str] | None = PIP,
    sha256: str | None = SHA256,
) -> Path:
    """Write the list of packages of an image and the checksums of its release, and return the first."""
    listing = folder / f"{image}.json"
    lists = {"apt": apt} if pip is None else {"apt": apt, "pip": pip}
    content = {kind: [{"name": name, "version": version} for name, version in found.items()]
               for kind, found in lists.items()}
    # As a terminal writes it, in which the publisher's tool runs.
    listing.write_text(json.dumps(content, indent=2).replace("\n", "\r\n") + "\r\n")
    lines = [f"{hashlib.sha256(listing.read_bytes()).hexdigest()}  {listing.name}"]
    lines += [f"{sha256}  {image}.sif"] if sha256 else []
    (folder / "release.sha256").write_text("".join(f"{line}\n" for line in lines))
    return listing
