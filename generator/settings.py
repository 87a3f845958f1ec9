"""What a module sets beside what its base needs, as a site, a family of images and a recipe say it."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from ebsif.values import (
    Bind,
    ContainerVariable,
    ContainerVariables,
    LibraryFolder,
    ModuleName,
    StartValue,
    StrictModel,
    Variable,
    Variables,
)


class ModuleSettings(StrictModel):
    """What a module sets beside what its base needs, as a site, a family of images or a recipe says it."""

    binds: list[Bind] = Field(default_factory=list)
    """Folders and files of the machine that containers see."""
    host_env: Variables = Field(default_factory=dict)
    """Variables outside the container, such as those of the network."""
    container_env: ContainerVariables = Field(default_factory=dict)
    """Variables in the container."""
    library_path: list[LibraryFolder] = Field(default_factory=list)
    """Folders in the container that stand first in its ``LD_LIBRARY_PATH``."""
    start_env: dict[ContainerVariable, StartValue] = Field(default_factory=dict)
    """Variables that commands work out when they start, from ``$NAME``, ``${NAME}``, ``${NAME:-text}`` and
    ``${NAME:+text}``."""
    start_folders: list[Variable] = Field(default_factory=list)
    """Variables of ``start_env``, also of what this is merged with, whose value is a folder to make, for one user."""
    conflicts: list[ModuleName] = Field(default_factory=list)
    """Modules that cannot be loaded together with ours."""
    gpu: Literal["rocm", "nvidia", "none"] | None = None
    """Whose GPU the runtime brings into containers, with the host's libraries for it."""

    @property
    def variables(self) -> list[str]:
        """The names of all variables that are set."""
        return list(dict.fromkeys([*self.host_env, *self.container_env, *self.start_env]))


def merged(*settings: ModuleSettings) -> ModuleSettings:
    """Put settings together, those of the site first: lists one after another, else the last value."""
    return ModuleSettings(
        binds=_once(one.binds for one in settings),
        host_env=_last(one.host_env for one in settings),
        container_env=_last(one.container_env for one in settings),
        library_path=_once(one.library_path for one in settings),
        start_env=_last(one.start_env for one in settings),
        start_folders=_once(one.start_folders for one in settings),
        conflicts=_once(one.conflicts for one in settings),
        gpu=next((one.gpu for one in reversed(settings) if one.gpu), None),
    )


def unnamed_folders(*settings: ModuleSettings) -> str:
    """Tell which names in ``start_folders`` of settings are in none of their ``start_env``; empty if there is none."""
    together = merged(*settings)
    return ", ".join(name for name in together.start_folders if name not in together.start_env)


def _once(lists: Iterable[list[str]]) -> list[str]:
    return list(dict.fromkeys(value for one in lists for value in one))


def _last(variables: Iterable[dict[str, str]]) -> dict[str, str]:
    return {name: value for one in variables for name, value in one.items()}
