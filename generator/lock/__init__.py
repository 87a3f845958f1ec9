"""Locks: which files make a layer, and where they come from.

This module alone chooses between `ebsif.lock.pip` and `ebsif.lock.conda`, whose modules `request`, `resolve`,
`download` and `messages` have the same roles. Both are imported where they are needed: the library that solves for
conda is large, and a recipe, which the two read, holds an environment of conda itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from packaging.utils import canonicalize_name

from ebsif.errors import EbsifError
from ebsif.inside.packages import conda_platform
from ebsif.lock.inputs import FORMAT, base_inputs, digest_of, format_of
from ebsif.lock.model import PIP, Lock
from ebsif.lock.staging import staged
from ebsif.lock.summary import Summary

if TYPE_CHECKING:
    from ebsif.base.image import Base
    from ebsif.base.manifest import Manifest
    from ebsif.console import Console
    from ebsif.document import Document
    from ebsif.lock.conda.request import CondaRequest
    from ebsif.lock.pip.request import PipRequest
    from ebsif.recipe import Recipe
    from ebsif.runtime import Runtime


@dataclass(frozen=True)
class LayerRequest:
    """All that a recipe asks to be locked: packages of pip, or an environment of conda and these on top of it.

    Parameters
    ----------
    pip
        What it asks pip for; for a layer of conda, that may be nothing.
    conda
        What it asks conda for; None for a venv.
    """

    pip: "PipRequest"
    conda: "CondaRequest | None" = None

    def packages(self, lock: Lock) -> list[str]:
        """Return the packages that are asked for and in the layer, as written."""
        # What the base has, or a marker leaves out, is not.
        locked = {file.key for file in lock.installed if not file.is_conda}
        specs = self.conda.specs if self.conda else ()
        names = [name for name in self.pip.names if canonicalize_name(name) in locked]
        known = {canonicalize_name(name) for name in names}
        names += [file.name for file in lock.installed if file.is_named_by_place and file.key not in known]
        return [*(spec.text for spec in specs), *names]

    def imported(self, lock: Lock) -> list[str]:
        """Return the packages that are asked for and in the layer, by name: each of them must work."""
        urls = {PurePosixPath(urlsplit(line.text).path).name for line in self.pip.requirements if not line.name}
        asked = {name.lower() for name in self.conda_packages}
        asked |= {canonicalize_name(line.name) for line in self.pip.requirements if line.name}
        return [
            file.name
            for file in lock.installed
            if file.key in asked or file.is_named_by_place or quote(file.filename) in urls
        ]

    @property
    def conda_packages(self) -> list[str]:
        """The names of the packages that conda is asked for."""
        return self.conda.names if self.conda else []

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that the environment of conda sets."""
        return self.conda.variables if self.conda else {}


@dataclass(frozen=True)
class Resolved:
    """A lock, and what it does not need to hold.

    Parameters
    ----------
    lock
        The lock.
    summary
        What was asked for, and what comes of it.
    warnings
        What was passed over, and what `misfits` returns.
    """

    lock: Lock
    summary: Summary
    warnings: Sequence[str]


def request(recipe: "Recipe", document: "Document", base: "Base") -> LayerRequest | None:
    """Return what a recipe asks to be locked; None when it has no layer, or its user fills that.

    Raises
    ------
    InputError
        With file and line, when a file is missing, or something in it cannot be used.
    """
    from ebsif.lock.pip import request as pip

    if recipe.layer != "conda":
        if not recipe.has_packages:
            return None
        wanted = pip.request(recipe, document, base=base.manifest)
        if base.manifest and base.manifest.python:
            wanted.check_python(base.manifest.python.version, "the base")
        return LayerRequest(wanted)
    from ebsif.lock.conda import request as conda

    environment = conda.request(recipe, document, conda_platform(base.manifest.machine) if base.manifest else None)
    return LayerRequest(pip.request(recipe, document, environment.pip), environment)


def digest(layer: LayerRequest, base: "Manifest") -> str:
    """Return a SHA256 of what a recipe asks for, and of what the resolvers see of the base.

    The order of packages, comments and folders do not matter, nor does it when an image is packed anew with the same in
    it.
    """
    sees_base = layer.conda is None or layer.conda.stack
    allowed = sorted(layer.pip.allow_base_packages)
    return digest_of(
        {
            "conda": layer.conda.inputs(base) if layer.conda else None,
            "pip": layer.pip.inputs() if layer.pip.requirements else None,
            "base": {**base_inputs(base), "allow_base_packages": allowed} if sees_base else None,
        }
    )


def check_format(lock: Lock, target: Path) -> None:
    """Refuse a lock that a newer version of ebsif has made, which this one would take for that of another recipe.

    Parameters
    ----------
    target
        The easyconfig that holds it, for messages.
    """
    if format_of(lock.inputs) > FORMAT:
        raise EbsifError(
            f"{target} was locked by a newer ebsif (format {format_of(lock.inputs)}, and this one knows {FORMAT}): "
            "use that one, or remove the file to lock it anew"
        )


def is_outdated(lock: Lock) -> bool:
    """Tell whether an older version of ebsif has made a lock, so that nobody knows whether its recipe has changed."""
    return format_of(lock.inputs) < FORMAT


def resolve(
    layer: LayerRequest,
    base: "Base",
    runtime: "Runtime | None",
    sources: Path,
    console: "Console",
    *,
    amd: bool = False,
    previous: Lock | None = None,
    upgrade: Sequence[str] = (),
    keep: bool = True,
) -> Resolved:
    """Find the files that a layer needs, and put them into a folder: all of them, or none.

    Parameters
    ----------
    runtime
        Runs containers of the base; None when its image is not at hand, which only a layer of pip does without.
    sources
        The folder for the files.
    amd
        Whether the machine has GPUs of AMD.
    previous
        A lock whose versions to keep where that is possible.
    upgrade
        Packages whose versions not to keep.
    keep
        Whether new files stay there.

    Raises
    ------
    ConflictError
        When no set of packages fits, with both sides.
    EbsifError
        When a package index or channel cannot be reached, or the files cannot be written.
    """
    with staged(sources, keep=keep) as folder:
        if layer.conda:
            from ebsif.lock.conda import resolve as conda

            assert runtime, "an environment of conda is only locked where the image is"
            solution = conda.resolve(
                layer.conda, layer.pip, base, runtime, folder, console, previous=previous, upgrade=upgrade
            )
        else:
            from ebsif.lock.pip import resolve as pip

            solution = pip.resolve(layer.pip, base, runtime, folder, console, previous=previous, upgrade=upgrade)
        lock = Lock(digest(layer, base.known()), solution.files, solution.build_packages)
        with console.waiting("looking into packages"):
            warnings = misfits(lock, layer, base.known(), folder, amd=amd)
    return Resolved(lock, solution.summary, [*solution.warnings, *warnings])


def kept_summary(lock: Lock, layer: LayerRequest, base: "Manifest") -> Summary:
    """Return what comes of a request by a lock that is there: of the base, only what is asked for is known then."""
    from ebsif.lock.pip.report import summary_of
    from ebsif.lock.target import markers, of_base, python_of

    files = [file for file in lock.installed if not file.is_conda and file.key != PIP.key]
    sees_base = layer.conda is None or layer.conda.stack
    there = of_base(base) if sees_base else ()
    keys = {canonicalize_name(name) for name in layer.pip.names} - {file.key for file in files}
    used = {package.name: package.version for package in there if package.key in keys}
    python = python_of(base) if layer.conda is None else None
    pip = summary_of(layer.pip, markers(python) if python else None, there, files, used)
    if layer.conda is None:
        return pip
    from ebsif.lock.conda.resolve import conda_summary

    return conda_summary(layer.conda, lock.conda) + pip


def misfits(lock: Lock, layer: LayerRequest, base: "Manifest", folder: Path, *, amd: bool) -> list[str]:
    """Return a sentence for each thing in a layer that probably does not work on the base that it sees.

    Parameters
    ----------
    folder
        Where the files of the lock lie.
    amd
        Whether the machine has GPUs of AMD.

    Raises
    ------
    ConflictError
        When a package hides a module that another one of the base brings.
    FileError
        When a wheel cannot be read.
    """
    from ebsif.lock.pip import fit

    if layer.conda and not layer.conda.stack:
        return []
    asked = frozenset(canonicalize_name(name) for name in layer.imported(lock))
    allowed = frozenset(canonicalize_name(name) for name in layer.pip.allow_base_packages)
    return fit.misfits(lock.installed, folder, fit.Surroundings(base, amd, asked, allowed))


def fetch(
    lock: Lock, layer: LayerRequest, base: "Base", runtime: "Runtime | None", sources: Path, console: "Console"
) -> None:
    """Put the files of a lock into a folder: all of them, or none; raises as `resolve` does."""
    with staged(sources) as folder:
        if layer.conda:
            from ebsif.lock.conda import resolve as conda

            assert runtime, "an environment of conda is only locked where the image is"
            conda.fetch(lock, layer.conda, layer.pip, base, runtime, folder, console)
        else:
            from ebsif.lock.pip import resolve as pip

            pip.fetch(lock, layer.pip, base, runtime, folder, console)


def check_upgraded(names: Sequence[str], layer: LayerRequest, lock: Lock | None, target: Path) -> None:
    """Refuse names to upgrade that lead nowhere.

    Parameters
    ----------
    target
        The easyconfig, for messages.
    """
    if names and lock is None:
        raise EbsifError(f"{target} has no lock yet, in which a package could be upgraded: leave out --upgrade")
    known = {file.key: file.name for file in (lock.files if lock else ())}
    known |= {name.lower(): name for name in layer.conda_packages}
    known |= {str(canonicalize_name(name)): name for name in layer.pip.names}
    for name in names:
        # pip and conda compare names by other rules, and a layer may have packages of both.
        if known.keys().isdisjoint({name.lower(), canonicalize_name(name)}):
            nearest = get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {known[nearest[0]]}?" if nearest else "it lists what is in it under exts_list"
            raise EbsifError(f"{name} is not in the layer of {target}, so that it cannot be upgraded: {hint}")
