"""How many examples a test is tried with."""

from typing import Any

from hypothesis import settings


def at_most(count: int, **options: Any) -> settings:
    """Return the settings of a test whose examples are slow: so many, or fewer where the profile says so."""
    return settings(max_examples=min(count, settings().max_examples), **options)
