"""Which tests must run in one process, for what they share to be made only once."""

from collections.abc import Iterator, Sequence

import pytest

# Made in no time, and in each process anew.
CHEAP = {"make_site", "version"}

# A fixture of a module, with the parameters that it is made for.
Shared = tuple[str, str, tuple[tuple[str, str], ...]]


def shared_fixtures(item: pytest.Function) -> set[Shared]:
    """Return what a test shares with others of its module."""
    definitions = item._fixtureinfo.name2fixturedefs
    parameters = item.callspec.params if hasattr(item, "callspec") else {}

    def needed(name: str) -> set[str]:
        """Return the names of a fixture and of all that it is made from."""
        found = {name}
        for definition in definitions.get(name, ())[-1:]:
            for other in definition.argnames:
                found |= needed(other) if other != name else set()
        return found

    shared = set()
    for name in item.fixturenames:
        if name in definitions and definitions[name][-1].scope == "module" and name not in CHEAP:
            chosen = tuple((other, str(parameters[other])) for other in sorted(needed(name)) if other in parameters)
            shared.add((item.module.__name__, name, chosen))
    return shared


def groups(items: Sequence[tuple[pytest.Function, set[Shared]]]) -> Iterator[tuple[str, list[pytest.Function]]]:
    """Group tests that share something, also by way of others; tests that share nothing are in no group."""
    found: list[tuple[set[Shared], list[pytest.Function]]] = []
    for item, shared in items:
        if not shared:
            continue
        joined, members = set(shared), [item]
        for group in [group for group in found if group[0] & shared]:
            joined |= group[0]
            members = [*group[1], *members]
            found.remove(group)
        found.append((joined, members))
    for number, (_, members) in enumerate(found):
        yield f"{members[0].module.__name__} {number}", members
