"""The command ``inspect``."""

import argparse
from pathlib import Path

from pydantic import ValidationError

from ebsif.base.image import read_name
from ebsif.base.manifest import SUFFIX, Facts, Manifest
from ebsif.base.publisher import published_manifest
from ebsif.base.store import manifest_of
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import write_atomically
from ebsif.site import Site, read_site

EXAMPLE = "ebsif inspect lumi-pytorch-….sif --packages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "image",
        type=Path,
        metavar="SIF|LIST.json",
        help="the image; or, where that is not at hand, the list of packages that its publisher gives",
    )
    parser.add_argument(
        "--site", default="local", help="of a list: the site, or a file with one (default: %(default)s)"
    )
    parser.add_argument(
        "--fact",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of a list: what neither it nor the site says, as in kind=venv: " + ", ".join(Facts.model_fields),
    )
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="write the manifest to a file")
    parser.add_argument("--packages", action="store_true", help="list all Python packages and their commands")


def run(options: argparse.Namespace, console: Console) -> int:
    """Tell what is in the image, which is inspected if nobody has done so yet."""
    is_list = options.image.suffix == ".json"
    if options.fact and not is_list:
        raise EbsifError("--fact is for a publisher's list of packages: of an image, ebsif finds out all itself")
    if is_list:
        manifest = _published(options.image, read_site(options.site), options.fact, console)
    else:
        manifest = manifest_of(options.image, console)
    if options.output:
        write_atomically(options.output, manifest.to_json().encode(), 0o644)
    if options.json:
        console.json(manifest.model_dump())
        return 0
    console.table(["image", manifest.file], [[name, value] for name, value in summary(manifest).items() if value])
    if options.packages:
        console.table(["package", "version"], [list(item) for item in sorted(manifest.packages.items())])
        console.say("commands: " + ("unknown" if manifest.commands is None else " ".join(manifest.commands)))
    if is_list and not options.output:
        console.note(f"with --output {manifest.file}{SUFFIX}, recipes beside that file can be locked without the image")
    return 0


def _published(listing: Path, site: Site, said: list[str], console: Console) -> Manifest:
    """Return the manifest that a publisher's list gives, with what the command line and then the site say."""
    family = read_name(listing.with_suffix(".sif").name, site.families)
    of_site = site.facts(family.family if family else None)
    try:
        told = Facts.model_validate(dict(_pair(fact) for fact in said))
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(Facts.model_fields)
        raise EbsifError(f"--fact {'.'.join(map(str, first['loc']))}: {first['msg']} (known are {known})") from error
    return published_manifest(listing, of_site.model_copy(update=told.model_dump(exclude_none=True)), console)


def _pair(fact: str) -> tuple[str, str]:
    name, mark, value = fact.partition("=")
    if not mark:
        raise EbsifError(f"--fact {fact}: write a name and a value, as in kind=venv")
    return name, value


def summary(manifest: Manifest) -> dict[str, str | None]:
    """Return what is in a base, in words."""
    python, system = manifest.python, manifest.os
    active = manifest.activation
    return {
        "said by": None if manifest.source == "inspection" else "its publisher; what is missing here is unknown",
        "SHA256": manifest.sha256,
        "size": None if manifest.size is None else f"{manifest.size / 1e9:.2f} GB",
        "kind": manifest.kind,
        "machine": manifest.machine,
        "system": f"{system.name}, glibc {manifest.glibc or 'unknown'}" if system else None,
        "glibc": None if system else manifest.glibc,
        "Python": f"{python.version} ({python.path})" if python else "none that layers can be made with",
        "packages": str(len(manifest.packages)),
        "ROCm": manifest.rocm,
        "MPI": manifest.mpi,
        "libfabric": manifest.libfabric,
        "starts with": manifest.start_with,
        "PYTHONPATH": manifest.pythonpath,
        "activation": active.command,
        **{f"  sets {name}": value for name, value in (active.env or {}).items()},
        "  puts before PATH": ":".join(active.path),
    }
