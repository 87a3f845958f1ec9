"""Reading easyconfigs as data: they are programs to Python, and are never run here."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebsif.errors import InputError
from ebsif.files import read_text
from ebsif.lock.model import Lock, LockedFile

# Larger than any easyconfig; what is larger is something else.
MAXIMUM_SIZE = 5_000_000

LOCK_MARK = "# Lock: "
_LOCK = re.compile(rf"^{LOCK_MARK}((?:\d+:)?[0-9a-f]{{64}})$", re.MULTILINE)
# What EasyBuild replaces; `quoting` has doubled the percent signs of what only looks like it.
_DOUBLED = re.compile(r"%%(?=(?:%%)*\(\w+\)s)")


@dataclass(frozen=True)
class Constant:
    """A constant of EasyBuild, such as ``SYSTEM``."""

    name: str


@dataclass(frozen=True)
class Easyconfig:
    """An easyconfig.

    Parameters
    ----------
    path
        Its file.
    parameters
        What it assigns.
    lock
        The files of its layer, when ``ebsif`` has locked them.
    """

    path: Path
    parameters: Mapping[str, Any]
    lock: Lock | None

    @property
    def packages(self) -> dict[str, str]:
        """Version of each package in the layer; for one of conda with its build, as in ``1.0=h123_0``."""
        build = set(self.parameters.get("build_packages", ()))
        found: dict[str, str] = {}
        for name, version, options in self.parameters.get("exts_list", ()):
            file = LockedFile(name, version, "".join(options.get("sources", ())), "")
            if file.is_conda:
                found[name] = f"{version}={file.build}"
            elif name not in build:
                # What pip and conda call alike need not be the same.
                found[f"{name} (pip)" if name in found else name] = version
        return found


def read_easyconfig(path: Path) -> Easyconfig:
    """Read an easyconfig that holds nothing but data.

    Raises
    ------
    InputError
        With the line, when something in it is not data.
    EbsifError
        When it cannot be read.
    """
    text = read_text(path, MAXIMUM_SIZE)
    parameters = _parameters(text, path)
    return Easyconfig(path, parameters, _lock(text, parameters, path))


def _parameters(text: str, path: Path) -> dict[str, Any]:
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise InputError(path, [(line, f"not an easyconfig: {error}")]) from error
    parameters = {}
    for statement in statements:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            raise InputError(path, [(statement.lineno, "an easyconfig of ebsif holds only assignments (name = value)")])
        parameters[statement.targets[0].id] = _value(statement.value, path)
    return parameters


def _value(node: ast.expr, path: Path) -> Any:
    match node:
        case ast.Name(id=name):
            return Constant(name)
        case ast.List(elts=items):
            return [_value(item, path) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, path) for item in items)
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_value(key, path): _value(value, path) for key, value in zip(keys, values, strict=True) if key}
        case ast.Constant(value=str(text)):
            return _DOUBLED.sub("%", text)
        case ast.Constant(value=bool() | int() | None as value):
            return value
    raise InputError(path, [(node.lineno, f"`{ast.unparse(node)[:60]}` is not plain data")])


def _lock(text: str, parameters: Mapping[str, Any], path: Path) -> Lock | None:
    mark = _LOCK.search(text)
    if mark is None:
        return None
    try:
        files = tuple(
            LockedFile(name, version, options["sources"][0], options["checksums"][0], _source_url(options))
            for name, version, options in parameters["exts_list"]
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        message = "exts_list is not as ebsif writes it: remove the file, and run `ebsif generate` again"
        raise InputError(path, [(None, message)]) from error
    return Lock(mark.group(1), files, tuple(parameters.get("build_packages", ())))


def _source_url(options: Mapping[str, Any]) -> str | None:
    urls = options.get("source_urls")
    return urls[0] if urls else None
