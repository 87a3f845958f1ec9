"""Wheels of package indexes for layers that tests and benchmarks install, which ask none for them."""

import ast
import tempfile
from collections.abc import Callable
from pathlib import Path

from workbench import demo, easybuild, images
from workbench.errors import NotPreparedError
from workbench.progress import Progress

_EASYCONFIG = easybuild.PROJECT / "easyconfigs" / "p" / demo.NAME / f"{demo.NAME}-{demo.VERSION}.eb"


def find(cache: Path, name: str) -> Path:
    """Return the folder with the wheels of one of `LAYERS`.

    Raises
    ------
    NotPreparedError
        When they have not been downloaded, or are others now.
    """
    folder = images.wheels_folder(cache, name, LAYERS[name]())
    if not folder.exists():
        raise NotPreparedError(f"The wheels of the layer '{name}'")
    return folder


def prepare(cache: Path, name: str, progress: Progress) -> None:
    """Download the wheels of one of `LAYERS`, unless they are there."""
    requirements = LAYERS[name]()
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, f"{name}.txt")
        listed.write_text(requirements)
        images.download_wheels(images.wheels_folder(cache, name, requirements), listed, progress)


def _of_demo() -> str:
    """Return what the demo's easyconfig has in its exts_list, as a file of requirements."""
    (extensions,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(_EASYCONFIG.read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "exts_list"
    )
    return "".join(
        f"{name}=={version} --hash=sha256:{options['checksums'][0]}\n" for name, version, options in extensions
    )


def _measured(name: str) -> Callable[[], str]:
    return (easybuild.PROJECT / "benchmarks" / "requirements" / f"{name}.txt").read_text


# What each has, as a file of requirements: the demo's packages, a kernel for Jupyter, MPI, what is built for another
# torch, and JAX; what only benchmarks install; torch and all that the bases have with it.
LAYERS: dict[str, Callable[[], str]] = {
    "demo": _of_demo,
    "kernel": images.requirements("kernel").read_text,
    "mpi": images.requirements("mpi").read_text,
    "vision": images.requirements("vision").read_text,
    "jax": images.requirements("jax").read_text,
    "one": _measured("one"),
    "large": _measured("large"),
    "huge": _measured("huge"),
    "torch": images.requirements("torch").read_text,
}
# What benchmarks install.
MEASURED = ("one", "demo", "large", "huge")
