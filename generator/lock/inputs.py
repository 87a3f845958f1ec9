"""The digest of all that a lock is made from: while it stays the same, so does the lock."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from packaging.utils import canonicalize_name

from ebsif.base.manifest import Manifest


def digest_of(inputs: Mapping[str, Any]) -> str:
    """Return a SHA256 of data that JSON can hold."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def base_inputs(base: Manifest) -> dict[str, Any]:
    """Return what the Python of a base is and has, as data."""
    python = base.python
    return {
        "python": [python.minor, python.tag] if python else None,
        "packages": sorted((canonicalize_name(name), version) for name, version in base.packages.items()),
    }
