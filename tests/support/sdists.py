"""Source packages made by the tests."""

import io
import tarfile
from pathlib import Path


def make_sdist(folder: Path, name: str, version: str = "1.0", *, pyproject: str | None = None) -> Path:
    """Make a source package of one module, built by setuptools unless its ``pyproject.toml`` says otherwise."""
    top = f"{name}-{version}"
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "setup.py": f"from setuptools import setup\nsetup(name={name!r}, version={version!r}, py_modules=[{name!r}])\n",
        f"{name}.py": f"VERSION = {version!r}\n",
    }
    if pyproject is not None:
        files["pyproject.toml"] = pyproject
    path = folder / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            member = tarfile.TarInfo(f"{top}/{file}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path
