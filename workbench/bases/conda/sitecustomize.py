"""Gives back upstream's `site-packages` to a Python copied from Debian.

Debian's change sits in the `site` module that is frozen into the interpreter, so no edit of `site.py` undoes it.
"""

import site
import sys
from collections.abc import Iterable


def getsitepackages(prefixes: Iterable[str] | None = None) -> list[str]:
    """Return the site-packages folders of all prefixes, as upstream's function of this name does."""
    folder = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    return [f"{prefix}/{folder}" for prefix in dict.fromkeys(prefixes or site.PREFIXES)]


site.getsitepackages = getsitepackages
if sys.prefix == sys.base_prefix:  # in a venv, Debian's `site` has added them already
    for path in getsitepackages():
        site.addsitedir(path)
