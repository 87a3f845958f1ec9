"""What an ``environment.yml`` holds, in a file or inside a recipe."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from ebsif import document
from ebsif.document import Document
from ebsif.values import CondaChannel, ContainerVariables, MatchSpec, StrictModel, Text

# conda's way to say that the channels which its user has configured do not count; they never do here.
NODEFAULTS = "nodefaults"
# What other tools read of an environment, and why nothing here does.
WITHOUT_MEANING = {
    "name": "the recipe's `conda_name` counts",
    "prefix": "the environment is in the layer, not where it was exported from",
    "platforms": "it is locked for the base",
    "category": "all of it is installed",
}
# The keys of a conda-lock.yml and of a pixi.lock.
_LOCKS = ({"package", "metadata"}, {"version", "environments", "packages"})


class PipSection(StrictModel):
    """What is installed by pip when conda is done."""

    pip: list[Text]
    """Packages, as in a requirements file; or ``-r FILE``, relative to the file that it stands in."""


def _kind_of_dependency(value: Any) -> str:
    return "[pip]" if isinstance(value, (dict, PipSection)) else "[package]"


def _section(value: Any) -> Any:
    """Return a section of dependencies; refuse what other tools read there, or a slip, in words."""
    if not isinstance(value, dict) or not value:
        return value
    if "pip" in value:
        return {**value, "pip": []} if value["pip"] is None else value
    key, inner = next(iter(value.items()))
    if re.search(r"\(.*\)$", str(key)):
        raise ValueError(f"{key!r} is a selector, and none is read: write out what linux needs")
    if isinstance(inner, str):
        raise ValueError(f"a package and its version are one text: write `{key}={inner}`")
    raise ValueError(f"{key!r} is no section that can be read: beside packages of conda there is only `pip`")


Dependency = Annotated[
    Annotated[MatchSpec, Tag("[package]")] | Annotated[PipSection, BeforeValidator(_section), Tag("[pip]")],
    Discriminator(_kind_of_dependency),
]


class CondaEnvironment(StrictModel):
    """An environment, as conda users describe it."""

    name: Text | None = None
    """Its name; the recipe's ``conda_name`` counts instead."""
    prefix: Text | None = None
    """Where it was exported from; without a meaning here."""
    platforms: list[Text] = Field(default_factory=list)
    """What conda-lock locks it for; without a meaning here, where the base says that."""
    category: Text | None = None
    """What conda-lock calls it; without a meaning here."""
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


def read_environment(text: str, path: Path) -> tuple[CondaEnvironment, Document]:
    """Return the environment that the text of a file holds, and where its values stand.

    Raises
    ------
    InputError
        With all that is wrong, or with what the file holds instead.
    """
    # Which is no YAML.
    written = Document(path, "@EXPLICIT", {(): 1}) if "@EXPLICIT" in text.split() else document.parse(text, path)
    held = _held_instead(written.data)
    if held:
        raise written.error((), f"{held}, and not an environment.yml")
    return document.validate(CondaEnvironment, written), written


def _held_instead(data: Any) -> str | None:
    """Tell what a file of another kind is, and what to do; None for what may hold an environment."""
    words = data.split() if isinstance(data, str) else []
    if "@EXPLICIT" in words or (isinstance(data, dict) and any(keys <= set(data) for keys in _LOCKS)):
        return "this is a lock: name it with `-f`"
    if words and all(re.fullmatch(r"[\w.-]+=[^=]+=[^=]+", word) for word in words):
        return "this is a list by `conda list --export`: `conda env export` writes an environment that can be read"
    return None
