"""The command ``schema``."""

import argparse

from pydantic import BaseModel

from ebsif import recipe
from ebsif.base import manifest
from ebsif.base.manifest import Manifest
from ebsif.console import Console
from ebsif.feature import Feature
from ebsif.recipe import Recipe
from ebsif.site import Site

EXAMPLE = "ebsif schema recipe > recipe.schema.json"
# Of each kind of file, its model and the version of its format.
SCHEMAS: dict[str, tuple[type[BaseModel], int]] = {
    "recipe": (Recipe, recipe.FORMAT),
    "site": (Site, 1),
    "feature": (Feature, 1),
    "manifest": (Manifest, manifest.FORMAT),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("kind", choices=sorted(SCHEMAS), help="of which files")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the schema, for editors that complete and check YAML."""
    model, written = SCHEMAS[options.kind]
    identity = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:ebsif:{options.kind}:{written}"}
    console.json({**identity, **model.model_json_schema()})
    return 0
