"""The scripts that an installation gets."""

from pathlib import Path

import pytest

SIF = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif"
SCRIPTS = [SIF / "wrapper.sh", *sorted((SIF / "commands").iterdir()), *sorted((SIF / "runscripts").iterdir())]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_none_runs_what_bash_env_names(script: Path) -> None:
    first = script.read_text().partition("\n")[0]
    assert first in ("#!/bin/bash -p", "# shellcheck shell=bash", "#!/usr/bin/env python3")
