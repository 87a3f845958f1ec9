"""The options of pip that requirements files may have, as pip reads them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pip_requirements_parser import RequirementsFile

from ebsif.lock.pip.line import Line
from ebsif.values import index_url

_REMOTE = re.compile(r"https?://")
# Those that change nothing in a lock, or name other files.
_HARMLESS = ("requirements", "constraints", "prefer_binary", "require_hashes")
# Those that cannot be taken over, by the library's names: pip's own, and what to do instead.
_REFUSED = {
    "no_index": ("no-index", "leave it out, and name each wheel by its path, or a package index (`index`)"),
    "trusted_hosts": ("trusted-host", "set it for pip itself: `pip config set global.trusted-host HOST`"),
    "no_binary": ("no-binary", "write the package into `allow_source` of the recipe"),
    "only_binary": ("only-binary", "leave it out: only packages in `allow_source` are built from source"),
    "use_features": ("use-feature", "leave it out"),
}


@dataclass(frozen=True)
class Options:
    """Where packages come from, and which versions count.

    Parameters
    ----------
    index
        The package index to use instead of the default one.
    extra_indexes
        Those to use as well.
    links
        Pages whose links are files of packages, to use as well.
    pre
        Whether pre-releases count as other releases do.
    """

    index: str | None = None
    extra_indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    pre: bool = False

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """All places beside the index."""
        return self.extra_indexes + self.links

    def inputs(self) -> dict[str, Any]:
        """Return the options as data, without those that are as ever, which locks of earlier versions do not know."""
        more = {"links": list(self.links), "pre": self.pre}
        return {
            "index": self.index,
            "extra_indexes": list(self.extra_indexes),
            **{name: value for name, value in more.items() if value},
        }

    def words(self) -> list[str]:
        """Return them as pip's command line has them."""
        words = ["--index-url", self.index] if self.index else []
        words += [word for url in self.extra_indexes for word in ("--extra-index-url", url)]
        words += [word for url in self.links for word in ("--find-links", url)]
        return words + (["--pre"] if self.pre else [])


def joined(options: Iterable[Options]) -> Options:
    """Return all options together; of several that name an index, the last one counts."""
    index, pre = None, False
    extra: list[str] = []
    links: list[str] = []
    for each in options:
        index = each.index or index
        extra += each.extra_indexes
        links += each.links
        pre = pre or each.pre
    return Options(index, tuple(dict.fromkeys(extra)), tuple(dict.fromkeys(links)), pre)


def read_options(read: RequirementsFile, place: Line | None = None) -> Options:
    """Return the options in a requirements file.

    Parameters
    ----------
    place
        Where its only line stands; None for the file that was read.

    Raises
    ------
    InputError
        When a lock cannot keep one, with its place.
    """
    found = []
    for entry in read.options:
        own = entry.requirement_line
        line = place or Line(own.line, Path(own.filename), own.line_number)
        found += [_option(name, value, line) for name, value in entry.options.items()]
    return joined(found)


def _option(name: str, value: Any, line: Line) -> Options:
    try:
        if name == "index_url":
            return Options(index_url(value))
        if name == "extra_index_urls":
            return Options(extra_indexes=tuple(map(index_url, value)))
        if name == "find_links":
            return Options(links=tuple(map(_page, value)))
    except ValueError as error:
        raise line.error(str(error)) from error
    if name == "pre":
        return Options(pre=bool(value))
    if name in _HARMLESS:
        return Options()
    option, hint = _REFUSED.get(name, (name, "leave it out"))
    raise line.error(f"--{option.replace('_', '-')} cannot be locked: {hint}")


def _page(value: str) -> str:
    """Return the address of a page with links; raises ValueError as `index_url` does, and for a folder."""
    if not _REMOTE.match(value):
        raise ValueError(f"--find-links {value} is a folder of this machine: name each wheel by its path")
    return index_url(value)
