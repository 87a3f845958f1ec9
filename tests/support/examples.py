"""How many examples a test is tried with."""

import os
from typing import Any

from hypothesis import settings

# `make fuzz` sets it.
TIMES = "EBSIF_FUZZ"


def at_most(count: int, **options: Any) -> settings:
    """Return the settings of a test whose examples are slow: so many, or fewer where the profile says so.

    With ``EBSIF_FUZZ=50`` in the environment, fifty times as many are tried, and other ones each time.
    """
    most = min(count, settings().max_examples) * int(os.environ.get(TIMES, "1"))
    return settings(max_examples=most, **options)
