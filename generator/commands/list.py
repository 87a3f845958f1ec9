"""The command ``list``."""

import argparse
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from ebsif.console import Console
from ebsif.easybuild import software_folder
from ebsif.installation import SETTINGS, Installation, Layer, layer_data
from ebsif.listing import Image, Listed, easyconfigs, images, installations
from ebsif.site import Site, read_site

EXAMPLE = "ebsif list --bases --site lumi"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--bases", action="store_true", help="only images")
    either.add_argument("--easyconfigs", action="store_true", help="only easyconfigs")
    either.add_argument("--installations", action="store_true", help="only what EasyBuild has installed")
    parser.add_argument("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    parser.add_argument("--names", action="store_true", help="print no more of installations than names of modules")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print what there is."""
    if options.names:
        for one in installations(software_folder()):
            console.say(one.module)
        return 0
    data: dict[str, list[dict[str, Any]]] = {}
    all_kinds = not (options.bases or options.easyconfigs or options.installations)
    if options.bases or all_kinds:
        data["bases"] = _bases(read_site(options.site), console, print_lines=not options.json)
    if options.easyconfigs or all_kinds:
        data["easyconfigs"] = _easyconfigs(console, print_lines=not options.json)
    if options.installations or all_kinds:
        data["installations"] = _installations(console, print_lines=not options.json)
    if options.json:
        console.json(data)
    return 0


def _bases(site: Site, console: Console, *, print_lines: bool) -> list[dict[str, Any]]:
    found = list(images(site))
    if not found:
        console.note(f"the site {site.name} has no images in {', '.join(map(str, site.image_folders()))}")
    if print_lines:
        _print(console, [(_place(image), image.path.name, _facts(image)) for image in found])
    return [_base(image) for image in found]


def _place(image: Image) -> str:
    return f"{image.path.parent}{' (frozen)' if image.frozen else ''}"


def _facts(image: Image) -> str:
    manifest = image.manifest
    size = "not at hand, known from its publisher" if image.size is None else decimal(image.size)
    if manifest is None:
        return f"{size}, {image.problem or 'not inspected yet'}"
    python = f"Python {manifest.python.version}" if manifest.python else ""
    rocm = f"ROCm {manifest.rocm}" if manifest.rocm else ""
    return ", ".join(fact for fact in (size, manifest.kind, python, rocm) if fact)


def _base(image: Image) -> dict[str, Any]:
    manifest = image.manifest
    return {
        "path": str(image.path),
        "frozen": image.frozen,
        "size": image.size,
        "source": manifest.source if manifest else None,
        "sha256": manifest.sha256 if manifest else None,
        "kind": manifest.kind if manifest else None,
        "python": manifest.python.version if manifest and manifest.python else None,
        "rocm": manifest.rocm if manifest else None,
        "problem": image.problem,
    }


def _easyconfigs(console: Console, *, print_lines: bool) -> list[dict[str, Any]]:
    found = list(easyconfigs(Path()))
    if not found:
        console.note("there are no easyconfigs for containers in this folder, and this ebsif brought none")
    if print_lines:
        _print(console, [(_origin(listed), listed.path.name, f"on {listed.base}") for listed in found])
    return [
        {"path": str(listed.path), "shipped": listed.shipped, "base": listed.base, "packages": listed.packages}
        for listed in found
    ]


def _origin(listed: Listed) -> str:
    return "easyconfigs that came with ebsif" if listed.shipped else "easyconfigs in this folder"


def _installations(console: Console, *, print_lines: bool) -> list[dict[str, Any]]:
    folder = software_folder()
    found = list(installations(folder))
    if not found:
        console.note(f"no container is installed in {folder}")
    if print_lines:
        place = f"installations in {folder}"
        _print(console, [(place, str(one.path.relative_to(folder)), _state(one)) for one in found])
    return [
        {
            "path": str(one.path),
            "base": one.base,
            "image": str(one.image) if one.image else None,
            "as_installed": one.as_installed,
            "module": one.module,
            "installed": str(one.since) if one.since else None,
            "layer": layer_data(one.layer),
        }
        for one in found
    ]


def _state(installation: Installation) -> str:
    layer = installation.layer
    since = f"of {installation.since}" if installation.since else ""
    return ", ".join(fact for fact in (since, _layer(layer) if layer else "", _image(installation)) if fact)


def _layer(layer: Layer) -> str:
    size = "layer not packed" if layer.size is None else f"layer of {decimal(layer.size)}"
    return f"{size}, which was changed since" if layer.as_installed is False else size


def _image(installation: Installation) -> str:
    if installation.base is None:
        return f"which image it is on cannot be read in its {SETTINGS}"
    if installation.image is None:
        return f"on {installation.base}, which is gone"
    if installation.as_installed is False:
        return f"on {installation.image}, which is not the image that it was installed with"
    return f"on {installation.base}"


def _print(console: Console, rows: list[tuple[str, str, str]]) -> None:
    """Print rows of place, name and facts, each place once."""
    for place, group in groupby(rows, key=itemgetter(0)):
        lines = [row[1:] for row in group]
        width = max(len(name) for name, _ in lines)
        console.say(place)
        for name, facts in lines:
            console.say(f"  {name:{width}}  {facts}")
