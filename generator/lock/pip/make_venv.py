"""Runs in the container, with the base's Python: makes a venv that sees what the base has, as the layer's will.

A venv made from a venv does not see the packages of that, hence the .pth file. If that one sees the packages of its own
Python, so does the new one.
"""

import re
import site
import sys
import sysconfig
import venv
from pathlib import Path

target = sys.argv[1]
in_venv = sys.prefix != sys.base_prefix
config = Path(sys.prefix, "pyvenv.cfg").read_text() if in_venv else ""
sees_system = not in_venv or bool(re.search(r"(?m)^include-system-site-packages\s*=\s*true\s*$", config))
venv.EnvBuilder(system_site_packages=sees_system, symlinks=True).create(target)
if in_venv:
    folder = sysconfig.get_path("purelib", vars={"base": target, "platbase": target})
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in dict.fromkeys(paths) if Path(path).is_dir()]
    Path(folder, "ebsif-base.pth").write_text("".join(lines))
