"""Reading easyconfigs as data: they are programs to Python, and are never run here."""

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ebsif.errors import EbsifError, InputError
from ebsif.files import read_text
from ebsif.inside.provenance import DECIDING
from ebsif.lock.commit import read_commit, subfolder
from ebsif.lock.model import Lock, LockedFile, file_name

# Larger than any easyconfig; what is larger is something else.
MAXIMUM_SIZE = 5_000_000
# No number in an easyconfig is larger, and Python refuses to write out those that are much larger.
_MAXIMUM_NUMBER = 2**63

LOCK_MARK = "# Lock: "
_LOCK = re.compile(rf"^{LOCK_MARK}((?:\d+:)?[0-9a-f]{{64}})$", re.MULTILINE)
# What EasyBuild replaces; `quoting` has doubled the percent signs of what only looks like it.
_DOUBLED = re.compile(r"%%(?=(?:%%)*\(\w+\)s)")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# The names of all our easyblocks begin with this.
EASYBLOCKS = "Sif"


@dataclass(frozen=True)
class Constant:
    """A constant of EasyBuild, such as ``SYSTEM``."""

    name: str


@dataclass(frozen=True)
class Easyconfig:
    """An easyconfig: what it assigns, and what that means for a container.

    A property of which the easyconfig says nothing sensible raises an `InputError` with file and line.

    Parameters
    ----------
    path
        Its file.
    parameters
        What it assigns.
    lines
        The line of each assignment.
    digest
        The digest of what the lock was made from; None when ``ebsif`` has not locked the layer.
    """

    path: Path
    parameters: Mapping[str, Any]
    lines: Mapping[str, int]
    digest: str | None = None

    @property
    def is_container(self) -> bool:
        """Whether it is for one of our easyblocks."""
        easyblock = self.parameters.get("easyblock")
        return isinstance(easyblock, str) and easyblock.startswith(EASYBLOCKS)

    @property
    def name(self) -> str:
        """The name of the software."""
        return self._text("name")

    @property
    def version(self) -> str:
        """The version with its suffix, as modules have it."""
        return self._text("version") + self.versionsuffix

    @property
    def versionsuffix(self) -> str:
        """What follows the version of the software."""
        return self._text("versionsuffix", "")

    @property
    def image(self) -> str:
        """The file name of the image, the first source."""
        image = self._first("sources")
        if isinstance(image, dict):
            image = image.get("filename")
        if not _is_text(image) or re.search(r"[/\s,:]", image):
            self._refuse("sources", "the first source must be the file name of a container image (a SIF file)")
        return str(image)

    @property
    def checksum(self) -> str | None:
        """The SHA256 of the image; None when it is not known."""
        checksum = self._first("checksums")
        if isinstance(checksum, dict):
            checksum = checksum.get(self.image)
        if not (checksum is None or (isinstance(checksum, str) and _SHA256.fullmatch(checksum))):
            self._refuse("checksums", "the first checksum must be the SHA256 of the image, or None")
        return checksum

    @property
    def content_digest(self) -> str | None:
        """The digest of all that the layer must hold; None when the easyconfig does not say it."""
        digest = self.parameters.get("content_digest")
        if not (digest is None or (isinstance(digest, str) and _SHA256.fullmatch(digest))):
            self._refuse("content_digest", "it must be a SHA256, or None")
        return digest

    @property
    def binds(self) -> list[str]:
        """What containers of the module have bound."""
        return self._texts("binds")

    @property
    def variables(self) -> list[str]:
        """The names of the variables that the easyconfig sets, but for those of activating the base."""
        parameters = ("host_env", "container_env", "start_env")
        return list(dict.fromkeys(name for parameter in parameters for name in self._names(parameter)))

    @property
    def build_packages(self) -> tuple[str, ...]:
        """The names of the packages in `files` that are not installed."""
        return tuple(self._texts("build_packages"))

    @property
    def files(self) -> list[LockedFile]:
        """The files of the layer; file name or SHA256 are empty where a person has left them out."""
        return [self._file(entry) for entry in self._list("exts_list")]

    @property
    def layer(self) -> dict[str, Any]:
        """All that decides what is in the layer, and how it is checked."""
        files = ("sources", "checksums", "exts_list", "build_packages")
        checks = ("allow_base_packages", "import_check", "import_exceptions")
        names = ("easyblock", "venv_name", "conda_name", *DECIDING, *files, *checks)
        return {name: self.parameters[name] for name in names if name in self.parameters}

    @property
    def lock(self) -> Lock | None:
        """The files of its layer, when ``ebsif`` has locked them."""
        return Lock(self.digest, tuple(self.files), self.build_packages) if self.digest else None

    @property
    def installed(self) -> list[LockedFile]:
        """The files that are installed, locked by ``ebsif`` or listed by a person."""
        return Lock("", tuple(self.files), self.build_packages).installed

    @property
    def packages(self) -> dict[str, str]:
        """Version of each package in the layer; for one of conda with its build, as in ``1.0=h123_0``."""
        found: dict[str, str] = {}
        for file in self.installed:
            if file.is_conda:
                found[file.name] = f"{file.version}={file.build}"
            else:
                # What pip and conda call alike need not be the same.
                found[f"{file.name} (pip)" if file.name in found else file.name] = file.version
        return found

    def _file(self, entry: Any) -> LockedFile:
        """Return the file that an entry of ``exts_list`` names."""
        match entry:
            case (name, version, dict(options)) if _is_text(name) and _is_text(version):
                pass
            case _:
                self._refuse("exts_list", "each entry must be a name, a version, and a dictionary with 'sources' and "
                                          "'checksums'")
        filename, sha256, url = (_first(options.get(key)) for key in ("sources", "checksums", "source_urls"))
        source = filename if isinstance(filename, dict) else {"filename": filename}
        filename = source.get("filename")
        if isinstance(sha256, dict):
            sha256 = sha256.get(filename)
        # EasyBuild knows the address that a constant stands for.
        url = None if isinstance(url, Constant) else url
        if not (filename is None or _is_text(filename)):
            self._refuse("exts_list", f"the first source of {name} must be the name of a file")
        if not (sha256 is None or (isinstance(sha256, str) and _SHA256.fullmatch(sha256))):
            self._refuse("exts_list", f"the first checksum of {name} must be a SHA256")
        if self.digest and not (filename and sha256):
            self._refuse("exts_list", f"{name} is not as ebsif writes it: remove the file, and run `ebsif generate` "
                                      "again")
        remote, commit, start_dir = source.get("download_filename"), source.get("git_config"), options.get("start_dir")
        if self.digest:
            try:
                for one in (filename, *([] if remote is None else [remote])):
                    file_name(str(one), "the lock")
                commit = None if commit is None else read_commit(commit)
                start_dir = None if start_dir is None else subfolder(str(start_dir))
            except (EbsifError, ValueError) as error:
                self._refuse("exts_list", str(error))
        if not (url is None or _is_url(url)):
            self._refuse("exts_list", f"the first of the source_urls of {name} must be a URL")
        found = LockedFile(name, version, filename or "", sha256 or "", url)
        if not self.digest:
            return found
        is_own = "download_instructions" in options
        return replace(found, remote_name=remote, commit=commit, start_dir=start_dir, is_own=is_own)

    def _first(self, parameter: str) -> Any:
        return _first(self.parameters.get(parameter))

    def _text(self, parameter: str, default: str | None = None) -> str:
        value = self.parameters.get(parameter, default)
        if not (_is_text(value) or value == default == ""):
            self._refuse(parameter, "it must be a text")
        return str(value)

    def _list(self, parameter: str) -> list[Any]:
        value = self.parameters.get(parameter, [])
        if not isinstance(value, (list, tuple)):
            self._refuse(parameter, "it must be a list")
        return list(value)

    def _texts(self, parameter: str) -> list[str]:
        values = self._list(parameter)
        if not all(map(_is_text, values)):
            self._refuse(parameter, "it must be a list of texts")
        return values

    def _names(self, parameter: str) -> list[str]:
        named = self.parameters.get(parameter, {})
        if not (isinstance(named, dict) and all(map(_is_text, named))):
            self._refuse(parameter, "it must be a dictionary with names of variables")
        return list(named)

    def _refuse(self, parameter: str, message: str) -> NoReturn:
        raise InputError(self.path, [(self.lines.get(parameter), f"{parameter}: {message}")])


def _first(value: Any) -> Any:
    """Return the first item of a list, else the value itself; None for a list of nothing."""
    if isinstance(value, (list, tuple)):
        return value[0] if value else None
    return value


def _is_text(value: Any) -> bool:
    """Tell whether a value is a text that names something: not empty, in one line."""
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_url(value: Any) -> bool:
    try:
        return _is_text(value) and bool(urlsplit(value).scheme)
    except ValueError:
        return False


def read_easyconfig(path: Path) -> Easyconfig:
    """Read an easyconfig that holds nothing but data.

    Raises
    ------
    InputError
        With the line, when something in it is not data.
    FileError
        When it cannot be read.
    """
    return parse_easyconfig(read_text(path, MAXIMUM_SIZE), path)


def parse_easyconfig(text: str, path: Path) -> Easyconfig:
    """Return what the text of an easyconfig says; raises as `read_easyconfig` does.

    Parameters
    ----------
    path
        Its file.
    """
    mark = _LOCK.search(text)
    assigned = _assigned(text, path)
    parameters = {name: _value(node, text, path) for name, node in assigned.items()}
    lines = {name: node.lineno for name, node in assigned.items()}
    return Easyconfig(path, parameters, lines, mark and mark.group(1))


def read_container(path: Path) -> Easyconfig:
    """Read an easyconfig for one of our easyblocks.

    Raises
    ------
    InputError
        When it is for another easyblock; and as `read_easyconfig` does.
    """
    easyconfig = read_easyconfig(path)
    if not easyconfig.is_container:
        message = "it is not for a container: its easyblock is none of SifVenv, SifConda and SifContainer"
        raise InputError(path, [(easyconfig.lines.get("easyblock"), message)])
    return easyconfig


def _assigned(text: str, path: Path) -> dict[str, ast.expr]:
    """Return the value that each parameter is assigned, as Python reads it."""
    try:
        with warnings.catch_warnings():
            # Python has an opinion on some texts, such as '\d', which are no concern of those who only read.
            warnings.simplefilter("ignore")
            statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise InputError(path, [(line, f"not an easyconfig: {error}")]) from error
    assigned = {}
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                assigned[name] = value
            case _:
                message = "an easyconfig of ebsif holds only assignments (name = value)"
                raise InputError(path, [(statement.lineno, message)])
    return assigned


def _value(node: ast.expr, text: str, path: Path) -> Any:
    match node:
        case ast.Name(id=name):
            return Constant(name)
        case ast.List(elts=items):
            return [_value(item, text, path) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, text, path) for item in items)
        case ast.Dict(keys=keys, values=values) if all(isinstance(key, (ast.Constant, ast.Name)) for key in keys):
            pairs = [(key, value) for key, value in zip(keys, values, strict=True) if key]
            return {_value(key, text, path): _value(value, text, path) for key, value in pairs}
        case ast.Constant(value=str(value)) if _is_unicode(value):
            return _DOUBLED.sub("%", value)
        case ast.Constant(value=bool() | None as value):
            return value
        case ast.Constant(value=int(value)) if value < _MAXIMUM_NUMBER:
            return value
    # Not by `ast.unparse`, which calls itself for each term of a sum.
    source = (ast.get_source_segment(text, node) or "").split("\n")[0][:60]
    raise InputError(path, [(node.lineno, f"`{source}` is not plain data")])


def _is_unicode(text: str) -> bool:
    """Tell whether a text can be written to a file: it has no half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
