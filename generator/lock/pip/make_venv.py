"""Runs in the container: makes a venv that sees the packages of the base, as that of the layer will.

A venv made from a venv does not see the packages of the first one, hence the .pth file.
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
