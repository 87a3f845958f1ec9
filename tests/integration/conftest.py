"""Fixtures for tests that use the generator in this process, with a real runtime."""

from pathlib import Path

import pytest

import workbench
from tests.support.runtime import CountedRuntime, counted_runtime, use_runtime


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that is not the user's."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(machine: workbench.Machine, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime on PATH, and no cache of the user's."""
    use_runtime(machine, cache, monkeypatch)


@pytest.fixture
def counted(
    machine: workbench.Machine, environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CountedRuntime:
    """The runtime on PATH, which counts how often it is started."""
    counted = counted_runtime(tmp_path, machine.runtime)
    monkeypatch.setenv("PATH", str(counted.folder), prepend=":")
    return counted
