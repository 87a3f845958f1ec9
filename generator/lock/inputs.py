"""The digest of all that a lock is made from: while it stays the same, so does the lock."""

import hashlib
import json
from typing import Any

from packaging.utils import canonicalize_name

from ebsif.base.manifest import Manifest
from ebsif.lock.requirements import Line, Wanted
from ebsif.recipe import Recipe


def digest(wanted: Wanted, recipe: Recipe, base: Manifest) -> str:
    """Return a SHA256 of what the recipe asks for, and of what the base has.

    The order of packages, comments and folders do not matter, nor does it when an image is packed anew with the same in
    it.
    """
    return digest_of({**wanted_inputs(wanted, recipe), **base_inputs(base)})


def digest_of(inputs: Any) -> str:
    """Return a SHA256 of data that JSON can hold."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def wanted_inputs(wanted: Wanted, recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe asks pip for, as data."""
    return {
        "requirements": sorted(_text(line) for line in wanted.requirements),
        "constraints": sorted(_text(line) for line in wanted.constraints),
        "indexes": wanted.indexes,
        "allow_base_packages": sorted(recipe.allow_base_packages),
        "allow_source": sorted(recipe.allow_source),
    }


def base_inputs(base: Manifest) -> dict[str, Any]:
    """Return what the Python of a base is and has, as data."""
    python = base.python
    return {
        "python": [python.minor, python.tag] if python else None,
        "packages": sorted((canonicalize_name(name), version) for name, version in base.packages.items()),
    }


def _text(line: Line) -> str:
    """Return a requirement as it is compared; of a file on this machine, its content counts."""
    hashes = [f"sha256:{hashlib.sha256(line.file.read_bytes()).hexdigest()}"] if line.file else line.hashes
    return " ".join([line.text, *sorted(hashes)])
