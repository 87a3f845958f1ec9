"""Writing a CycloneDX software bill of materials (SBOM)."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.utils import InvalidName, canonicalize_name

from ebsif import __version__
from ebsif.base.manifest import Manifest
from ebsif.easyconfig.read import Easyconfig
from ebsif.files import write_atomically
from ebsif.lock.commit import Commit
from ebsif.lock.model import LockedFile

_CONDA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

# Most scanners read this version.
SCHEMA = SchemaVersion.V1_6


def of_image(manifest: Manifest) -> Bom:
    """Return the contents of a base."""
    bom = Bom()
    bom.metadata.component = _image(manifest)
    _complete(bom, _packages(manifest.packages, "base"))
    return bom


def of_easyconfig(easyconfig: Easyconfig, base: Manifest | None) -> Bom:
    """Return the contents of the module that an easyconfig makes.

    Parameters
    ----------
    base
        The manifest of its base; without, only the image file is listed, not what is in it.
    """
    bom = Bom()
    bom.metadata.component = Component(
        type=ComponentType.APPLICATION,
        name=easyconfig.name,
        version=easyconfig.version,
        bom_ref="module",
    )
    image = _image(base) if base else _file(easyconfig.image, easyconfig.checksum)
    files = easyconfig.installed
    replaced = {canonicalize_name(file.name) for file in files if not file.is_conda}
    seen = {name: version for name, version in (base.packages if base else {}).items()
            if canonicalize_name(name) not in replaced}
    _complete(bom, [image, *_packages(seen, "base"), *map(_locked, files)])
    return bom


def write(bom: Bom, path: Path) -> None:
    """Write a bill of materials; its format follows from the file's suffix, ``.xml`` or else JSON."""
    output = OutputFormat.XML if path.suffix == ".xml" else OutputFormat.JSON
    text = make_outputter(bom, output, SCHEMA).output_as_string(indent=1)
    write_atomically(path, text.encode(), 0o644)


def fix(bom: Bom, identifier: UUID, seconds: int) -> None:
    """Give a bill of materials its identifier and its time, so that it is the same whenever it is written.

    Parameters
    ----------
    identifier
        What it belongs to.
    seconds
        The time, since 1970.
    """
    bom.serial_number = uuid5(identifier, "sbom")
    bom.metadata.timestamp = datetime.fromtimestamp(min(max(seconds, 0), 2**32), timezone.utc)


def _complete(bom: Bom, components: Iterable[Component]) -> None:
    """Add components, all of which the described thing depends on."""
    bom.metadata.tools.components.add(
        Component(type=ComponentType.APPLICATION, name="ebsif", version=__version__, bom_ref="ebsif")
    )
    bom.components.update(components)
    if bom.metadata.component:
        bom.register_dependency(bom.metadata.component, bom.components)


def _image(manifest: Manifest) -> Component:
    return _file(manifest.file, manifest.sha256)


def _file(name: str, sha256: str | None) -> Component:
    return Component(type=ComponentType.CONTAINER, name=name, hashes=_hashes(sha256), bom_ref=f"image:{name}")


def _hashes(sha256: str | None) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []


def _packages(versions: Mapping[str, str], place: str) -> list[Component]:
    return [_package(name, version, place) for name, version in versions.items()]


def _locked(file: LockedFile) -> Component:
    purl = _conda_purl(file) if file.is_conda else _pypi_purl(file.name, file.version, file.commit)
    component = _component(file.name, file.version, purl, "layer")
    component.hashes.update(_hashes(file.sha256))
    return component


def _package(name: str, version: str, place: str) -> Component:
    return _component(name, version, _pypi_purl(name, version), place)


def _component(name: str, version: str, purl: PackageURL | None, place: str) -> Component:
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=f"{place}:{purl or name}"
    )


def _pypi_purl(name: str, version: str, commit: Commit | None = None) -> PackageURL | None:
    """Return the package URL of a Python package, with its commit if it has one; None for a name that none can have."""
    place = {"vcs_url": f"git+{commit.address}@{commit.commit}"} if commit else None
    try:
        return PackageURL("pypi", name=str(canonicalize_name(name, validate=True)), version=version, qualifiers=place)
    except InvalidName:
        return None


def _conda_purl(file: LockedFile) -> PackageURL | None:
    """Return the package URL of a package of conda; None for a name that no channel can have.

    The channel and subfolder are those of the place it comes from.
    """
    if not _CONDA_NAME.fullmatch(file.name):
        return None
    channel, _, subdir = (file.source_url or "").rpartition("/")
    place = urlsplit(channel)
    qualifiers = {
        "build": file.build or "",
        # Conda's name of a channel leaves out the host, unless there is nothing else.
        "channel": PurePosixPath(place.path).name if place.scheme == "file" else place.path.strip("/") or place.netloc,
        "subdir": subdir,
        "type": "conda" if file.filename.endswith(".conda") else "tar.bz2",
    }
    return PackageURL(type="conda", name=file.name, version=file.version, qualifiers=qualifiers)
