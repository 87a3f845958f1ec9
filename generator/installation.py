"""An installation: where it is, and what lies there."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ebsif.easybuild import software_folder
from ebsif.easyconfig.read import Easyconfig, read_container
from ebsif.errors import EbsifError, FileError, InputError
from ebsif.files import is_there, opened, read_text
from ebsif.inside.provenance import LayerRecord, read_layer_record
from ebsif.inside.runtime import image_identity

# What the commands of an installation read.
SETTINGS = Path("runscripts", "container.conf")
# As SifLayer names them.
RECORD = "layer.json"
IMAGE = "user-software.squashfs"
FOLDER = "user-software"
# Where EasyBuild puts the easyconfig that it has installed.
_EASYCONFIGS = "easybuild"
_MAXIMUM_SIZE = 50_000_000


@dataclass(frozen=True)
class Layer:
    """The layer of an installation.

    Parameters
    ----------
    path
        The file, or the folder when it is not packed; the module prefers the file.
    size
        Size of the file in bytes; None for a folder.
    as_installed
        Whether nobody has packed it anew since it was installed; None for a layer that its user fills.
    """

    path: Path
    size: int | None
    as_installed: bool | None


@dataclass(frozen=True)
class Installation:
    """A container that EasyBuild has installed.

    Parameters
    ----------
    path
        Its folder.
    base
        The file name of its image; None when the installation does not say, or what it says cannot be read.
    image
        The image that its module uses; None when it is gone.
    as_installed
        Whether that is the one that was installed, by its size and identifier; None when nobody can tell.
    since
        The day when it was installed; None when that cannot be read.
    layer
        What is known of its layer; None when it has none.
    settings
        What it says of itself: values by their kind.
    """

    path: Path
    base: str | None
    image: Path | None
    as_installed: bool | None
    since: date | None = None
    layer: Layer | None = None
    settings: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The name by which its module is loaded, unless the site names modules in a way of its own."""
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True)
class InstalledLayer:
    """An installation with a layer.

    Parameters
    ----------
    path
        Its folder.
    easyconfig
        The easyconfig that says what it should be.
    record
        What is written down of its layer.
    image
        The container image that its module uses; None when it is gone.
    """

    path: Path
    easyconfig: Easyconfig
    record: LayerRecord
    image: Path | None

    @property
    def layer_image(self) -> Path:
        """The layer as one file, which the module prefers."""
        return self.path / IMAGE

    @property
    def layer_folder(self) -> Path:
        """The layer as a folder, when its user has unpacked it."""
        return self.path / FOLDER


def read_installation(path: Path) -> Installation:
    """Return what an installation, given its folder, says of its image."""
    return _installation(path, _said(path / SETTINGS))


def _said(settings: Path) -> list[tuple[str, str]]:
    """Return what an installation says of itself, kind and value; nothing where that cannot be read."""
    try:
        # No line breaks but the one: others may stand in a value.
        lines = [line.partition(" ") for line in read_text(settings, _MAXIMUM_SIZE).split("\n")]
    except EbsifError:
        return []
    return [(kind, value) for kind, _, value in lines if value]


def _installation(path: Path, said: list[tuple[str, str]]) -> Installation:
    of_image = {kind: value for kind, value in said if kind in ("image", "identity")}
    base = of_image.get("image")
    settings: dict[str, list[str]] = {}
    for kind, value in said:
        settings.setdefault(kind, []).append(value)
    known = (_date(path / SETTINGS), _layer(path), settings)
    if base is None:
        return Installation(path, None, None, None, *known)
    places = [path / base, *_expanded(value for kind, value in said if kind == "frozen")]
    image = next((place for place in places if is_there(place)), None)
    as_installed = _identity(image) == of_image["identity"] if image and "identity" in of_image else None
    return Installation(path, base, image, as_installed, *known)


def _date(file: Path) -> date | None:
    """Return the day when a file was written."""
    return date.fromtimestamp(file.stat().st_mtime) if is_there(file) else None


def _layer(path: Path) -> Layer | None:
    """Return what is known of the layer of an installation, without reading it."""
    image, folder, record = path / IMAGE, path / FOLDER, path / RECORD
    if is_there(image):
        # The record is written when the layer has been packed.
        is_same = image.stat().st_mtime <= record.stat().st_mtime if is_there(record) else None
        return Layer(image, image.stat().st_size, is_same)
    if is_there(folder):
        return Layer(folder, None, False if is_there(record) else None)
    return None


def _expanded(paths: Iterator[str]) -> Iterator[Path]:
    """Yield paths that may begin with variables, as modules do: without those of which a variable is not set."""
    for path in map(os.path.expandvars, paths):
        if "$" not in path:
            yield Path(path)


def _identity(image: Path) -> str | None:
    """Return by what an image is told from others; None when it is none, or cannot be read."""
    try:
        with opened(image) as file:
            return image_identity(file)
    except FileError:
        return None


def find_installation(subject: Path) -> Installation:
    """Return the installation that is meant: by its folder, its easyconfig, or the name of its module.

    Raises
    ------
    EbsifError
        When there is none.
    """
    if subject.is_dir():
        found = read_installation(subject.absolute())
    elif subject.suffix == ".eb":
        easyconfig = read_container(subject)
        found = read_installation(software_folder() / easyconfig.name / easyconfig.version)
    else:
        found = read_installation(software_folder() / subject)
    if not found.settings:
        raise EbsifError(
            f"{found.path} is no installation of a container: `ebsif list --installations` names those that there are"
        )
    return found


def layer_data(layer: Layer | None) -> dict[str, Any] | None:
    """Return what is known of a layer as data that JSON can hold."""
    if layer is None:
        return None
    return {"path": str(layer.path), "size": layer.size, "as_installed": layer.as_installed}


def packages(installation: Installation) -> dict[str, str] | None:
    """Return the versions of the packages in a layer by name; None when nothing tells them."""
    if not is_there(installation.path / RECORD):
        return None
    definition = read_record(installation.path).definition
    if definition is None:
        # Written by an earlier version.
        return read_container(installed_easyconfig(installation.path)).packages
    files = [file.get("annotations", {}) for file in definition["resolvedDependencies"]]
    return {file["package"]: file["version"] for file in files if "package" in file and not file.get("buildOnly")}


def find_installed(subject: Path, named: Path | None = None) -> InstalledLayer:
    """Return the installation that is meant.

    Parameters
    ----------
    subject
        The folder of an installation; or an easyconfig, for the installation of EasyBuild's configuration.
    named
        The easyconfig that says what it should be; by default the one that was installed.

    Raises
    ------
    EbsifError
        When there is no such installation, or it has no layer that an easyconfig describes.
    """
    if subject.suffix == ".eb" and not subject.is_dir():
        if named:
            raise EbsifError(
                f"{subject} is an easyconfig: give the folder of an installation together with another one"
            )
        easyconfig = read_container(subject)
        path = software_folder() / easyconfig.name / easyconfig.version
        if not path.is_dir():
            raise EbsifError(
                f"{subject} is not installed: there is no {path}. If it is installed elsewhere, give the folder of the "
                f"installation, with --easyconfig {subject}"
            )
    else:
        path = subject.absolute()
        if not path.is_dir():
            raise EbsifError(f"there is no installation {subject}: give its folder, or its easyconfig (.eb)")
        easyconfig = read_container(named or installed_easyconfig(path))
    return InstalledLayer(path, easyconfig, read_record(path), read_installation(path).image)


def installed_easyconfig(path: Path) -> Path:
    """Return the easyconfig that lies in an installation.

    Raises
    ------
    EbsifError
        When there is none, or more than one.
    """
    found = sorted((path / _EASYCONFIGS).glob("*.eb"))
    if len(found) != 1:
        raise EbsifError(
            f"{path / _EASYCONFIGS} has {len(found)} easyconfigs where EasyBuild puts one: name it with --easyconfig"
        )
    return found[0]


def read_record(path: Path) -> LayerRecord:
    """Return what an installation has written down of its layer.

    Raises
    ------
    FileError
        When there is none, or it cannot be read.
    """
    file = path / RECORD
    if not file.exists():
        raise FileError(
            f"{path} has no {RECORD}: only a layer whose packages an easyconfig lists has one, which `eb` writes"
        )
    try:
        return read_layer_record(json.loads(read_text(file, _MAXIMUM_SIZE)))
    except (ValueError, RecursionError) as error:
        raise InputError(file, [(None, str(error))]) from error
