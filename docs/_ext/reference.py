"""The directive ``reference``: tables of what the program itself knows, which so cannot be out of date.

``parameters`` are those of easyconfigs, by ``extra_options`` of the easyblocks; ``recipe``, ``site`` and ``feature``
the keys of such a file, by their models; and ``commands`` all that the parser knows.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from docutils import nodes
from easybuild.easyblocks.generic.sifconda import SifConda
from easybuild.easyblocks.generic.sifcontainer import SifContainer
from easybuild.easyblocks.generic.sifvenv import SifVenv
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ebsif.commands import COMMANDS
from ebsif.commands.schema import SCHEMAS
from ebsif.parser import make_parser

_WIDTH = 100
_WORDS = {
    "string": "text",
    "boolean": "``true`` or ``false``",
    "integer": "number",
    "number": "number",
    "object": "mapping",
    "null": "nothing",
}


def parameters() -> Iterator[str]:
    """Yield the tables of easyconfig parameters, one for each set of easyblocks that have the same."""
    easyblocks = {easyblock.__name__: easyblock.extra_options() for easyblock in (SifContainer, SifVenv, SifConda)}
    groups: dict[tuple[str, ...], list[list[str]]] = {}
    for options in easyblocks.values():
        for name, (default, meaning, _) in options.items():
            having = tuple(title for title, others in easyblocks.items() if name in others)
            row = [literal(name), "" if default is None else literal(repr(default)), plain(meaning)]
            if row not in groups.setdefault(having, []):
                groups[having].append(row)
    for having, rows in groups.items():
        yield from heading("All" if len(having) == len(easyblocks) else " and ".join(having))
        yield from table(["parameter", "default", "what it is"], rows, [22, 14, 64])


def keys(kind: str) -> Iterator[str]:
    """Yield the table of the keys of a kind of file, and one for each kind of mapping that may stand in it."""
    schema = SCHEMAS[kind][0].model_json_schema()
    yield from _keys(schema)
    for name, inner in sorted(schema.get("$defs", {}).items()):
        if "properties" in inner:
            yield from heading(name)
            yield from [as_literals(inner.get("description", "")), ""]
            yield from _keys(inner)


def _keys(schema: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, said in schema["properties"].items():
        value, default = _value(said), said.get("default")
        if name in schema.get("required", ()):
            value += ", must be there"
        elif isinstance(default, bool):
            value += f"; default {literal(str(default).lower())}"
        elif isinstance(default, str) and default:
            value += f"; default {literal(default)}"
        rows.append([literal(name), value, as_literals(said.get("description", ""))])
    yield from table(["key", "value", "what it is"], rows, [20, 25, 55])


def _value(said: Mapping[str, Any]) -> str:
    """Return what a value may be, in words."""
    if "$ref" in said:
        return f"`{said['$ref'].rpartition('/')[2]}`_"
    if "const" in said:
        return literal(said["const"])
    if "enum" in said:
        return ", ".join(map(literal, said["enum"]))
    for several in ("anyOf", "oneOf", "allOf"):
        if several in said:
            return " or ".join(_value(one) for one in said[several] if one.get("type") != "null")
    if said.get("type") == "array":
        return f"list of {_value(said.get('items', {}))}"
    if said.get("type") == "object" and isinstance(said.get("additionalProperties"), dict):
        return f"mapping of names to {_value(said['additionalProperties'])}"
    kinds = said.get("type", "string")
    return " or ".join(_WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))


def commands() -> Iterator[str]:
    """Yield a section for each command of `ebsif`."""
    for parser in _commands(make_parser(*COMMANDS)):
        parser.formatter_class = partial(argparse.RawDescriptionHelpFormatter, width=_WIDTH)
        yield from heading(parser.prog)
        yield from [plain(parser.description or ""), ""]
        yield from block(re.sub(r"^(usage: | {7})", "", parser.format_usage(), flags=re.MULTILINE).replace("[-h] ", ""))
        formatter = parser._get_formatter()
        rows = [
            [_called(action), plain(formatter._expand_help(action))]
            for action in parser._actions
            if action.help and not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
        ]
        if rows:
            yield from table(["argument", "what it is"], rows, [35, 65])
        if parser.epilog:
            yield from block(parser.epilog.removeprefix("example: "))


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of a parser's commands, and of theirs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from _commands(inner)


def _called(action: argparse.Action) -> str:
    """Return how an argument is written."""
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper()
    metavar = action.metavar or choices
    name = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    if not action.option_strings:
        return literal(name)
    options = ", ".join(map(literal, action.option_strings))
    return options if action.nargs == 0 else f"{options} {literal(name)}"


def heading(text: str) -> list[str]:
    """Return the lines of a heading."""
    return ["", text, "-" * len(text), ""]


def block(text: str) -> list[str]:
    """Return the lines of a block of text that is shown as it is."""
    return ["::", "", *(f"    {line}" for line in text.rstrip().splitlines()), ""]


def table(titles: Iterable[str], rows: Iterable[Iterable[str]], widths: Iterable[int]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield from ["", ".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in [titles, *rows]:
        for index, cell in enumerate(row):
            text = " ".join(cell.split())
            yield f"   {'*' if index == 0 else ' '} - {text}".rstrip()
    yield ""


def literal(value: object) -> str:
    """Return a value as a literal."""
    return f"``{value}``"


def plain(text: str) -> str:
    """Return a text in which only backticks mean something: what they enclose is a literal."""
    parts = re.split(r"`+([^`]+)`+", text)
    escaped = [re.sub(r"[\\*|_]", r"\\\g<0>", part) for part in parts]
    return "".join(literal(part) if index % 2 else escaped[index] for index, part in enumerate(parts))


def as_literals(text: str) -> str:
    """Return a docstring with all that it has in backticks as literals."""
    return re.sub(r"(?<![`:])`([^`]+)`(?!`)", r"``\1``", text)


_PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "parameters": parameters,
    "commands": commands,
    **{kind: partial(keys, kind) for kind in ("recipe", "site", "feature")},
}


class Reference(SphinxDirective):
    """What the program itself knows, in tables."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the tables."""
        return self.parse_text_to_nodes("\n".join(_PARTS[self.arguments[0]]()), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx what there is."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
