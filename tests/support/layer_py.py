"""Runs layer.py of the easyblocks as the sanity check does."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ebsif.inside import LAYER_PY


def check(
    layer: Path,
    *,
    packages: Mapping[str, str] | None = None,
    base: Path | None = None,
    allowed: Sequence[str] = (),
    imports: Sequence[str] = (),
    unneeded: bool = False,
) -> dict[str, list[str]]:
    """What is wrong with the packages of a venv, by what was looked at: 'packages', and 'imports'."""
    wanted = {
        "allowed": list(allowed),
        "base": str(base) if base else None,
        "environment": str(layer),
        "imports": list(imports),
        "packages": dict(packages or {}),
        "unneeded": unneeded,
    }
    words: list[str | Path] = [layer / "bin" / "python", LAYER_PY, "check", json.dumps(wanted)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
