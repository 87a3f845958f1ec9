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
from ebsif.lock.conda.packages import records
from ebsif.lock.conda.request import CondaRequest
from ebsif.lock.conda.virtual import platform_of
from ebsif.lock.model import LockedFile
from ebsif.lock.target import CONDA, Installed, Target, image_of, label_of, of_base
from ebsif.runtime import Inside, Runtime

# Where the layer is mounted, and where environments lie in it.
MOUNT = PurePosixPath("/user-software")
ENVIRONMENTS = MOUNT / "conda" / "envs"

_LOOK = Path(__file__).with_name("look.py")
_LOOK_INSIDE = "/ebsif/look.py"
_PTH = "ebsif-base.pth"
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
            binds=[f"{folder}:{MOUNT}", f"{_LOOK}:{_LOOK_INSIDE}:ro"],
            env={"PYTHONNOUSERSITE": "1", "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
        )
        image, python = image_of(base), str(prefix / "bin" / "python")
        found = _look(image, python, runtime, inside)
        packages = tuple(Installed(name, version, CONDA) for name, version in found["packages"])
        of_stack: tuple[Installed, ...] = ()
        below = base.known().python
        if request.stack and below:
            of_stack = of_base(base.known())
            _refuse_replaced(packages, of_stack, request)
            paths = _look(image, below.path, runtime, inside)["paths"]
            (_on_host(PurePosixPath(found["purelib"]), folder) / _PTH).write_text(pth(paths))
        label = label_of(found["minor"], base.known())
        yield Target(image, python, label, (*packages, *of_stack), (f"{folder}:{MOUNT}",))


def pth(paths: Sequence[str]) -> str:
    """Return the text of a .pth file that adds folders of packages, with what their own .pth files add."""
    return "".join(f"import site; site.addsitedir({path!r})\n" for path in paths)


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


def _look(image: Path, python: str, runtime: Runtime, inside: Inside) -> dict[str, Any]:
    output = runtime.output(image, [python, _LOOK_INSIDE], inside)
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
