"""Source packages made by the tests, named as people name them."""

import io
import tarfile
import zipfile
from pathlib import Path

from tests.support.wheels import Wheel


def make_source(
    folder: Path, name: str, version: str = "1.0", *, stem: str | None = None, suffix: str = ".tar.gz"
) -> Wheel:
    """Make a source package of one module named like the package, to be built with setuptools.

    Parameters
    ----------
    stem
        Name of the file and of the folder in it, by default as PEP 625 wants it.
    suffix
        ``.tar.gz`` or ``.zip``.
    """
    module = name.replace("-", "_")
    stem = stem or f"{module}-{version}"
    contents = {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n\n[tool.setuptools]\npy-modules = ["{module}"]\n',
        f"{module}.py": f"VERSION = {version!r}\n",
    }
    path = folder / f"{stem}{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for target, text in contents.items():
                archive.writestr(f"{stem}/{target}", text)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for target, text in contents.items():
                entry = tarfile.TarInfo(f"{stem}/{target}")
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
    return Wheel(name, version, path)
