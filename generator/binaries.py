"""Binary files: the names that stand in them, such as those of libraries, without knowing more of their format."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from packaging.version import Version

from ebsif.files import opened

_CHUNK = 1 << 24  # bytes
_LONGEST_NAME = 512
# In a table of names, each stands between zero bytes.
LIBRARY = re.compile(rb"\0(lib[\w.+-]+\.so[.\d]*)(?=\0)")
# Versions of glibc, as what is linked against it names them; the second is a feature of 2.36 (DT_RELR).
_GLIBC = re.compile(rb"\0GLIBC_(2\.\d+|ABI_DT_RELR)(?:\.\d+)*(?=\0)")


def names_in(file: IO[bytes], pattern: re.Pattern[bytes]) -> set[str]:
    """Return the names of a pattern, as its group, that stand in a file, which may be larger than the memory."""
    found: set[str] = set()
    rest = b""
    while chunk := file.read(_CHUNK):
        rest += chunk
        found |= {name.decode() for name in pattern.findall(rest)}
        rest = rest[-_LONGEST_NAME:]
    return found


def glibc_needed(paths: Iterable[Path]) -> str | None:
    """Return the oldest glibc with which all of some libraries can be loaded; None when none of them says one.

    Raises
    ------
    FileError
        When one cannot be read.
    """
    found: set[str] = set()
    for path in paths:
        with opened(path) as file:
            found |= names_in(file, _GLIBC)
    return max(("2.36" if name == "ABI_DT_RELR" else name for name in found), key=Version, default=None)
