"""The wheels of the demo's easyconfigs, for the tests, which ask no package index for them."""

import ast
import tempfile
from pathlib import Path

from workbench import demo, easybuild, images
from workbench.errors import NotPreparedError
from workbench.progress import Progress

_EASYCONFIG = easybuild.PROJECT / "easyconfigs" / "p" / demo.NAME / f"{demo.NAME}-{demo.VERSION}.eb"


def find(cache: Path) -> Path:
    """Return the folder with the wheels.

    Raises
    ------
    NotPreparedError
        When they have not been downloaded, or the easyconfig has changed since.
    """
    folder = images.wheels_folder(cache, "demo", _requirements())
    if not folder.exists():
        raise NotPreparedError("The wheels of the demo's easyconfigs")
    return folder


def prepare(cache: Path, progress: Progress) -> None:
    """Download the wheels, unless they are there."""
    requirements = _requirements()
    with tempfile.TemporaryDirectory() as name:
        listed = Path(name, _EASYCONFIG.name)
        listed.write_text(requirements)
        images.download_wheels(images.wheels_folder(cache, "demo", requirements), listed, progress)


def _requirements() -> str:
    """Return what the easyconfig has in its exts_list, as a file of requirements."""
    (extensions,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(_EASYCONFIG.read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "exts_list"
    )
    return "".join(
        f"{name}=={version} --hash=sha256:{options['checksums'][0]}\n" for name, version, options in extensions
    )
