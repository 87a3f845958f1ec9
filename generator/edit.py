"""Changing values in a YAML file that a person has written, without touching the rest of it."""

import re
from collections.abc import Mapping

import yaml

from ebsif.document import scalar

# What stands behind a value before the next key: blank lines, and the comments that belong to that key.
_BETWEEN = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*\Z")


def edited(text: str, values: Mapping[str, str | None], *, after: str) -> str:
    """Return the text of a YAML mapping with other values.

    Parameters
    ----------
    text
        The text, which `ebsif.document.read` accepts.
    values
        The new value of each key; None to remove it.
    after
        The key behind which keys go that are not there yet.
    """
    for key, value in values.items():
        nodes = _nodes(text)
        if key in nodes:
            text = _removed(text, *nodes[key]) if value is None else _replaced(text, nodes[key][1], value)
        elif value is not None:
            end = _end_of_line(text, nodes[after][1].end_mark.index)
            text = f"{text[:end]}\n{key}: {scalar(value)}{text[end:]}"
    return text


def replaced_item(text: str, key: str, old: str, new: str) -> str:
    """Return the text of a YAML mapping with another item in a list that has the old one; else as it is."""
    found = _nodes(text).get(key)
    items = found[1].value if found and isinstance(found[1], yaml.SequenceNode) else []
    for item in reversed(items):
        if item.value == old:
            text = _replaced(text, item, new)
    return text


def _nodes(text: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Return the nodes of each key and of its value."""
    mapping = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(mapping, yaml.MappingNode):
        raise ValueError("the text is no YAML mapping")
    return {key.value: (key, value) for key, value in mapping.value}


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    return text[: node.start_mark.index] + scalar(value) + text[node.end_mark.index :]


def _removed(text: str, key: yaml.Node, node: yaml.Node) -> str:
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    content = text[start : node.end_mark.index]
    end = start + len(_BETWEEN.sub("", content))
    return text[:start] + text[_end_of_line(text, end) + 1 :]


def _end_of_line(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end
