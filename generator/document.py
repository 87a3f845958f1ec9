"""YAML files that people write: read as plain data, with the line of each value for error messages."""

import difflib
import math
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ebsif.errors import InputError
from ebsif.files import read_text

# A person writes far less; reading more would take too long.
MAXIMUM_SIZE = 1_000_000
MAXIMUM_DEPTH = 50

Location = tuple[str | int, ...]

# Parts of pydantic's locations that are not keys: they name the alternative that pydantic tried.
_MARKS = re.compile(r"\[\w+\]")
Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Reads numbers and dates as the text that was written: a version 2.10 is not 2.1."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Quotes what `_Loader` would not read as the text that it is."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Parameters
    ----------
    path
        Where it was read from.
    data
        Its content: mappings, lists, texts, booleans and None.
    lines
        The line, from 1, of each value by the keys and indices that lead to it.
    """

    path: Path
    data: Any
    lines: dict[Location, int]

    def line(self, location: Sequence[str | int]) -> int | None:
        """Return the line of a value, or of the nearest thing around it that has one."""
        for length in range(len(location), -1, -1):
            if tuple(location[:length]) in self.lines:
                return self.lines[tuple(location[:length])]
        return None

    def error(self, location: Sequence[str | int], message: str) -> InputError:
        """Return an error about one value."""
        return InputError(self.path, [(self.line(location), message)])


def read(path: Path, maximum: int = MAXIMUM_SIZE) -> Document:
    """Read a YAML file, of as many bytes as it may have.

    Raises
    ------
    InputError
        When it is no YAML, is too large, has a key twice, or uses anchors, aliases or tags.
    FileError
        When it cannot be read.
    """
    return parse(read_text(path, maximum), path)


def parse(text: str, path: Path) -> Document:
    """Parse YAML text; the path is for messages."""
    try:
        _refuse_bombs(text, path)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(path, None, {(): 1})
        lines = dict(_lines(node, (), path))
        return Document(path, loader.construct_document(node), lines)
    except RecursionError as error:
        raise InputError(path, [(None, "the file is nested too deeply")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(path, [(mark.line + 1 if mark else None, f"not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: no such character in Unicode
        raise InputError(path, [(None, f"not YAML: {error}")]) from error


def _refuse_bombs(text: str, path: Path) -> None:
    """Refuse what would grow when read, take very long, or become anything but plain data."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(path, [(line, "anchors and aliases (& and *) are not allowed: write the value out")])
        if getattr(event, "tag", None):
            raise InputError(path, [(line, "tags (!) are not allowed: write the value alone")])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAXIMUM_DEPTH:
            raise InputError(path, [(line, "the file is nested too deeply")])


def _lines(node: yaml.Node, location: Location, path: Path) -> Iterator[tuple[Location, int]]:
    """Yield the place of each value below a node; refuse a mapping that has a key twice."""
    yield location, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _lines(item, (*location, index), path)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise InputError(path, [(line, "a key must be text, and templates such as {{ x }} are not read")])
            if key.value in seen:
                raise InputError(path, [(line, f"the key '{key.value}' is there twice")])
            seen.add(key.value)
            yield from _lines(value, (*location, key.value), path)
            yield (*location, key.value), line


def validate(model: type[Model], document: Document) -> Model:
    """Validate a document and return it as a model.

    Raises
    ------
    InputError
        With all that is wrong, each with its line.
    """
    if not isinstance(document.data, dict):
        raise document.error((), "the file must hold keys with values (`key: value`)")
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems = sorted(
            (document.line(_plain(details["loc"])) or 0, _message(model, dict(details))) for details in error.errors()
        )
        raise InputError(document.path, [(line or None, message) for line, message in problems]) from error


def _plain(location: Sequence[str | int]) -> Location:
    """Return a location of pydantic without its own marks, such as ``[key]``."""
    return tuple(part for part in location if not (isinstance(part, str) and _MARKS.fullmatch(part)))


def _message(model: type[BaseModel], details: dict[str, Any]) -> str:
    location = _plain(details["loc"])
    name = ".".join(str(part) for part in location)
    if details["type"] == "extra_forbidden":
        known = _keys(model, location[:-1])
        nearest = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean '{nearest[0]}'?" if nearest else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key '{name}': {hint}"
    if details["type"] == "list_type":
        return f"{name}: this must be a list, with each item behind `- ` on a line of its own, or in brackets: [a, b]"
    if details["type"] == "string_type" and isinstance(details["input"], (bool, dict)):
        return f"{name}: this must be text: put it in quotes"
    if details["type"] == "missing":
        return f"the key '{name}' is missing"
    reason = re.sub(r"^(Value error|Assertion failed), ", "", details["msg"])
    reason = reason[:1].lower() + reason[1:]
    return f"{name}: {reason}" if name else reason


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that a model, or the one inside it at a location, knows."""
    for part in location:
        field = model.model_fields.get(str(part))
        inner = [kind for kind in _types(field.annotation) if issubclass(kind, BaseModel)] if field else []
        if inner:
            model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _types(annotation: Any) -> Iterator[type]:
    """Yield all classes in an annotation such as ``list[Model] | None``."""
    if isinstance(annotation, type) and not getattr(annotation, "__args__", ()):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _types(argument)


def scalar(text: str) -> str:
    """Return a text as it is written in a YAML file: in one line, and quoted if it would not read back as it is."""
    style = '"' if text.splitlines() != [text] else None
    dumped = yaml.dump(
        [text], Dumper=_Dumper, default_style=style, default_flow_style=True, allow_unicode=True, width=math.inf
    )
    return str(dumped).strip()[1:-1]
