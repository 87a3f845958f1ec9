"""The command ``inspect``."""

import argparse
from pathlib import Path

from ebsif.base.inspect import inspect_image
from ebsif.base.manifest import Manifest
from ebsif.console import Console
from ebsif.files import write_atomically
from ebsif.runtime import find_runtime

EXAMPLE = "ebsif inspect lumi-pytorch-….sif --packages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("image", type=Path, metavar="SIF", help="the image")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="write the manifest to a file")
    parser.add_argument("--packages", action="store_true", help="list all Python packages and their commands")


def run(options: argparse.Namespace, console: Console) -> int:
    """Inspect the image, and tell what is in it."""
    manifest = inspect_image(options.image, find_runtime(), console)
    if options.output:
        write_atomically(options.output, manifest.to_json().encode(), 0o644)
    if options.json:
        console.write(manifest.to_json())
        return 0
    console.table(["image", manifest.file], [[name, value] for name, value in summary(manifest).items() if value])
    if options.packages:
        console.table(["package", "version"], [list(item) for item in sorted(manifest.packages.items())])
        console.say("commands: " + " ".join(manifest.commands))
    return 0


def summary(manifest: Manifest) -> dict[str, str | None]:
    """Return what is in a base, in words."""
    python, system = manifest.python, manifest.os
    active = manifest.activation
    return {
        "SHA256": manifest.sha256,
        "size": f"{manifest.size / 1e9:.2f} GB",
        "kind": manifest.kind,
        "machine": manifest.machine,
        "system": f"{system.name}, glibc {manifest.glibc or 'unknown'}" if system else None,
        "Python": f"{python.version} ({python.path})" if python else "none that layers can be made with",
        "packages": str(len(manifest.packages)),
        "ROCm": manifest.rocm,
        "MPI": manifest.mpi,
        "libfabric": manifest.libfabric,
        "starts with": manifest.start_with,
        "PYTHONPATH": manifest.pythonpath,
        "activation": active.command,
        **{f"  sets {name}": value for name, value in active.env.items()},
        "  puts before PATH": ":".join(active.path),
    }
