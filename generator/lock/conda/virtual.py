"""Virtual packages: they describe the machine of the base, never the one that solves."""

from collections.abc import Mapping

from ebsif.base.manifest import Manifest

# For a base that does not tell: an old system, or one without the C library of GNU.
_UNKNOWN_KERNEL = "0"


def virtual_packages(base: Manifest, given: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return version and build of each virtual package.

    Parameters
    ----------
    given
        What a recipe adds, as ``version`` or ``version=build``.
    """
    found = {
        "__unix": ("0", "0"),
        "__linux": (base.kernel or _UNKNOWN_KERNEL, "0"),
        "__archspec": ("1", base.machine),
    }
    if base.glibc:
        found["__glibc"] = (base.glibc, "0")
    for name, value in given.items():
        version, _, build = value.partition("=")
        found[name] = (version, build or "0")
    return dict(sorted(found.items()))
