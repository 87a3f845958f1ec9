"""Runs in a container: prints the packages of its Python, and their folders, as one line of JSON."""

import json
import re
import site
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

packages: "dict[str, tuple[str, str]]" = {}
for dist in metadata.distributions():
    name = dist.metadata["Name"]
    if name:  # else it is what a package that was removed by hand has left
        packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), (name, dist.version))
# A system's Python may have packages in more folders than those that it installs to, as Debian's dist-packages.
candidates = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
print(
    json.dumps(
        {
            "packages": list(packages.values()),
            "purelib": sysconfig.get_path("purelib"),
            "paths": [path for path in dict.fromkeys(candidates) if Path(path).is_dir()],
            "minor": "{}.{}".format(*sys.version_info),
        }
    )
)
