"""The digest of all that a lock is made from: while it stays the same, so does the lock."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from packaging.utils import canonicalize_name

from ebsif.base.manifest import Manifest

# Every change of the data below, or of how locks are made from it, counts this up; then every lock is made anew.
# Format 1 had no number, and did not tell an index from an extra one; its locks may lack the address of a file, or a
# package that a source package is built with.
FORMAT = 2


def digest_of(inputs: Mapping[str, Any]) -> str:
    """Return the format and a SHA256 of data that JSON can hold."""
    text = json.dumps({"format": FORMAT, **inputs}, sort_keys=True)
    return f"{FORMAT}:{hashlib.sha256(text.encode()).hexdigest()}"


def format_of(digest: str) -> int:
    """Return the format of a digest."""
    number, mark, _ = digest.partition(":")
    return int(number) if mark else 1


def base_inputs(base: Manifest) -> dict[str, Any]:
    """Return what the Python of a base is and has, as data."""
    python = base.python
    # What was locked without the image is judged again where the image is.
    without_image = {"source": base.source} if base.source == "publisher" else {}
    return {
        **without_image,
        "python": [python.minor, python.tag] if python else None,
        "packages": sorted((canonicalize_name(name), version) for name, version in base.packages.items()),
    }
