"""Wheels made by the tests, each a real one that pip installs."""

import base64
import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A wheel on disk, as an easyconfig lists it."""

    name: str
    version: str
    path: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def extension(self, **changes: object) -> tuple[str, str, dict[str, object]]:
        """Entry for exts_list."""
        options = {"sources": [self.path.name], "checksums": [self.sha256]}
        return self.name, self.version, options | changes


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    commands: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    described: str | None = None,
) -> Wheel:
    """Make a wheel of one module named like the package, or of the files given.

    Parameters
    ----------
    files
        Text, or bytes, by path in site-packages.
    commands
        Entry point (``module:function``) by name of the command.
    described
        The text of ``METADATA`` that counts instead.
    """
    module = name.replace("-", "_")
    usual = {f"{module}.py": f"VERSION = {version!r}\n\ndef main():\n    print({name!r})\n"}
    contents: dict[str, str | bytes] = {**(files or usual)}
    info = f"{module}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    metadata += [f"Requires-Dist: {requirement}\n" for requirement in requires]
    extras = [extra for requirement in requires for extra in re.findall(r'extra == "([^"]+)"', requirement)]
    metadata += [f"Provides-Extra: {extra}\n" for extra in extras]
    contents[f"{info}/METADATA"] = "".join(metadata) if described is None else described
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if commands:
        lines = "".join(f"{command} = {target}\n" for command, target in commands.items())
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    record = []
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for target, text in contents.items():
            content = text.encode() if isinstance(text, str) else text
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{target},sha256={digest},{len(content)}\n")
            entry = zipfile.ZipInfo(target, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if "/scripts/" in target else 0o100644) << 16
            archive.writestr(entry, content)
        record.append(f"{info}/RECORD,,\n")
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", (2020, 1, 1, 0, 0, 0)), "".join(record))
    return Wheel(name, version, path)
