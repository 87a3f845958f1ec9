"""Templates of text files."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

Filter = Callable[..., Any]


def templates(package: str, filters: Mapping[str, Filter], finalize: Filter | None = None) -> Environment:
    """Return the templates of a package, in its folder ``templates``.

    Parameters
    ----------
    filters
        The functions that quote values for the kind of text.
    finalize
        What each value goes through at last.
    """
    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=finalize,
    )
    environment.filters.update(filters)
    return environment
