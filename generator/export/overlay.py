"""What lies over a base in one portable file: the layer, our scripts, and what the module sets in a container."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ebsif import squashfs
from ebsif.easyconfig.quoting import comment
from ebsif.errors import EbsifError, FileError
from ebsif.inside.activation import FOLDERS_BEHIND_PATH, LAYER, RUNSCRIPTS, VARIABLE_NAME, VARIABLE_VALUE
from ebsif.inside.squashfs import normalise_permissions
from ebsif.inside.text import shell_words
from ebsif.installation import SETTINGS, InstalledLayer
from ebsif.jinja import templates

# The runtimes read the files of this folder by their names: this one behind those that images have, and before
# 99-base.sh, behind which they set what a user gives a container.
ENVIRONMENT = ".singularity.d/env/98-ebsif.sh"
LABELS = ".singularity.d/labels.json"

# Of the settings of an installation, what its scripts read in a container; the others are about the host.
_INSIDE = ("image", "path", "library", "env", "start", "folder", "ports", "mask")
# What starts a container of the installation, or writes down where that is.
_FOR_THE_HOST = {"install-kernel", "run-kernel", "start.sh", "venv-python", SETTINGS.name}


@dataclass(frozen=True)
class Settings:
    """What a module sets.

    Parameters
    ----------
    lines
        All settings of the installation, kind and value, that count in a container.
    variables
        Variables in the container.
    path, behind, libraries
        Folders before and behind ``PATH`` there, and before ``LD_LIBRARY_PATH``.
    binds, host, start, gpu
        What a file cannot carry: bind specifications, names of variables of the host, of those that are worked out when
        a command starts, and the runtime's switch for GPUs.
    """

    lines: Sequence[tuple[str, str]]
    variables: Mapping[str, str]
    path: Sequence[str]
    behind: str
    libraries: Sequence[str]
    binds: Sequence[str]
    host: Sequence[str]
    start: Sequence[str]
    gpu: str | None


def sort_settings(said: Mapping[str, Sequence[str]], origin: Path) -> Settings:
    """Return what the settings of an installation are, each for itself.

    Parameters
    ----------
    said
        What it says of itself: values by their kind.
    origin
        The installation, for messages.

    Raises
    ------
    FileError
        When one of them is none that `eb` writes.
    """
    variables = dict(map(_pair, said.get("env", ())))
    for name, value in variables.items():
        if not (re.fullmatch(VARIABLE_NAME, name) and re.fullmatch(VARIABLE_VALUE, value)):
            raise FileError(f"{origin / SETTINGS} sets a variable {name!r} to {value!r}, which `eb` does not write")
    behind = variables.pop(FOLDERS_BEHIND_PATH, "")
    return Settings(
        lines=[(kind, value) for kind in _INSIDE for value in said.get(kind, ())],
        variables=variables,
        path=said.get("path", ()),
        behind=behind,
        libraries=said.get("library", ()),
        binds=said.get("bind", ()),
        host=[_pair(value)[0] for value in said.get("host", ())],
        start=[_pair(value)[0] for value in said.get("start", ())],
        gpu=next(iter(said.get("gpu", ())), None),
    )


def _pair(value: str) -> tuple[str, str]:
    name, _, rest = value.partition(" ")
    return name, rest


def environment_script(settings: Settings, easyconfig: str) -> str:
    """Return a shell script that sets in a container what the module sets there.

    Parameters
    ----------
    easyconfig
        The name of the easyconfig, for the comment.
    """
    variables, libraries = dict(settings.variables), ":".join(settings.libraries)
    if libraries and variables.get("LD_LIBRARY_PATH"):
        # Before that of the image there is the one that activating sets, which has it already.
        variables["LD_LIBRARY_PATH"], libraries = f"{libraries}:{variables['LD_LIBRARY_PATH']}", ""
    script: str = (
        templates("ebsif", {"comment": comment, "word": shell_words})
        .get_template("environment.sh.j2")
        .render(
            easyconfig=easyconfig,
            variables=sorted(variables.items()),
            libraries=libraries,
            before=":".join(settings.path),
            behind=f":{settings.behind}" if settings.behind else "",
        )
    )
    return script


def make_overlay(
    installed: InstalledLayer, settings: Settings, labels: Mapping[str, str], scratch: Path
) -> Path:
    """Make what lies over the base, as a SquashFS file; return it.

    Parameters
    ----------
    labels
        The labels of the new image.
    scratch
        A folder for what is unpacked.

    Raises
    ------
    EbsifError
        When the layer cannot be unpacked, or the file cannot be made.
    """
    tree = scratch / "tree"
    tree.mkdir()
    squashfs.unpack(installed.layer_image, tree / LAYER.strip("/"))
    _copy_scripts(installed.path / SETTINGS.parent, tree / RUNSCRIPTS.strip("/"))
    texts = {
        f"{RUNSCRIPTS.strip('/')}/{SETTINGS.name}": "".join(f"{kind} {value}\n" for kind, value in settings.lines),
        ENVIRONMENT: environment_script(settings, installed.easyconfig.path.name),
        LABELS: as_json(labels),
    }
    for name, text in texts.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    odd = normalise_permissions(str(tree))
    if odd:
        raise EbsifError(f"{installed.layer_image} holds what is no file, folder or link: {', '.join(sorted(odd))}")
    target = scratch / "overlay.squashfs"
    squashfs.pack(tree, target)
    return target


def _copy_scripts(source: Path, target: Path) -> None:
    """Copy the scripts for a container; links among them lead to others."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        if path.name not in _FOR_THE_HOST:
            shutil.copy(path, target / path.name, follow_symlinks=False)


def as_json(data: object) -> str:
    """Return data as JSON, always in the same bytes."""
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def merged(labels: object, *others: Mapping[str, str]) -> dict[str, str]:
    """Return labels of an image, as they stand in it, with others, which count more; what is no label is left out."""
    found: Iterable[tuple[object, object]] = labels.items() if isinstance(labels, dict) else ()
    own = {name: value for name, value in found if isinstance(name, str) and isinstance(value, str)}
    for more in others:
        own.update(more)
    return own
