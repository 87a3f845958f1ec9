"""Source packages made by the tests."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

# A build backend inside a source package, which is that of setuptools, but asks for one package more.
_BACKEND = """\
from setuptools.build_meta import *
from setuptools.build_meta import get_requires_for_build_wheel as static

def get_requires_for_build_wheel(config_settings=None):
    return [*static(config_settings), {!r}]
"""
# What builds most of them.
SETUPTOOLS = (
    "setuptools==80.9.0 --hash=sha256:062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922",
    "setuptools-80.9.0-py3-none-any.whl",
)
# What a package of today says of its own build.
BY_SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'
_ASKING = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def make_asking_sdist(folder: Path, name: str, requirement: str) -> Path:
    """Make a source package whose build backend asks for a package only when it is run."""
    return make_sdist(folder, name, pyproject=_ASKING, files={"backend.py": _BACKEND.format(requirement)})


def make_sdist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    pyproject: str | None = None,
    files: Mapping[str, str] | None = None,
    stem: str | None = None,
    suffix: str = ".tar.gz",
) -> Path:
    """Make a source package of one module, built by setuptools unless its ``pyproject.toml`` says otherwise.

    Parameters
    ----------
    files
        More files.
    stem
        Name of the file and of the folder in it, by default as PEP 625 wants it.
    suffix
        ``.tar.gz`` or ``.zip``.
    """
    module = name.replace("-", "_")
    stem = stem or f"{module}-{version}"
    setup = f"from setuptools import setup\nsetup(name={name!r}, version={version!r}, py_modules=[{module!r}])\n"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents = {
        "PKG-INFO": metadata,
        # Written anew by each build.
        f"{module}.egg-info/PKG-INFO": metadata,
        "setup.py": setup,
        f"{module}.py": f"VERSION = {version!r}\n",
        **(files or {}),
    }
    if pyproject is not None:
        contents["pyproject.toml"] = pyproject
    path = folder / f"{stem}{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for file, text in contents.items():
                packed.writestr(f"{stem}/{file}", text)
        return path
    with tarfile.open(path, "w:gz") as archive:
        for file, text in contents.items():
            member = tarfile.TarInfo(f"{stem}/{file}")
            member.size = len(text.encode())
            # Those of whoever has made it, whom root must not bring to life when unpacking.
            member.uid = member.gid = 12345
            archive.addfile(member, io.BytesIO(text.encode()))
    return path
