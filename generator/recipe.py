"""The recipe: what a person writes to get an easyconfig."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from ebsif import document
from ebsif.base.manifest import Kind
from ebsif.document import Document
from ebsif.lock.conda.environment import EnvironmentOrFile
from ebsif.settings import ModuleSettings
from ebsif.values import (
    Command,
    ContainerPath,
    Date,
    EnvironmentName,
    FeatureName,
    ImageFile,
    IndexUrl,
    Machine,
    NamePart,
    PackageName,
    Requirement,
    SoftwareName,
    StrictModel,
    Suffix,
    Text,
    Version,
    VirtualPackageName,
    VirtualPackageVersion,
)

# Raise this when a key changes its meaning: an older ebsif then refuses the recipe.
FORMAT = 1

# Keys that need `layer: conda`.
_ONLY_CONDA = ("environment", "pixi_environment", "stack", "conda_name", "virtual_packages")


def _format(value: str) -> str:
    if value != str(FORMAT):
        raise ValueError(f"{value!r} is no format of recipes: write {FORMAT}, or leave the key out")
    return value


# Numbers are read as the text that was written, but editors know them as numbers.
RecipeFormat = Annotated[str, AfterValidator(_format), WithJsonSchema({"const": FORMAT})]


class Pyproject(StrictModel):
    """Packages that a ``pyproject.toml`` names."""

    file: Text = "pyproject.toml"
    """The file, relative to the recipe."""
    extras: list[PackageName] = Field(default_factory=list)
    """Extras of the project to have as well."""
    groups: list[PackageName] = Field(default_factory=list)
    """Dependency groups to have as well."""


class LockFile(StrictModel):
    """What to take of the lock of another tool."""

    file: Text
    """The file, relative to the recipe: a ``pylock.toml``, ``uv.lock`` or ``poetry.lock``."""
    extras: list[PackageName] = Field(default_factory=list)
    """Extras of the project to have as well."""
    groups: list[PackageName] = Field(default_factory=list)
    """Dependency groups to have as well."""
    unpin: list[PackageName] = Field(default_factory=list)
    """Packages whose version in the lock does not count: that of the base does, where it has them."""


def _kind_of_requirements(value: Any) -> str:
    return "[lock]" if isinstance(value, (dict, LockFile)) else "[file]"


RequirementsOrLock = Annotated[
    Annotated[Text, Tag("[file]")] | Annotated[LockFile, Tag("[lock]")], Discriminator(_kind_of_requirements)
]


class Expected(StrictModel):
    """What is known of a base that nobody has inspected; a manifest replaces it."""

    kind: Kind
    """What Python environment it has."""
    python: ContainerPath | None = None
    """Its Python."""
    activation: Text | None = None
    """The command that activates its environment."""
    start_with: Literal["exec", "run"] = "exec"
    """How to start commands in it."""
    packages: dict[Text, Text] = Field(default_factory=dict)
    """Versions of notable packages, for the description."""


class Recipe(ModuleSettings):
    """Which base, which packages, which commands."""

    format: RecipeFormat = str(FORMAT)
    """Version of the format of recipes that the recipe is written in."""
    name: SoftwareName
    """Name of the software, for EasyBuild and for the module."""
    version: Version
    """Its version: that of the base's main package."""
    with_: list[NamePart] = Field(default_factory=list, alias="with")
    """What else the name of the module says is inside, such as ``horovod-0.28.1``."""
    variant: NamePart | None = None
    """What tells this module from others on the same base."""
    date: Date | None = None
    """The day of the base or of the recipe, the last part of the name."""
    machine: Machine | None = None
    """The kind of processor of the base, as ``uname -m`` says; then part of the name. By default that of the site."""
    versionsuffix: Suffix | None = None
    """The version suffix, where it should not follow from the base, ``with``, ``variant`` and ``date``."""
    site: Text = "local"
    """The site: the name of one that comes with ebsif, or a file, relative to the recipe."""
    features: list[FeatureName] = Field(default_factory=list)
    """What the module brings of the machine, by the names that its site has for it, such as its MPI."""
    base: ImageFile
    """The image: its file name, looked for in the site's folders, or a path."""
    verify_base: bool = True
    """Whether the easyconfig has the SHA256 of the base; not for an image that is built on each machine anew."""
    expected: Expected | None = None
    """What is known of a base that is not at hand."""
    image_install: Literal["copy", "share", "link"] = "copy"
    """How the image gets into the installation."""
    layer: Literal["venv", "conda", "none"] = "venv"
    """What goes on top of the base: a Python venv, an environment of conda, or nothing."""
    environment: EnvironmentOrFile | None = None
    """The environment of a conda layer: what an ``environment.yml`` holds, or a file, relative to the recipe: an
    ``environment.yml``, a ``conda-lock.yml``, a ``pixi.lock`` or an @EXPLICIT file."""
    pixi_environment: Text | None = None
    """Which environment of a ``pixi.lock`` to have; by default that of the name ``default``."""
    stack: bool = False
    """Whether the base's own environment is active underneath a conda layer, and its Python packages are seen."""
    conda_name: EnvironmentName | None = None
    """Name of the conda environment; by default that of the software in lower case."""
    virtual_packages: dict[VirtualPackageName, VirtualPackageVersion] = Field(default_factory=dict)
    """What the solver of conda is told beside what is found in the base, such as ``__cuda: 12.4``."""
    packages: list[Requirement] = Field(default_factory=list)
    """Python packages of the layer, from a package index, an address or a folder, written as in a requirements file."""
    requirements: list[RequirementsOrLock] = Field(default_factory=list)
    """Requirements files, and locks of other tools, relative to the recipe; of a lock also what to take of it."""
    constraints: list[Text] = Field(default_factory=list)
    """Constraints files, relative to the recipe."""
    pyproject: Pyproject | None = None
    """A ``pyproject.toml`` whose dependencies to have in the layer."""
    allow_base_packages: list[PackageName] = Field(default_factory=list)
    """Packages of the base that the layer may replace, or hide by packages of other names."""
    allow_source: list[PackageName] = Field(default_factory=list)
    """Packages that may be built from source, because they have no wheel."""
    import_exceptions: dict[PackageName, Text] = Field(default_factory=dict)
    """Packages of the layer that `eb` does not try to import: the reason, by name."""
    index: IndexUrl | None = None
    """A package index to use instead of the default one."""
    extra_indexes: list[IndexUrl] = Field(default_factory=list)
    """Package indexes to use as well."""
    venv_name: EnvironmentName | None = None
    """Name of the venv; by default that of the software in lower case."""
    commands: list[Command] = Field(default_factory=list)
    """Commands of the base to have on ``PATH``; those of the layer's packages are there anyway."""
    user_site: bool = False
    """Whether Python in the container sees ``~/.local``."""
    homepage: Text | None = None
    """Address of the software's home page."""
    description: str | None = None
    """What the module is for; what is in it is added."""

    @property
    def layer_name(self) -> str:
        """Name of the venv or of the conda environment."""
        return (self.conda_name if self.layer == "conda" else self.venv_name) or self.name.lower()

    @property
    def has_packages(self) -> bool:
        """Whether the recipe itself asks for Python packages from a package index."""
        return bool(self.packages or self.requirements or self.pyproject)


def read_recipe(path: Path) -> tuple[Recipe, Document]:
    """Read a recipe; return it, and the document with the lines for error messages.

    Raises
    ------
    EbsifError
        When it cannot be read; with file and line of what is wrong in it.
    """
    written = document.read(path)
    _check_format(written)
    recipe = document.validate(Recipe, written)
    _check_layer(recipe, written)
    return recipe, written


def _check_format(written: Document) -> None:
    """Refuse a recipe in a newer format before validation calls its new keys mistakes."""
    said = written.data.get("format") if isinstance(written.data, dict) else None
    if isinstance(said, str) and re.fullmatch(r"[1-9]\d{0,8}", said) and int(said) > FORMAT:
        raise written.error(
            ("format",), f"the recipe has format {said}, and this ebsif reads format {FORMAT}: use a newer ebsif"
        )


def _check_layer(recipe: Recipe, written: Document) -> None:
    """Refuse keys that contradict the layer."""
    if recipe.layer == "none" and recipe.has_packages:
        raise written.error(("layer",), "packages need a layer: write `layer: venv`")
    if recipe.layer == "conda":
        if recipe.environment is None:
            message = "a conda layer needs an environment: write `environment: environment.yml`, or its content"
            raise written.error(("layer",), message)
        if recipe.venv_name is not None:
            raise written.error(("venv_name",), "a conda layer has no venv: write `conda_name`")
        return
    for key in _ONLY_CONDA:
        if key in recipe.model_fields_set:
            raise written.error((key,), f"'{key}' belongs to a conda layer: write `layer: conda`")
