"""Runs in a container, with a Python there: prints what it has, and where it has it, as one line of JSON."""

import json
import re
import sys
import sysconfig
from importlib import metadata

packages: "dict[str, tuple[str, str]]" = {}
for dist in metadata.distributions():
    name = dist.metadata["Name"]
    if name:  # else it is what a package that was removed by hand has left
        packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), (name, dist.version))
print(
    json.dumps(
        {
            "packages": list(packages.values()),
            "purelib": sysconfig.get_path("purelib"),
            "paths": sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}),
            "minor": "{}.{}".format(*sys.version_info),
        }
    )
)
