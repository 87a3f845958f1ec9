"""The site: what is true of one machine."""

import glob
import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ebsif import document
from ebsif.base.manifest import Facts
from ebsif.errors import EbsifError
from ebsif.inside.text import is_ports
from ebsif.settings import ModuleSettings, merged, unnamed_folders
from ebsif.slurm import JobSettings
from ebsif.values import (
    CpuMask,
    FeatureName,
    Folder,
    Machine,
    ModuleName,
    SoftwareName,
    StrictModel,
    Text,
    Version,
    pattern,
)

SUFFIX = ".yml"


# Facts that the name of an image can state.
GROUPS = ("package", "version", "rocm", "python", "with", "variant", "date", "digest")


def _pattern(value: str) -> str:
    pattern(value)
    return value


def _name_pattern(value: str) -> str:
    unknown = set(pattern(value).groupindex) - set(GROUPS)
    if unknown:
        raise ValueError(f"unknown group {', '.join(sorted(unknown))}: known are {', '.join(GROUPS)}")
    return value


def _ports(value: str) -> str:
    if not is_ports(value):
        raise ValueError(f"{value!r} is neither a range of ports such as 10000-19999 nor the word reserved")
    return value


def _folder(value: str) -> str:
    if glob.has_magic(value) or value.startswith("~"):
        raise ValueError(f"{value!r}: a folder of frozen images is written without wildcards, and $HOME instead of ~")
    return value


# Easyconfigs repeat these, and EasyBuild and modules know neither wildcards nor ~.
FrozenFolder = Annotated[Folder, AfterValidator(_folder)]


class RocmRange(StrictModel):
    """The versions of ROCm that the GPU driver of a site supports in containers."""

    minimum: Version
    """The oldest."""
    maximum: Version
    """The newest, with all its patch releases."""


class Distributed(StrictModel):
    """What programs on many GPUs and nodes need to know of a site."""

    ports: Annotated[str, AfterValidator(_ports)] | None = None
    """The ports of nodes for the tasks of a step to meet, as ``10000-19999``; ``reserved``: those that Slurm reserves
    for each step (``MpiParams=ports``)."""


class Family(ModuleSettings):
    """Images that are named alike."""

    name: Text
    """What the family is called."""
    pattern: Annotated[str, AfterValidator(_name_pattern)]
    """Regular expression (of RE2) for file names; its groups ``package``, ``version``, ``rocm``, ``python``, ``with``,
    ``variant`` and ``date`` say what the name says."""
    digest: Annotated[str, AfterValidator(_pattern)] | None = None
    """Regular expression for the group ``digest``, where the name packs versions into one word, without dots. It must
    match too. Its groups are called ``rocm`` or as packages."""
    software: dict[Text, SoftwareName] = Field(default_factory=dict)
    """How the software of a ``package`` is called in EasyBuild."""
    start_with: Literal["exec", "run"] | None = None
    """How to start commands in these images, where what an inspection finds is not enough."""
    facts: Facts = Facts()
    """What is true of its images and not in the lists of packages that their publisher gives, for `ebsif inspect`."""


class Site(ModuleSettings):
    """What is true of one machine."""

    name: SoftwareName
    """Name of the site."""
    description: Text
    """Which machine it is."""
    machine: Machine | None = None
    """The kind of processor that its modules are for, as ``uname -m`` says; then part of their names. For a machine
    that has several kinds."""
    images: list[Folder] = Field(default_factory=list)
    """Folders with images that may change, or patterns for such folders (``*``)."""
    frozen_images: list[FrozenFolder] = Field(default_factory=list)
    """Folders with images that nobody changes any more; `ebsif freeze` puts them into the first that can be used."""
    rocm: RocmRange | None = None
    """The versions of ROCm that the GPU driver supports."""
    distributed: Distributed = Distributed()
    """What programs on many GPUs and nodes need to know."""
    cpu_masks: list[CpuMask] = Field(default_factory=list)
    """The processors near GPU 0, 1, …, as `srun --cpu-bind=mask_cpu:` takes them."""
    jobscript: JobSettings = JobSettings()
    """What jobs can have, and how they are started, for `ebsif jobscript`."""
    features: dict[FeatureName, Text] = Field(default_factory=dict)
    """What modules bring of the machine where a recipe asks for it: the file of each, relative to that of the site."""
    setup: Text | None = None
    """What to run before `eb`."""
    modules: list[ModuleName] = Field(default_factory=list)
    """Modules to load before ours."""
    families: list[Family] = Field(default_factory=list)
    """The images that the site has, by the patterns of their names."""

    @model_validator(mode="after")
    def _folders_are_named(self) -> "Site":
        for name in (None, *(one.name for one in self.families)):
            if unnamed := unnamed_folders(self.settings(name)):
                of_family = f" of the family {name}, nor in that of the site" if name else ""
                raise ValueError(f"start_folders: {unnamed} is not in start_env{of_family}")
        return self

    @model_validator(mode="after")
    def _tasks_can_be_bound(self) -> "Site":
        if self.jobscript.gpu_bind and not self.cpu_masks:
            raise ValueError("jobscript: gpu_bind needs cpu_masks, the processors near each GPU")
        return self

    @property
    def gpu_map(self) -> list[int]:
        """The GPU for each task of a node, when tasks take the processors in their order."""
        masks = [int(mask, 16) for mask in self.cpu_masks]
        return sorted(range(len(masks)), key=lambda gpu: masks[gpu] & -masks[gpu])

    @property
    def amd(self) -> bool:
        """Whether the machine has GPUs of AMD."""
        return self.rocm is not None

    def settings(self, family: str | None) -> ModuleSettings:
        """Return what modules set for the images of a family, given its name; None for an image of none."""
        return merged(self, *(one for one in self.families if one.name == family))

    def facts(self, family: str | None) -> Facts:
        """Return what is true of the images of a family, given its name."""
        return next((one.facts for one in self.families if one.name == family), Facts())

    def frozen_folders(self) -> list[Path]:
        """Return the folders of frozen images, without those whose ``$VARIABLE`` is not set here."""
        return _expanded(self.frozen_images)

    def image_folders(self) -> list[Path]:
        """Return all folders with images, those with frozen ones first."""
        return _expanded([*self.frozen_images, *self.images])


def _expanded(folders: list[str]) -> list[Path]:
    expanded = [os.path.expandvars(folder) for folder in folders]
    return [path for folder in expanded if "$" not in folder for path in _matching(Path(folder).expanduser())]


def _matching(folder: Path) -> list[Path]:
    """Return the folders that a pattern stands for, or the folder itself."""
    if not glob.has_magic(str(folder)):
        return [folder]
    return sorted(Path(folder.anchor).glob(str(folder.relative_to(folder.anchor))))


def site_names() -> list[str]:
    """Return the names of the sites that come with ebsif."""
    files = resources.files("ebsif").joinpath("sites").iterdir()
    return sorted(file.name.removesuffix(SUFFIX) for file in files if file.name.endswith(SUFFIX))


def read_site(name: str, folder: Path = Path()) -> Site:
    """Read a site.

    Parameters
    ----------
    name
        The name of one that comes with ebsif, or a file.
    folder
        What the file's name is relative to.

    Raises
    ------
    EbsifError
        When there is none of the name; with file and line of what is wrong in it.
    """
    if "/" in name or name.endswith((".yml", ".yaml")):
        return _with_folder(document.validate(Site, document.read(folder / name)), (folder / name).parent)
    if name not in site_names():
        known = ", ".join(site_names())
        raise EbsifError(f"there is no site '{name}': known are {known}, or name a file (./{name}.yml)")
    written = resources.files("ebsif").joinpath("sites").joinpath(name + SUFFIX)
    path = Path(str(written))
    return _with_folder(document.validate(Site, document.parse(written.read_text(encoding="utf-8"), path)), path.parent)


def _with_folder(site: Site, folder: Path) -> Site:
    """Return a site with the files of its features found from anywhere."""
    return site.model_copy(update={"features": {name: str(folder / file) for name, file in site.features.items()}})
