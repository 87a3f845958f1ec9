"""Wheels of package indexes, for the tests, which ask none for them: those of the demo, and some that do not fit it."""

import ast
import tempfile
from pathlib import Path

from workbench import demo, easybuild, images
from workbench.errors import NotPreparedError
from workbench.progress import Progress

# The sets of wheels, and what each is for.
DEMO = "demo"  # the packages of the demo's easyconfigs
VISION = "vision"  # what is built for another torch than the demo's

_EASYCONFIG = easybuild.PROJECT / "easyconfigs" / "p" / demo.NAME / f"{demo.NAME}-{demo.VERSION}.eb"


def find(cache: Path, name: str = DEMO) -> Path:
    """Return the folder with a set of wheels.

    Raises
    ------
    NotPreparedError
        When they have not been downloaded, or what lists them has changed since.
    """
    folder = images.wheels_folder(cache, name, _requirements(name))
    if not folder.exists():
        raise NotPreparedError(f"The wheels of the set {name}")
    return folder


def prepare(cache: Path, progress: Progress) -> None:
    """Download the wheels, unless they are there."""
    for name in (DEMO, VISION):
        requirements = _requirements(name)
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder, f"{name}.txt")
            listed.write_text(requirements)
            images.download_wheels(images.wheels_folder(cache, name, requirements), listed, progress)


def _requirements(name: str) -> str:
    """Return the requirements of a set: for the demo, what its easyconfig has in exts_list."""
    if name != DEMO:
        return images.requirements(name).read_text()
    (extensions,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(_EASYCONFIG.read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "exts_list"
    )
    return "".join(
        f"{name}=={version} --hash=sha256:{options['checksums'][0]}\n" for name, version, options in extensions
    )
