"""Conda packages made by the tests, each a real one that conda, mamba and rattler install."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import zstandard

# The prefix of a build, as long as conda-build's always are: there is room for any prefix in its place.
PLACEHOLDER = ("/opt/" + "placehold_" * 26)[:255]

Noarch = Literal["generic", "python"]
FileMode = Literal["text", "binary"]

_ARCH = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
_TIME = 1577836800  # 2020-01-01
_SITE = "site-packages"


def make_package(
    channel: Path,
    name: str,
    version: str = "1.0",
    *,
    build: str = "0",
    subdir: str = "noarch",
    depends: Sequence[str] = (),
    constrains: Sequence[str] = (),
    files: Mapping[str, str | bytes] | None = None,
    executable: Collection[str] = (),
    links: Mapping[str, str] | None = None,
    noarch: Noarch | None = None,
    entry_points: Sequence[str] = (),
    prefix: Mapping[str, FileMode] | None = None,
    members: Sequence[tarfile.TarInfo] = (),
    paths: Sequence[str] | None = None,
    described: Mapping[str, bytes] | None = None,
) -> Path:
    """Make a package and put it into a channel, which has to be indexed afterwards.

    Parameters
    ----------
    channel
        The folder of the channel.
    files
        Content by path in the environment; a Python module of a ``noarch: python`` package is in ``site-packages/``.
    executable
        Those files that can be run.
    links
        Target by path of a symbolic link.
    noarch
        By default `generic` in the subdir ``noarch``.
    entry_points
        As in ``greet = greet:main``, for a ``noarch: python`` package.
    prefix
        How those files hold `PLACEHOLDER`, to be replaced when they are installed.
    members
        More members of the archive, which are on no list.
    paths
        The files that the package says it has, instead of those that it has.
    described
        Content of files in ``info/`` that counts instead.
    """
    contents = {path: _encoded(content) for path, content in (files or {}).items()}
    links, prefix = links or {}, prefix or {}
    if unknown := {*executable, *prefix}.difference(contents, paths or ()):
        raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
    if unheld := [path for path in prefix if PLACEHOLDER.encode() not in contents.get(path, PLACEHOLDER.encode())]:
        raise ValueError(f"{name} does not hold the placeholder in {', '.join(unheld)}")
    noarch = noarch or ("generic" if subdir == "noarch" else None)
    index: dict[str, Any] = {
        "arch": None if subdir == "noarch" else _ARCH[subdir],
        "build": build,
        "build_number": int(number) if (number := build.rpartition("_")[2]).isdigit() else 0,
        "constrains": list(constrains),
        "depends": list(depends),
        "license": "GPL-2.0-only",
        "name": name,
        "platform": None if subdir == "noarch" else subdir.partition("-")[0],
        "subdir": subdir,
        "timestamp": _TIME * 1000,
        "version": version,
    }
    info: dict[str, Any] = {"about.json": {"summary": f"{name}, for tests"}, "index.json": index}
    if noarch:
        index["noarch"] = noarch
    if noarch == "python":
        kind = {"type": "python", "entry_points": list(entry_points)}
        info["link.json"] = {"noarch": kind, "package_metadata_version": 1}
    listed = contents if paths is None else {path: contents.get(path, b"") for path in paths}
    info["paths.json"] = {"paths": list(_paths(listed, links, prefix)), "paths_version": 1}
    metadata = {f"info/{path}": _json(content) for path, content in info.items()}
    metadata["info/files"] = "".join(f"{path}\n" for path in sorted([*contents, *links])).encode()
    metadata.update({f"info/{name}": content for name, content in (described or {}).items()})

    stem = f"{name}-{version}-{build.replace('/', '_')}"
    path = channel / subdir / f"{stem}.conda"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in {
            "metadata.json": _json({"conda_pkg_format_version": 2}),
            f"pkg-{stem}.tar.zst": _tar_zst(contents, links, executable, members),
            f"info-{stem}.tar.zst": _tar_zst(metadata, {}, ()),
        }.items():
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)
    return path


def make_python_package(
    channel: Path,
    name: str,
    version: str,
    text: str,
    *,
    build: str = "py_0",
    module: str | None = None,
    depends: Sequence[str] = ("python >=3.8",),
    entry_points: Sequence[str] = (),
) -> Path:
    """Make a ``noarch: python`` package of one module, with the metadata that `importlib.metadata` reads.

    Parameters
    ----------
    text
        The module's.
    module
        Its name, by default that of the package.
    """
    dist = f"{_SITE}/{name}-{version}.dist-info"
    files = {
        f"{_SITE}/{module or name}.py": text,
        f"{dist}/INSTALLER": "conda\n",
        f"{dist}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{dist}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        lines = "".join(f"{entry_point}\n" for entry_point in entry_points)
        files[f"{dist}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    record = [path.removeprefix(f"{_SITE}/") for path in (*files, f"{dist}/RECORD")]
    files[f"{dist}/RECORD"] = "".join(f"{path},,\n" for path in record)
    return make_package(
        channel, name, version, build=build, depends=depends, files=files, noarch="python", entry_points=entry_points
    )


def corrupted(package: Path, folder: Path) -> Path:
    """Put a damaged copy of a package, of the same name and size, into a folder."""
    content = bytearray(package.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(byte ^ 0xFF for byte in content[middle : middle + 16])
    target = folder / package.name
    target.unlink(missing_ok=True)
    target.write_bytes(content)
    return target


def _paths(
    contents: Mapping[str, bytes], links: Mapping[str, str], prefix: Mapping[str, FileMode]
) -> Iterable[dict[str, Any]]:
    for path in sorted([*contents, *links]):
        # As conda-build: of a link, what it leads to.
        content = contents[path] if path in contents else contents.get(str(Path(path).parent / links[path]), b"")
        entry = {
            "_path": path,
            "path_type": "softlink" if path in links else "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        if path in prefix:
            entry |= {"file_mode": prefix[path], "prefix_placeholder": PLACEHOLDER}
        yield entry


def _tar_zst(
    contents: Mapping[str, bytes],
    links: Mapping[str, str],
    executable: Collection[str],
    members: Sequence[tarfile.TarInfo] = (),
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member)
        for path in sorted([*contents, *links]):
            member = tarfile.TarInfo(path)
            member.mtime = _TIME
            member.mode = 0o755 if path in executable else 0o644
            if path in links:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, links[path], 0o777
                archive.addfile(member)
            else:
                member.size = len(contents[path])
                archive.addfile(member, io.BytesIO(contents[path]))
    return zstandard.ZstdCompressor(level=3).compress(buffer.getvalue())


def _encoded(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _json(content: object) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode()
