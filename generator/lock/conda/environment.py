"""What an ``environment.yml`` holds, in a file or inside a recipe."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ebsif.values import CondaChannel, ContainerVariables, MatchSpec, StrictModel, Text

# conda's way to say that the channels which its user has configured do not count; they never do here.
NODEFAULTS = "nodefaults"


class PipSection(StrictModel):
    """What is installed by pip when conda is done."""

    pip: list[Text]
    """Packages, as in a requirements file; or ``-r FILE``, relative to the file that it stands in."""


def _kind_of_dependency(value: Any) -> str:
    return "[pip]" if isinstance(value, (dict, PipSection)) else "[package]"


Dependency = Annotated[
    Annotated[MatchSpec, Tag("[package]")] | Annotated[PipSection, Tag("[pip]")], Discriminator(_kind_of_dependency)
]


class CondaEnvironment(StrictModel):
    """An environment, as conda users describe it."""

    name: Text | None = None
    """Its name; the recipe's ``conda_name`` counts instead."""
    prefix: Text | None = None
    """Where it was exported from; without a meaning here."""
    channels: list[CondaChannel] = Field(default_factory=list)
    """Where its packages come from, the first before the others: names or URLs."""
    dependencies: list[Dependency] = Field(default_factory=list)
    """Its packages, and perhaps a section ``pip``."""
    variables: ContainerVariables = Field(default_factory=dict)
    """Variables that it sets."""


def _kind_of_environment(value: Any) -> str:
    return "[inline]" if isinstance(value, (dict, CondaEnvironment)) else "[file]"


EnvironmentOrFile = Annotated[
    Annotated[Text, Tag("[file]")] | Annotated[CondaEnvironment, Tag("[inline]")], Discriminator(_kind_of_environment)
]
