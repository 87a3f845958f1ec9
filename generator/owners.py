"""Which package has brought a file of a layer."""

import importlib.util
import json
import os
from importlib.metadata import Distribution, distributions
from pathlib import Path

from ebsif.inside.activation import CONDA_ENVS, LAYER, VENVS


def owners(layer: Path) -> dict[str, str]:
    """Return name and version of the package that has brought a file, by the path of the file in the layer.

    Files that no package lists are left out: what making the environment, link scripts and hooks have written.

    Parameters
    ----------
    layer
        A folder with what the container sees at /user-software.
    """
    found: dict[str, str] = {}
    for above in (CONDA_ENVS, VENVS):
        for environment in sorted(layer.joinpath(os.path.relpath(above, LAYER)).glob("*")):
            for path in sorted(environment.glob("conda-meta/*.json")):
                _add(found, _conda_files(layer, environment, path))
            for folder in sorted(environment.glob("lib/python*/site-packages")):
                for distribution in distributions(path=[str(folder)]):
                    # What conda has installed is known already.
                    _add(found, _python_files(layer, distribution))
    return found | _compiled(layer, found)


def _add(found: dict[str, str], more: dict[str, str]) -> None:
    for path, owner in more.items():
        found.setdefault(path, owner)


def _conda_files(layer: Path, environment: Path, path: Path) -> dict[str, str]:
    """Return the files of an installed conda package, of which a file in ``conda-meta`` tells."""
    record = json.loads(path.read_text())
    owner = f"{record['name']} {record['version']}"
    files = [path, *(environment / file for file in record["files"])]
    return {_inside(layer, str(file)): owner for file in files}


def _python_files(layer: Path, distribution: Distribution) -> dict[str, str]:
    """Return the files of an installed Python package."""
    owner = f"{distribution.metadata['Name']} {distribution.version}"
    return {_inside(layer, str(file.locate())): owner for file in distribution.files or []}


def _inside(layer: Path, path: str) -> str:
    """Return the path in the layer of a file, which may be given by its path in the container."""
    top = LAYER if os.path.commonpath([LAYER, path]) == LAYER else layer
    return os.path.relpath(os.path.normpath(path), top)


def _compiled(layer: Path, found: dict[str, str]) -> dict[str, str]:
    """Return the bytecode of modules: whose module it is, its is that, too."""
    compiled = {}
    for path in layer.rglob("__pycache__/*.pyc"):
        name = str(path.relative_to(layer))
        try:
            source = importlib.util.source_from_cache(name)
        except ValueError:
            # Some name of a package's own.
            continue
        if source in found:
            compiled[name] = found[source]
    return compiled
