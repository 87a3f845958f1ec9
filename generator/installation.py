"""An installation with a layer: where it is, and what lies there."""

import json
from dataclasses import dataclass
from pathlib import Path

from ebsif.easybuild import software_folder
from ebsif.easyconfig.read import Easyconfig, read_container
from ebsif.errors import EbsifError, FileError, InputError
from ebsif.files import read_text
from ebsif.inside.provenance import LayerRecord, read_layer_record
from ebsif.listing import read_installation

# As SifLayer names them.
RECORD = "layer.json"
IMAGE = "user-software.squashfs"
FOLDER = "user-software"
# Where EasyBuild puts the easyconfig that it has installed.
_EASYCONFIGS = "easybuild"
_MAXIMUM_SIZE = 50_000_000


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
