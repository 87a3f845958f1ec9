"""Writing values into an easyconfig so that EasyBuild reads the same values back.

An easyconfig is Python, but EasyBuild also looks at its lines with regular expressions, replaces ``%(name)s`` in every
value, and refuses some words wherever they stand (framework/easyconfig: ``resolve_template`` in easyconfig.py,
``retrieve_blocks_in_spec`` in format/one.py, ``parse`` and ``parse_pyheader`` in format/pyheaderconfigobj.py).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

WIDTH = 120  # columns, the limit of `eb --check-style`
INDENT = 4
# Columns of the first line of a value, which stands behind the parameter's name and the equals sign.
FIRST = WIDTH - 24

# EasyBuild replaces templates; doubled percent signs become single ones.
_TEMPLATE = re.compile(r"%+(?=\(\w+\)s)")
# EasyBuild refuses a file that contains this word.
_REFUSED = "shared_lib_ext"


class Literal(str):
    """Text that is part of an easyconfig as it stands."""

    __slots__ = ()


def literal(value: Any, indent: int = 0) -> Literal:
    """Return a text, a number, a boolean, None, or a list, tuple or dictionary of these, as it stands in an easyconfig.

    Parameters
    ----------
    indent
        Columns by which the line that it stands on is indented.

    Raises
    ------
    TypeError
        For any other value.
    """
    if isinstance(value, str) and "\n" in value:
        return Literal(_block(_doubled(value)))
    return Literal(_literal(value, indent, FIRST - indent))


def comment(text: str) -> Literal:
    """Return a text as it stands in a comment, which ends with its line."""
    return Literal(_one_line(text))


def _literal(value: Any, indent: int, width: int) -> str:
    """Return a value whose first line has at most `width` columns, and whose further lines are indented."""
    if isinstance(value, dict):
        items = [(f"{_one_line(key)}: ", item) for key, item in value.items()]
        return _collection("{", items, "}", indent, width)
    if isinstance(value, (list, tuple)):
        opening, closing = "[]" if isinstance(value, list) else "()"
        return _collection(opening, [("", item) for item in value], closing, indent, width)
    line = _one_line(value)
    if len(line) <= width or not isinstance(value, str):
        return line
    # Too long for one line: several texts in parentheses, which Python joins.
    inner = " " * (indent + INDENT)
    pieces = _wrapped(_tokens(_doubled(value), "'"), WIDTH - len(inner) - 2)
    return "(\n" + "".join(f"{inner}'{''.join(piece)}'\n" for piece in pieces) + " " * indent + ")"


def _collection(opening: str, items: Sequence[tuple[str, Any]], closing: str, indent: int, width: int) -> str:
    """Return a list or dictionary: in one line if it fits, else an item on each."""
    if not any(isinstance(item, (dict, list, tuple)) for _, item in items):
        comma = "," if opening == "(" and len(items) == 1 else ""
        line = opening + ", ".join(lead + _one_line(item) for lead, item in items) + comma + closing
        if len(line) <= width:
            return line
    inner = indent + INDENT
    lines = [f"{' ' * inner}{lead}{_literal(item, inner, WIDTH - inner - len(lead) - 1)},\n" for lead, item in items]
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _one_line(value: Any) -> str:
    if isinstance(value, str):
        return "'" + "".join(_tokens(_doubled(value), "'")) + "'"
    if value is None or isinstance(value, (bool, int)):
        return repr(value)
    raise TypeError(f"an easyconfig cannot hold {value!r}")


def _block(text: str) -> str:
    """Return a text of several lines between triple quotes, with a backslash where a line goes on."""
    lines = []
    for number, line in enumerate(text.split("\n")):
        tokens = _tokens(line, '"')
        if tokens[-1:] == [" "]:
            tokens[-1] = r"\x20"  # where an editor would remove it
        pieces = _wrapped(tokens, WIDTH - len('\\x20"""') if number else FIRST - len('"""'))
        lines.append("\\\n".join(_harmless(piece) for piece in pieces))
    return '"""' + "\n".join(lines) + '"""'


def _harmless(tokens: Sequence[str]) -> str:
    """Return a line of a block; EasyBuild takes one that begins with a bracket for a section."""
    start = next((index for index, token in enumerate(tokens) if token != " "), None)
    if start is not None and tokens[start] in ("[", "#"):
        tokens = [*tokens[:start], rf"\x{ord(tokens[start]):02x}", *tokens[start + 1 :]]
    return "".join(tokens)


def _doubled(text: str) -> str:
    return _TEMPLATE.sub(lambda match: match.group() * 2, text)


def _tokens(text: str, quote: str) -> list[str]:
    """Return what each character of a text is written as between quotes."""
    return [_token(part, quote) for part in re.findall(rf"{_REFUSED}|.", text, re.DOTALL)]


def _token(part: str, quote: str) -> str:
    if part == _REFUSED:
        return part.replace("_", r"\x5f")
    if part in ("\\", quote):
        return f"\\{part}"
    return part if part.isprintable() else repr(part)[1:-1]


def _wrapped(tokens: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    """Yield tokens line by line, cut after a blank where there is one."""
    start = 0
    while True:
        end, length = start, 0
        while end < len(tokens) and length + len(tokens[end]) <= width:
            length += len(tokens[end])
            end += 1
        if end < len(tokens):
            end = next((index + 1 for index in range(end - 1, start, -1) if tokens[index] == " "), end)
        yield tokens[start:end]
        start = end
        if start >= len(tokens):
            return
