"""The command ``schema``."""

import argparse

from pydantic import BaseModel

from ebsif.base.manifest import Manifest
from ebsif.console import Console
from ebsif.recipe import Recipe
from ebsif.site import Site

EXAMPLE = "ebsif schema recipe > recipe.schema.json"
SCHEMAS: dict[str, type[BaseModel]] = {"recipe": Recipe, "site": Site, "manifest": Manifest}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("kind", choices=sorted(SCHEMAS), help="of which files")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the schema, for editors that complete and check YAML."""
    schema = SCHEMAS[options.kind].model_json_schema()
    console.json({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    return 0
