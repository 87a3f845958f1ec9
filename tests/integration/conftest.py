"""Fixtures for tests that use the generator in this process, with a real runtime."""

from pathlib import Path

import pytest

import workbench


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that is not the user's."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(machine: workbench.Machine, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime on PATH, and no cache of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PATH", str(machine.runtime.parent), prepend=":")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
