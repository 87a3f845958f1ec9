"""Names of easyconfigs and modules: as EasyBuild wants them, in the manner of LUMI.

``PyTorch-2.7.1-rocm-6.2.4-python-3.12-singularity-20250827``: name, version, then the version suffix with all that
tells one module of a software from another.
"""

import re
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.errors import EbsifError
from ebsif.recipe import Recipe

SUFFIX = ".eb"

# Software whose Python packages have other names.
PACKAGES = {
    "pytorch": ("torch",),
    "tensorflow": ("tensorflow", "tensorflow-rocm", "tensorflow-cpu"),
}


def version_suffix(recipe: Recipe, base: Base) -> str:
    """Return the version suffix: as the recipe says, else what is known of the base, then its own marks.

    What the name of the image says comes first: a module is named as its image, inspected or not.

    Raises
    ------
    EbsifError
        When the base has a version that cannot be part of a name.
    """
    if recipe.versionsuffix is not None:
        return recipe.versionsuffix
    rocm = (base.name and base.name.rocm) or base.rocm
    python = python_version(recipe, base)
    machine = recipe.machine or base.machine
    parts = [*([machine] if machine else []), *_hardware(recipe, rocm, python)]
    parts += [*(["python", python] if python else []), *recipe.with_, "singularity"]
    parts += [part for part in (recipe.variant, recipe.date) if part]
    for part in parts:
        if not re.fullmatch(r"[A-Za-z0-9_.+-]+", part):
            raise EbsifError(
                f"the image {base.file} has a version {part!r}, which cannot be part of a module's name: write a "
                "`versionsuffix` into the recipe"
            )
    return "".join(f"-{part}" for part in parts)


def _hardware(recipe: Recipe, rocm: str | None, python: str | None) -> list[str]:
    """Return the part of the suffix that says what the module runs on."""
    if rocm:
        return [] if recipe.name.lower() == "rocm" else ["rocm", rocm]
    return ["cpu"] if python else []


def python_version(recipe: Recipe, base: Base) -> str | None:
    """Return the version of the base's Python, as in 3.12, so far as names, manifest or recipe tell."""
    if base.name and base.name.python:
        return base.name.python
    if base.manifest or not (recipe.expected and recipe.expected.python):
        return base.python
    program = re.fullmatch(r"python(\d+\.\d+)", PurePosixPath(recipe.expected.python).name)
    return program and program.group(1)


def easyconfig_name(recipe: Recipe, base: Base) -> str:
    """Return the name of the easyconfig's file."""
    return f"{recipe.name}-{recipe.version}{version_suffix(recipe, base)}{SUFFIX}"


def module_name(recipe: Recipe, base: Base) -> str:
    """Return the name of the module, as for `module load`."""
    return f"{recipe.name}/{recipe.version}{version_suffix(recipe, base)}"


def easyconfig_folder(name: str) -> Path:
    """Return the folder of a software's easyconfigs in a repository: ``p/PyTorch``."""
    letter = name[0].lower()
    return Path(letter if "a" <= letter <= "z" else "0", name)


def software_version(name: str, base: Base) -> str | None:
    """Return the version of a software that a base was made for, without local parts such as ``+rocm6.2``.

    The base's own package tells, else the name of the image.
    """
    packages = base.manifest.packages if base.manifest else {}
    versions = {canonicalize_name(package): version for package, version in packages.items()}
    for package in PACKAGES.get(name.lower(), (name,)):
        if canonicalize_name(package) in versions:
            return versions[canonicalize_name(package)].split("+")[0]
    if name.lower() == "rocm" and base.rocm:
        return base.rocm
    return base.name.version if base.name and (base.name.software or "").lower() == name.lower() else None
