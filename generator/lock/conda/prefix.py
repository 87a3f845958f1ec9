"""A solved environment, installed for as long as pip resolves what comes on top of it."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ebsif.base.image import Base
from ebsif.errors import ConflictError, EbsifError
from ebsif.files import temporary_folder
from ebsif.inside import LAYER_PY
from ebsif.inside.activation import CONDA_ENVS, LAYER
from ebsif.inside.conda import PackageError, install
from ebsif.inside.packages import CONDA_OWN_PACKAGES, PYTHON_ENV
from ebsif.lock.conda.request import CondaRequest
from ebsif.lock.model import LockedFile
from ebsif.lock.staging import taken
from ebsif.lock.target import CONDA, Installed, Target, image_of, label_of, of_base
from ebsif.process import StuckError, in_vain, patience
from ebsif.runtime import Inside, Runtime

_LAYER_PY_INSIDE = "/ebsif/layer.py"


def has_python(files: Sequence[LockedFile]) -> bool:
    """Tell whether an environment has a Python."""
    return any(file.is_conda and file.name == "python" for file in files)


@contextmanager
def installed(
    files: Sequence[LockedFile], sources: Path, request: CondaRequest, base: Base, runtime: Runtime
) -> Iterator[Target]:
    """Install an environment as its layer will be, and give its Python as the target of wheels.

    Parameters
    ----------
    files
        The files of the environment, which has a Python.
    sources
        The folder that they lie in.

    Raises
    ------
    ConflictError
        When the base is seen too, and has packages that the environment would replace.
    EbsifError
        When a package cannot be installed, or Python does not run.
    """
    prefix = PurePosixPath(CONDA_ENVS, request.name)
    with temporary_folder() as top:
        folder, scratch = top / "user-software", top / "scratch"
        scratch.mkdir()
        binds = [f"{folder}:{LAYER}", f"{LAYER_PY}:{_LAYER_PY_INSIDE}:ro"]
        inside = Inside(binds=binds, env=PYTHON_ENV, scratch=scratch)
        image, python = image_of(base), str(prefix / "bin" / "python")
        for script in _install(files, sources, folder, prefix, top):
            what = f"the link script of the conda package {script['name']}"
            try:
                done = runtime.run(image, script["command"], replace(inside, timeout=patience()))
            except StuckError as error:
                raise EbsifError(f"{what} has not ended {in_vain(error.seconds)}") from error
            if done.returncode != 0:
                raise EbsifError(f"{what} failed: {done.stderr.strip()}")
        found = _layer_py(image, python, ["probe"], runtime, inside)
        packages = tuple(Installed(found["names"][key], version, CONDA) for key, version in found["packages"].items())
        of_stack: tuple[Installed, ...] = ()
        below = base.known().python
        if request.stack and below:
            of_stack = of_base(base.known())
            _refuse_replaced(packages, of_stack, request)
            _layer_py(image, below.path, ["stack", found["purelib"]], runtime, inside)
        label = label_of(".".join(map(str, found["version"][:2])), base.known())
        yield Target(image, python, label, (*packages, *of_stack), (f"{folder}:{LAYER}",))


def _install(
    files: Sequence[LockedFile], sources: Path, folder: Path, prefix: PurePosixPath, work: Path
) -> list[dict[str, Any]]:
    """Install packages into the folder that is mounted; return what is to be run in the container afterwards."""
    target, packages = folder / prefix.relative_to(LAYER), work / "packages"
    target.parent.mkdir(parents=True)
    packages.mkdir()
    request = {
        "prefix": str(target),
        "target_prefix": str(prefix),
        "cache": str(work / "cache"),
        "packages": [{"path": str(taken(file, sources, packages)), "url": None} for file in files if file.is_conda],
    }
    try:
        return list(asyncio.run(install(request))["scripts"])
    except PackageError as error:
        raise EbsifError(str(error)) from error
    finally:
        shutil.rmtree(packages)


def _layer_py(
    image: Path, python: str, arguments: Sequence[str], runtime: Runtime, inside: Inside
) -> dict[str, Any]:
    """Run a subcommand of layer.py with a Python of the container, and return what it found."""
    output = runtime.output(image, [python, _LAYER_PY_INSIDE, *arguments], inside)
    return dict(json.loads(output.splitlines()[-1]))


def _refuse_replaced(packages: Sequence[Installed], of_stack: Sequence[Installed], request: CondaRequest) -> None:
    """Refuse packages of conda that would hide those of the base, unless the recipe allows them."""
    there = {package.key: package for package in of_stack}
    free = {*CONDA_OWN_PACKAGES, *request.allow_base_packages}
    both = [(package, there[package.key]) for package in packages if package.key in there]
    replaced = [(new, old) for new, old in both if new.key not in free]
    if replaced:
        listed = ", ".join(f"{new.name} (conda has {new.version}, the base {old.version})" for new, old in replaced)
        raise ConflictError(
            f"with `stack: true`, packages of conda would replace those of the base: {listed}; allow it with "
            "`allow_base_packages`, or do without the stack"
        )
