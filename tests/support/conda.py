"""A conda channel in a folder, made of real packages."""

import asyncio
import shlex
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from rattler.index import index_fs

from tests.support.conda_packages import PLACEHOLDER, make_package, make_python_package
from tests.support.conda_python import python_package
from tests.support.easyconfigs import HOOK_VALUE
from workbench import Machine

# What the hook of `hooked` sets.
HOOKED_VALUE = HOOK_VALUE

_GREET = """\
import json
import sys

__version__ = {version!r}


def main():
    print(json.dumps({{"argv": sys.argv[1:], "version": __version__}}))
"""
# All that hooks of packages do: they print, extend variables, put folders before and behind PATH, and write.
_HOOK = """\
echo "hooked says hello"
export HOOKED_HOME="$CONDA_PREFIX/share/hooked"
export PATH="$HOOKED_HOME/bin:$PATH:/opt/behind"
export PYTHONPATH="$HOOKED_HOME/python:$PYTHONPATH"
export LD_LIBRARY_PATH="$CONDA_PREFIX/lib:$LD_LIBRARY_PATH"
if [ ! -e "$HOOKED_HOME/first" ]; then echo "of the first time" >"$HOOKED_HOME/first"; fi
"""
_POST_LINK = """#!/bin/sh
mkdir -p "$PREFIX/share/linked"
printf '%s\\n' "$PREFIX" "$PKG_NAME" "$PKG_VERSION" >"$PREFIX/share/linked/made.txt"
"""


@dataclass(frozen=True)
class Channel:
    """A channel in a folder."""

    path: Path

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def package(self, name: str, version: str = "1.0") -> Path:
        """Return the file of a package."""
        found = list(self.path.glob(f"*/{name}-{version}-*.conda"))
        assert len(found) == 1, f"{found} are named {name}-{version}"
        return found[0]

    def index(self) -> None:
        """Write the lists of what is in the channel, after a change; no package may be damaged."""
        # By force: a package that has been replaced keeps its place in the lists otherwise, with its old checksum.
        asyncio.run(index_fs(self.path, force=True))

    def copy(self, folder: Path) -> "Channel":
        """Return a copy in a new folder, to be changed by a test."""
        shutil.copytree(self.path, folder)
        return Channel(folder)


def make_channel(folder: Path, machine: Machine) -> Channel:
    """Make a channel that has a Python and a package for each thing to be tested."""
    python_package(folder, machine)
    return make_small_channel(folder)


def make_small_channel(folder: Path) -> Channel:
    """Make that channel without the Python, for which no container is needed."""
    for version in ("1.0", "2.0"):
        text = _GREET.format(version=version)
        make_python_package(folder, "greet", version, text, entry_points=["greet = greet:main"])
        make_python_package(folder, "numbers", version, f"VERSION = {version!r}\n", module="numbers_demo")
        make_package(folder, "shared", version, files={"share/shared/version.txt": f"{version}\n"})
    make_package(folder, "left", depends=["shared 1.*"])
    make_package(folder, "right", depends=["shared 2.*"])
    _make_with_prefix(folder)
    _make_with_scripts(folder)
    make_package(folder, "newglibc", depends=["__glibc >=2.99"])
    make_package(folder, "foreign", subdir="linux-aarch64", files={"share/foreign/machine.txt": "aarch64\n"})
    channel = Channel(folder)
    channel.index()
    return channel


def add_fillers(channel: Channel, count: int = 300) -> None:
    """Add the package `fillers`, which depends on that many others."""
    names = [f"filler-{number:03}" for number in range(count)]
    for name in names:
        make_package(channel.path, name, files={f"share/fillers/{name}": f"{name}\n"})
    make_package(channel.path, "fillers", depends=names)
    channel.index()


def _make_with_prefix(folder: Path) -> None:
    config, data = "share/prefixed/config.txt", "share/prefixed/data.bin"
    held = f"{PLACEHOLDER}/share/prefixed"
    make_package(
        folder,
        "prefixed",
        subdir="linux-64",
        files={
            "bin/prefixed": f"#!/bin/sh\nexec cat '{PLACEHOLDER}/{config}'\n",
            "bin/prefixed-tool": _program_that_prints(f"{held}\n".encode()),
            config: f"data = {held}/data.bin\n",
            data: b"\x7fDATA\x00" + held.encode() + b"\x00end\x00",
        },
        executable=["bin/prefixed", "bin/prefixed-tool"],
        prefix={"bin/prefixed": "text", "bin/prefixed-tool": "binary", config: "text", data: "binary"},
    )
    make_package(
        folder,
        "tool",
        subdir="linux-64",
        depends=["prefixed"],
        files={"bin/tool": "#!/bin/sh\nprintf '%s\\n' tool \"$@\"\n"},
        executable=["bin/tool"],
    )


def _make_with_scripts(folder: Path) -> None:
    setting = f"export HOOKED_VALUE={shlex.quote(HOOKED_VALUE)}\n{_HOOK}"
    make_package(
        folder,
        "hooked",
        files={
            "etc/conda/activate.d/hooked.sh": setting,
            "etc/conda/deactivate.d/hooked.sh": "unset HOOKED_VALUE HOOKED_HOME\n",
            "share/hooked/README": "Found by $HOOKED_HOME.\n",
            "share/hooked/python/hooked_python.py": "HOOKED = True\n",
        },
    )
    post_link, pre_link = "bin/.linked-post-link.sh", "bin/.prelinked-pre-link.sh"
    make_package(folder, "linked", files={post_link: _POST_LINK}, executable=[post_link])
    make_package(folder, "prelinked", files={pre_link: "#!/bin/sh\nexit 0\n"}, executable=[pre_link])


def _program_that_prints(text: bytes) -> bytes:
    """Return a program for Linux on x86-64 that prints a C string which it holds."""
    code = bytes.fromhex(
        "488d3521000000"  # lea rsi, [rip + 33]: the text, right behind this code
        "31d2"  # xor edx, edx
        "803c1600 7404 ffc2 ebf6"  # count in edx up to the NUL
        "b801000000 bf01000000 0f05"  # write(1, rsi, edx)
        "b83c000000 31ff 0f05"  # exit(0)
    )
    address, start = 0x400000, 64 + 56
    size = start + len(code) + len(text) + 1
    header = struct.pack("<16sHHIQQQ", b"\x7fELF\2\1\1", 2, 62, 1, address + start, 64, 0)
    header += struct.pack("<IHHHHHH", 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 0x1000)
    return header + segment + code + text + b"\0"
