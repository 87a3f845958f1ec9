"""Run by a conda base's Python while the base is built, to see whether it behaves as upstream's does."""

import site
import sys
import sysconfig

prefix = sys.argv[1]
version = f"python{sys.version_info.major}.{sys.version_info.minor}"
site_packages = f"{prefix}/lib/{version}/site-packages"
expected = {
    "sys.prefix": (sys.prefix, prefix),
    "site.getsitepackages()": (site.getsitepackages(), [site_packages]),
    "sysconfig's purelib": (sysconfig.get_path("purelib"), site_packages),
    "sysconfig's scripts": (sysconfig.get_path("scripts"), f"{prefix}/bin"),
    "sys.path beside the script's folder": (
        sys.path[1:],
        [
            f"{prefix}/lib/{version.replace('.', '')}.zip",
            f"{prefix}/lib/{version}",
            f"{prefix}/lib/{version}/lib-dynload",
            site_packages,
        ],
    ),
}
wrong = [f"{what} is {found!r}, not {wanted!r}" for what, (found, wanted) in expected.items() if found != wanted]
if wrong:
    sys.exit("This Python still behaves as Debian's: " + "; ".join(wrong))
