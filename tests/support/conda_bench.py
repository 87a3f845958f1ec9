"""A recipe for a conda layer on a real base, to be locked in a test."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from ebsif.base.image import Base
from ebsif.console import Console
from ebsif.document import Document
from ebsif.errors import EbsifError
from ebsif.lock import Resolved, request, resolve
from ebsif.lock.model import Lock
from ebsif.recipe import Recipe, read_recipe
from ebsif.runtime import Runtime
from tests.support.generator import contents

QUIET = Console(quiet=True)


@dataclass(frozen=True)
class CondaBench:
    """A recipe on a base, with a folder for sources that has the tools already."""

    folder: Path
    base: Base
    runtime: Runtime

    @property
    def sources(self) -> Path:
        return self.folder / "sources"

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yml"

    @property
    def command(self) -> list[str]:
        return ["generate", str(self.recipe), "--sources", str(self.sources)]

    @property
    def easyconfig(self) -> Path:
        (found,) = self.folder.glob("*.eb")
        return found

    def write(self, lines: str) -> None:
        assert self.base.path
        self.recipe.write_text(f"name: Demo\nversion: 1.0\nbase: {self.base.path}\nlayer: conda\n{lines}")

    def read(self, lines: str) -> tuple[Recipe, Document]:
        self.write(lines)
        return read_recipe(self.recipe)

    def lock(self, lines: str, *, previous: Lock | None = None, upgrade: tuple[str, ...] = ()) -> Resolved:
        recipe, document = self.read(lines)
        layer = request(recipe, document, self.base)
        assert layer
        return resolve(layer, self.base, self.runtime, self.sources, QUIET, previous=previous, upgrade=upgrade)

    def refuse(self, lines: str, kind: type[EbsifError] = EbsifError) -> str:
        """Return what is said about a recipe that cannot be locked, without the folder; no file may be left behind."""
        before = contents(self.sources)
        with pytest.raises(kind) as caught:
            self.lock(lines)
        assert contents(self.sources) == before
        assert not list(self.sources.glob(".*"))
        return str(caught.value).replace(f"{self.folder}/", "")

    def stored(self) -> set[str]:
        return {file.name for file in self.sources.iterdir()}


def inline(channel: str, *packages: str, pip: str = "") -> str:
    """Return the lines of a recipe with an environment."""
    lines = [f"environment:\n  channels: ['{channel}']\n  dependencies:\n", *(f"  - {name}\n" for name in packages)]
    return "".join([*lines, f"  - pip: [{pip}]\n" if pip else ""])


def files(lock: Lock) -> dict[str, str]:
    """Return the names of a lock's files but for the tools, by package."""
    return {file.name: file.filename for file in lock.installed}


def explicit(*packages: Path) -> str:
    lines = (f"{package.as_uri()}#{hashlib.sha256(package.read_bytes()).hexdigest()}\n" for package in packages)
    return "@EXPLICIT\n" + "".join(lines)
