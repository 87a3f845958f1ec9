"""Runs in the container, with the base's Python: makes a venv that sees what the base has, as the layer's will.

A venv made from a venv does not see the packages of that, hence the .pth file.
"""

import sys
import sysconfig
import venv
from pathlib import Path

target = sys.argv[1]
in_venv = sys.prefix != sys.base_prefix
venv.EnvBuilder(system_site_packages=not in_venv, symlinks=True).create(target)
if in_venv:
    folder = sysconfig.get_path("purelib", vars={"base": target, "platbase": target})
    paths = sorted({sysconfig.get_path(key) for key in ("purelib", "platlib")})
    lines = [f"import site; site.addsitedir({path!r})\n" for path in paths]
    Path(folder, "ebsif-base.pth").write_text("".join(lines))
