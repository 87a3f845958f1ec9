"""A solved environment, installed for as long as pip resolves what comes on top of it."""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import rattler
from rattler.exceptions import InstallerError

from ebsif.base.image import Base
from ebsif.errors import ConflictError, EbsifError
from ebsif.inside import LAYER_PY
from ebsif.inside.packages import PYTHON_ENV
from ebsif.lock.conda.packages import records
from ebsif.lock.conda.request import CondaRequest
from ebsif.lock.conda.virtual import platform_of
from ebsif.lock.model import LockedFile
from ebsif.lock.target import CONDA, Installed, Target, image_of, label_of, of_base
from ebsif.runtime import Inside, Runtime

# Where the layer is mounted, and where environments lie in it.
MOUNT = PurePosixPath("/user-software")
ENVIRONMENTS = MOUNT / "conda" / "envs"

_LAYER_PY_INSIDE = "/ebsif/layer.py"
# Nearly every environment with Python has these, and no package needs those of the base.
_INSTALLERS = ("pip", "setuptools", "wheel")


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
    prefix = ENVIRONMENTS / request.name
    with tempfile.TemporaryDirectory(prefix="ebsif-") as name:
        folder = Path(name, "user-software")
        target = _on_host(prefix, folder)
        target.parent.mkdir(parents=True)
        _install(files, sources, target, prefix, base, Path(name, "cache"))
        inside = Inside(
            binds=[f"{folder}:{MOUNT}", f"{LAYER_PY}:{_LAYER_PY_INSIDE}:ro"],
            env=PYTHON_ENV,
        )
        image, python = image_of(base), str(prefix / "bin" / "python")
        found = _layer_py(image, python, ["probe"], runtime, inside)
        packages = tuple(Installed(found["names"][key], version, CONDA) for key, version in found["packages"].items())
        of_stack: tuple[Installed, ...] = ()
        below = base.known().python
        if request.stack and below:
            of_stack = of_base(base.known())
            _refuse_replaced(packages, of_stack, request)
            _layer_py(image, below.path, ["stack", found["purelib"]], runtime, inside)
        label = label_of(".".join(map(str, found["version"][:2])), base.known())
        yield Target(image, python, label, (*packages, *of_stack), (f"{folder}:{MOUNT}",))


def _on_host(path: PurePosixPath, folder: Path) -> Path:
    """Return where a path below the mount lies on this machine."""
    return folder / path.relative_to(MOUNT)


def _install(
    files: Sequence[LockedFile], sources: Path, target: Path, prefix: PurePosixPath, base: Base, cache: Path
) -> None:
    found = records([file for file in files if file.is_conda], sources)
    platform = rattler.Subdir(platform_of(base.known()))
    # Link scripts are for the container, not for this machine.
    options: dict[str, Any] = {"execute_link_scripts": False, "show_progress": False}
    try:
        asyncio.run(
            rattler.install(
                found, target, cache_dir=cache, platform=platform, alternative_target_prefix=prefix, **options
            )
        )
    except (InstallerError, OSError) as error:
        reason = "; ".join(line.removeprefix("Caused by: ") for line in str(error).splitlines()[:3])
        raise EbsifError(f"the environment cannot be installed: {reason}") from error


def _layer_py(
    image: Path, python: str, arguments: Sequence[str], runtime: Runtime, inside: Inside
) -> dict[str, Any]:
    """Run a subcommand of layer.py with a Python of the container, and return what it found."""
    output = runtime.output(image, [python, _LAYER_PY_INSIDE, *arguments], inside)
    return dict(json.loads(output.splitlines()[-1]))


def _refuse_replaced(packages: Sequence[Installed], of_stack: Sequence[Installed], request: CondaRequest) -> None:
    """Refuse packages of conda that would hide those of the base, unless the recipe allows them."""
    there = {package.key: package for package in of_stack}
    free = {*_INSTALLERS, *request.allow_base_packages}
    both = [(package, there[package.key]) for package in packages if package.key in there]
    replaced = [(new, old) for new, old in both if new.key not in free]
    if replaced:
        listed = ", ".join(f"{new.name} (conda has {new.version}, the base {old.version})" for new, old in replaced)
        raise ConflictError(
            f"with `stack: true`, packages of conda would replace those of the base: {listed}; allow it with "
            "`allow_base_packages`, or do without the stack"
        )
