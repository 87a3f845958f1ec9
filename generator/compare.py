"""Comparing two recipes, easyconfigs, manifests or images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ebsif.base.manifest import Manifest, read_manifest
from ebsif.base.store import base_of, manifest_of
from ebsif.console import Console
from ebsif.easyconfig.read import Constant, Easyconfig, read_easyconfig
from ebsif.errors import EbsifError
from ebsif.names import easyconfig_name
from ebsif.recipe import read_recipe
from ebsif.site import read_site

# Parameters that are compared package by package, or that only repeat the others in words.
_LISTED = ("exts_list", "exts_default_options", "description", "usage")


@dataclass(frozen=True)
class Contents:
    """The content of a file, in a form that can be compared.

    Parameters
    ----------
    title
        What it is called.
    settings
        Each thing that it says, as text.
    base, layer
        Version of each Python package of the base and of the layer; None where that is not known.
    """

    title: str
    settings: Mapping[str, str]
    base: Mapping[str, str] | None = None
    layer: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Changes:
    """What is different, in the order of names: before and after, None for what is not there.

    Parameters
    ----------
    settings, base, layer
        Of what `Contents` has.
    """

    settings: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    base: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    layer: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is different."""
        return bool(self.settings or self.base or self.layer)


def changes(before: Contents, after: Contents) -> Changes:
    """Return what is different; packages only where they are known on both sides."""
    return Changes(
        _changed(before.settings, after.settings),
        _changed_packages(before.base, after.base),
        _changed_packages(before.layer, after.layer),
    )


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = sorted({*before, *after})
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _changed_packages(
    before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> dict[str, tuple[str | None, str | None]]:
    if before is None or after is None:
        return {}
    # Two versions of a package may spell its name differently.
    spelled = {str(canonicalize_name(name)): name for name in [*before, *after]}
    old, new = ({str(canonicalize_name(name)): version for name, version in side.items()} for side in (before, after))
    return {spelled[name]: pair for name, pair in _changed(old, new).items()}


def contents_of(path: Path, console: Console) -> Contents:
    """Return what a recipe (``.yml``), an easyconfig (``.eb``), a manifest (``.json``) or an image holds.

    Raises
    ------
    EbsifError
        When it is none of these, or cannot be read.
    """
    if path.suffix in (".yml", ".yaml"):
        return _of_recipe(path, console)
    if path.suffix == ".eb":
        return of_easyconfig(read_easyconfig(path))
    if path.suffix == ".json":
        return of_manifest(read_manifest(path))
    if path.suffix == ".sif":
        return of_manifest(manifest_of(path, console))
    raise EbsifError(
        f"{path} is neither a recipe (.yml) nor an easyconfig (.eb), a manifest (.json) or an image (.sif)"
    )


def of_manifest(manifest: Manifest) -> Contents:
    """Return what a base holds."""
    return Contents(manifest.file, _base_settings(manifest), manifest.packages)


def _base_settings(manifest: Manifest) -> dict[str, str]:
    facts = {
        "SHA256": manifest.sha256,
        "kind": manifest.kind,
        "operating system": manifest.os.name if manifest.os else None,
        "machine": manifest.machine,
        "glibc": manifest.glibc,
        "Python": manifest.python.version if manifest.python else None,
        "ROCm": manifest.rocm,
        "MPI": manifest.mpi,
        "libfabric": manifest.libfabric,
        "starts with": manifest.start_with,
        "PYTHONPATH": manifest.pythonpath,
        **{f"activation: ${name}": value for name, value in (manifest.activation.env or {}).items()},
    }
    return {name: value for name, value in facts.items() if value is not None}


def of_easyconfig(easyconfig: Easyconfig) -> Contents:
    """Return what an easyconfig says."""
    settings = {
        name: _text(value) for name, value in easyconfig.parameters.items() if name not in _LISTED and value is not None
    }
    return Contents(easyconfig.path.name, settings, layer=easyconfig.packages)


def _of_recipe(path: Path, console: Console) -> Contents:
    """Return what a recipe says, what its base holds, and, if its easyconfig lies beside it, its layer."""
    recipe, document = read_recipe(path)
    base = base_of(recipe, document, read_site(recipe.site, path.parent), console)
    said = {name: _text(value) for name, value in recipe.model_dump(by_alias=True, exclude_defaults=True).items()}
    easyconfig = path.parent / easyconfig_name(recipe, base)
    layer = read_easyconfig(easyconfig).packages if easyconfig.exists() else None
    if base.manifest is None:
        return Contents(path.name, said, layer=layer)
    return Contents(path.name, {**said, **_base_settings(base.manifest)}, base.manifest.packages, layer)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Constant):
        return value.name
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return str(value)
