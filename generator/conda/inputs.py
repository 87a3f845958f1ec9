"""The digest of all that the lock of a conda layer is made from."""

from ebsif.base.manifest import Manifest
from ebsif.conda.asked import Asked
from ebsif.conda.virtual import virtual_packages
from ebsif.lock.inputs import base_inputs, digest_of, wanted_inputs
from ebsif.lock.requirements import Wanted
from ebsif.recipe import Recipe


def digest(asked: Asked, wanted: Wanted | None, recipe: Recipe, base: Manifest) -> str:
    """Return a SHA256 of what the recipe asks for, and of what the solver and pip see of the base.

    The order of packages and comments do not matter; that of channels does.
    """
    virtual = virtual_packages(base, recipe.virtual_packages)
    return digest_of(
        {
            "specs": sorted(spec.canonical for spec in asked.specs),
            "channels": asked.channels,
            "files": sorted([pinned.file.filename, pinned.file.sha256] for pinned in asked.pinned),
            "virtual": {name: "=".join(parts) for name, parts in virtual.items()},
            "wheels": wanted_inputs(wanted, recipe) if wanted else None,
            "stack": {**base_inputs(base), "allowed": sorted(recipe.allow_base_packages)} if recipe.stack else None,
        }
    )
