"""Describing changes in Markdown, for a pull request."""

import re

from ebsif.compare import Changes
from ebsif.console import printable
from ebsif.jinja import templates


def markdown(before: str, after: str, found: Changes) -> str:
    """Return the text of a pull request.

    Parameters
    ----------
    before, after
        What the two are called.
    """
    jinja = templates("ebsif", {"code": code, "word": word})
    return jinja.get_template("changes.md.j2").render(before=before, after=after, found=found)


def word(value: str) -> str:
    """Return a name as text, or as code where Markdown or a reader might take something in it for more than text."""
    return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._+:$-]*", value) else code(value)


def code(value: str | None) -> str:
    """Return a value as code in the cell of a Markdown table; a dash for None."""
    if value is None:
        return "–"
    if not value:
        return "(empty)"
    text = printable(value).replace("\n", " ").replace("|", "\\|")
    # The fence must be longer than any run of backticks inside, with blanks where the text begins or ends with one.
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}"
