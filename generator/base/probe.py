"""Runs in a container of a base, with its Python, and prints what it is and has as one line of JSON."""

import json
import os
import platform
import re
import sys
import sysconfig


def canonical(name: str) -> str:
    """Return the name of a package as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def can_make_layers() -> bool:
    """Return whether this Python can make a venv with pip."""
    if sys.version_info < (3, 8):
        return False
    from importlib.util import find_spec

    return find_spec("venv") is not None and find_spec("ensurepip") is not None


def packages_and_commands() -> "tuple[dict[str, str], list[str]]":
    """Return version by name of all packages, the first on the path where there are several, and their commands."""
    from importlib import metadata

    folder = sysconfig.get_path("scripts")
    packages: dict[str, tuple[str, str]] = {}
    commands: set[str] = set()
    for dist in metadata.distributions():
        name = dist.metadata["Name"]
        if not name:  # what a package that was removed by hand has left
            continue
        packages.setdefault(canonical(name), (name, dist.version))
        for file in dist.files or ():
            path = os.path.normpath(str(dist.locate_file(file)))
            if os.path.dirname(path) == folder:
                commands.add(os.path.basename(path))
        # Conda makes these when it installs a noarch package, whose list of files does not have them.
        commands.update(entry.name for entry in dist.entry_points if entry.group == "console_scripts")
    commands = {name for name in commands if os.access(os.path.join(folder, name), os.X_OK)}
    return dict(packages.values()), sorted(commands)


def main() -> None:
    """Print what this Python is and has."""
    found = {
        "path": sys.executable,
        "version": platform.python_version(),
        "venv": sys.prefix != getattr(sys, "base_prefix", sys.prefix),
        "usable": can_make_layers(),
        "interpreter": {"cpython": "cp", "pypy": "pp"}.get(sys.implementation.name, sys.implementation.name),
        "abiflags": sys.abiflags,
        "machine": platform.machine(),
    }
    if found["usable"]:
        found["packages"], found["commands"] = packages_and_commands()
    print(json.dumps(found))


main()
