"""Runs pip as if on another Python; needs nothing but the file of pip.

Arguments: the file of pip, a folder with what is installed there, a JSON file with what environment markers are
compared with there, and the arguments of pip.
"""

import importlib
import json
import runpy
import sys
from pathlib import Path


def main(pip: str, packages: str, markers: str, *arguments: str) -> None:
    """Run pip, with values for markers that pip has no option for."""
    sys.path[:0] = [pip, packages]
    values = json.loads(Path(markers).read_text(encoding="utf-8"))
    vars(importlib.import_module("pip._vendor.packaging.markers"))["default_environment"] = lambda: dict(values)
    sys.argv = ["pip", *arguments]
    runpy.run_module("pip", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
