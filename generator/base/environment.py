"""Comparing the environment in a container before and after activating."""

import re
from collections.abc import Mapping

from ebsif.base.manifest import Activation

# Variables that the shell or the container sets, not the activation.
_NOT_ACTIVATION = re.compile(
    r"_|OLDPWD|PWD|PS1|SHLVL|PROMPT_COMMAND|USER_PATH|(APPTAINER|SINGULARITY)_"
    r"(BIND|COMMAND|CONTAINER|ENVIRONMENT|NAME)"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Surrogates stand for bytes that are not UTF-8.
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_FOLDER = re.compile(r"/[^\x00-\x1f\x7f\ud800-\udfff]*")


def parse_environment(output: str) -> dict[str, str]:
    """Return the variables that ``env -0`` has printed."""
    pairs = (entry.partition("=") for entry in output.split("\0") if "=" in entry)
    return {name: value for name, _, value in pairs if not _NOT_ACTIVATION.fullmatch(name)}


def activation(command: str | None, before: Mapping[str, str], after: Mapping[str, str]) -> Activation:
    """Return what a command changed in an environment, and which of these changes a module cannot make.

    Parameters
    ----------
    command
        What was run in between.
    """
    env: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for name in sorted({*before, *after} - {"PATH"}):
        value = after.get(name)
        if value == before.get(name):
            continue
        if value is None:
            unusable[_shown(name)] = "it is unset, and a module can only set variables in a container"
        elif not _NAME.fullmatch(name):
            unusable[_shown(name)] = "no variable of such a name can be passed into a container"
        elif not _VALUE.fullmatch(value):
            unusable[name] = f"its value is {value!a}, and only UTF-8 in one line can be passed into a container"
        else:
            env[name] = value
    path = _front(before.get("PATH", ""), after.get("PATH", ""))
    if path is None or not all(map(_FOLDER.fullmatch, path)):
        unusable["PATH"] = (
            f"it changes from {before.get('PATH', '')!a} to {after.get('PATH', '')!a}, and a module can only put "
            "absolute folders before it"
        )
        path = []
    return Activation(command=command, env=env, path=path, unusable=unusable)


def for_everybody(found: Activation, other: Activation) -> Activation:
    """Return an activation without the changes that were different for another user.

    Parameters
    ----------
    found
        What the activation did.
    other
        What it did for the other user.
    """
    differing = {
        name: f"it depends on who activates it: {_told(found, name)}, and {_told(other, name)} for another user"
        for name in sorted({*found.env, *other.env})
        if found.env.get(name) != other.env.get(name)
    }
    if found.path != other.path:
        differing["PATH"] = f"it depends on who activates it: {found.path}, and {other.path} for another user"
    return found.model_copy(
        update={
            "env": {name: value for name, value in found.env.items() if name not in differing},
            "path": [] if "PATH" in differing else found.path,
            "unusable": {**differing, **found.unusable},
        }
    )


def _told(found: Activation, name: str) -> str:
    return repr(found.env[name]) if name in found.env else "not set"


def _front(before: str, after: str) -> list[str] | None:
    """Return the folders that were put before PATH; None when PATH changed in another way."""
    if before == after:
        return []
    return after[: -len(before) - 1].split(":") if after.endswith(f":{before}") else None


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)
