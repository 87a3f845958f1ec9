"""What a module sets beside what its base needs, as a site, a family of images and a recipe say it."""

from pydantic import Field, model_validator

from ebsif.values import Bind, ModuleName, StartValue, StrictModel, Variable, Variables


class ModuleSettings(StrictModel):
    """What a module sets, beside what its base needs; a recipe says more than a family of images, and that than a site."""

    binds: list[Bind] = Field(default_factory=list)
    """Folders and files of the machine that containers see."""
    host_env: Variables = Field(default_factory=dict)
    """Variables outside the container, such as those of the network."""
    container_env: Variables = Field(default_factory=dict)
    """Variables in the container."""
    start_env: dict[Variable, StartValue] = Field(default_factory=dict)
    """Variables whose values are worked out when a command starts, from ``$NAME``, ``${NAME}`` and ``${NAME:-text}``."""
    start_folders: list[Variable] = Field(default_factory=list)
    """Variables of ``start_env`` whose value is a folder to make, for the user alone."""
    conflicts: list[ModuleName] = Field(default_factory=list)
    """Modules that cannot be loaded together with ours."""

    @model_validator(mode="after")
    def _folders_are_named(self) -> "ModuleSettings":
        unknown = [name for name in self.start_folders if name not in self.start_env]
        if unknown:
            raise ValueError(f"start_folders: {', '.join(unknown)} is not in start_env")
        return self


def merged(*settings: ModuleSettings) -> ModuleSettings:
    """Return settings put together: lists one after the other, and of each variable the last value."""
    lists = {
        key: list(dict.fromkeys(value for one in settings for value in getattr(one, key)))
        for key in ("binds", "start_folders", "conflicts")
    }
    variables = {
        key: {name: value for one in settings for name, value in getattr(one, key).items()}
        for key in ("host_env", "container_env", "start_env")
    }
    return ModuleSettings(**lists, **variables)
