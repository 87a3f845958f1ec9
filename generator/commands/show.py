"""The command ``show``."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from ebsif.arguments import add_installed
from ebsif.console import Console
from ebsif.installation import Installation, Layer, find_installation, layer_data, packages

EXAMPLE = "ebsif show PyTorch/2.13.0-cpu-python-3.11-singularity-mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_installed(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what is installed; the exit status is 1 if its image or its layer is not what was installed."""
    found = find_installation(options.subject)
    known = packages(found)
    if options.json:
        console.json(_data(found, known))
    else:
        _print(found, known, console)
    changed = found.image is None or found.as_installed is False or (found.layer and found.layer.as_installed is False)
    return 1 if changed else 0


def _image_state(found: Installation) -> str:
    """Return what is true of the image of an installation."""
    if found.base is None:
        return "cannot be read in its settings"
    if found.image is None:
        return f"{found.base}, which is gone"
    state = {True: "as installed", False: "not the image that it was installed with", None: "perhaps another one"}
    return f"{found.image}, {state[found.as_installed]}"


def _layer_state(layer: Layer | None) -> str:
    """Return what is true of the layer of an installation."""
    if layer is None:
        return "none"
    size = "not packed" if layer.size is None else decimal(layer.size)
    state = {True: "as installed", False: "changed since it was installed", None: "filled by its user"}
    return f"{size}, {state[layer.as_installed]}"


def _print(found: Installation, known: dict[str, str] | None, console: Console) -> None:
    console.say(found.module)
    for title, lines in _lines(found, known):
        for number, line in enumerate(lines):
            console.say(f"  {'' if number else title:10}{line}")
    console.note(f"`ebsif verify {found.path}` proves that the layer is what its easyconfig gives")


def _lines(found: Installation, known: dict[str, str] | None) -> Iterator[tuple[str, list[str]]]:
    """Yield each thing that is known, with its title."""
    yield "folder", [str(found.path)]
    yield "installed", [str(found.since or "unknown")]
    yield "image", [_image_state(found)]
    yield "layer", [_layer_state(found.layer)]
    if known is not None:
        yield "packages", [f"{name} {version}" for name, version in sorted(known.items(), key=_by_name)]
    yield "binds", [_bind(bind) for bind in found.settings.get("bind", [])]
    yield "sets", [f"{name}={value}" for name, value in sorted(_environment(found, "env").items())]
    yield "on host", [f"{name}={value}" for name, value in sorted(_environment(found, "host").items())]


def _by_name(package: tuple[str, str]) -> str:
    return package[0].lower()


def _bind(text: str) -> str:
    return text if Path(text.split(":")[0]).exists() else f"{text} (not on this machine)"


def _environment(found: Installation, kind: str) -> dict[str, str]:
    entries = (entry.partition(" ") for entry in found.settings.get(kind, []))
    return {name: value for name, _, value in entries}


def _data(found: Installation, known: dict[str, str] | None) -> dict[str, Any]:
    return {
        "module": found.module,
        "path": str(found.path),
        "installed": str(found.since) if found.since else None,
        "image": {"path": str(found.image) if found.image else None, "as_installed": found.as_installed},
        "layer": layer_data(found.layer),
        "packages": known,
        "binds": found.settings.get("bind", []),
        "container_env": _environment(found, "env"),
        "host_env": _environment(found, "host"),
    }
