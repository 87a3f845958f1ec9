"""Writing a first recipe for a base, which a person then edits."""

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ebsif.base.image import Base
from ebsif.document import Document, scalar, validate
from ebsif.easyconfig.describe import base_facts
from ebsif.errors import EbsifError
from ebsif.jinja import templates
from ebsif.lock.conda.environment import CondaEnvironment
from ebsif.names import software_version
from ebsif.recipe import Recipe
from ebsif.site import Site, site_names

# Commands that people start by name; the packages of a base have many more.
COMMANDS = ("accelerate", "deepspeed", "hf", "huggingface-cli", "jupyter", "ray", "tensorboard", "torchrun", "vllm")


def draft(base: Base, asked: Mapping[str, Any]) -> Recipe:
    """Return a recipe: what a person asked for, and defaults that follow from the base.

    Parameters
    ----------
    base
        The base, inspected.
    asked
        What a person asked for, by the keys of recipes; ``name``, ``site`` and ``base`` among them.

    Raises
    ------
    EbsifError
        When the base does not allow what is asked for, or nobody tells the version.
    """
    values = {**_proposed(asked["name"], base), **asked}
    if "environment" in values:
        # The commands of the base are not those of its environment.
        values |= {"layer": "conda", "commands": []}
    if "version" not in values:
        raise EbsifError(
            f"nothing in the image {base.file} tells the version of {values['name']}: give one with --version"
        )
    if values["layer"] == "none" and any(key in values for key in ("packages", "requirements", "pyproject")):
        raise EbsifError(
            f"the image {base.file} has no Python that packages could be added to: take another base, or give an "
            "environment of conda with --environment"
        )
    return validate(Recipe, Document(Path("the command line"), values, {}))


def _proposed(name: str, base: Base) -> dict[str, Any]:
    """Return the values that follow from a base."""
    said = base.name
    python = base.known().python
    values: dict[str, Any] = {
        "version": software_version(name, base),
        "with": list(said.with_) if said and said.software == name else None,
        "variant": said and said.variant,
        "date": said and said.date,
        "layer": "venv" if python else "none",
        "commands": ["python3", f"python{python.minor}"] if python else [],
    }
    values["commands"] += [command for command in COMMANDS if command in (base.known().commands or ())]
    return {key: value for key, value in values.items() if value}


def seen_from(folder: Path, path: str | Path) -> str:
    """Return a path as seen from a folder; one that is absolute stays so."""
    return str(path) if Path(path).is_absolute() else os.path.relpath(path, folder)


def site_from(given: str, folder: Path) -> str:
    """Return how a recipe in a folder names a site, given as on a command line: by its name, or its file."""
    if given in site_names() or Path(given).is_absolute():
        return given
    return f"./{seen_from(folder, given)}"


def base_from(image: Path, site: Site, folder: Path) -> str:
    """Return how a recipe in a folder names an image: where the site has it, by its file name."""
    return image.name if image.parent in site.image_folders() else seen_from(folder, image)


def render(recipe: Recipe, base: Base) -> str:
    """Return the text of a recipe's file."""
    jinja = templates("ebsif", {"yaml": scalar, "comment": comment})
    facts = base_facts(recipe, base)[1:]
    return jinja.get_template("recipe.yml.j2").render(recipe=recipe, facts=facts, environment=_written(recipe))


def _written(recipe: Recipe) -> dict[str, Any] | str | None:
    """Return the environment of conda as it is written: the name of its file, or what it holds."""
    if isinstance(recipe.environment, CondaEnvironment):
        return recipe.environment.model_dump()
    return recipe.environment


def comment(text: str) -> str:
    """Return a text as comment lines of a YAML file."""
    words = " ".join(text.split())
    printable = "".join(letter if letter.isprintable() else "?" for letter in words)
    return "\n".join(f"# {line}" for line in textwrap.wrap(printable, 100))
