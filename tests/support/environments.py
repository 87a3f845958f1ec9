"""Recipes that ask for an environment of conda, without an image."""

from pathlib import Path

import pytest

from ebsif.errors import InputError
from ebsif.lock.conda.request import CondaRequest, request
from ebsif.recipe import read_recipe

HEAD = "name: Demo\nversion: 1.0\nbase: x.sif\n"


def ask(folder: Path, text: str, *, platform: str | None = "linux-64") -> CondaRequest:
    (folder / "recipe.yml").write_text(HEAD + text)
    return request(*read_recipe(folder / "recipe.yml"), platform)


def refuse(folder: Path, text: str) -> str:
    """Return what is said about a recipe that must be refused, without the folder."""
    with pytest.raises(InputError) as caught:
        ask(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def in_file(folder: Path, text: str, name: str = "environment.yml") -> str:
    """Write an environment to a file; return the recipe's lines that name it."""
    (folder / name).write_text(text)
    return f"layer: conda\nenvironment: {name}\n"


def inline(text: str) -> str:
    return "layer: conda\nenvironment:\n" + "".join(f"  {line}\n" for line in text.splitlines())
