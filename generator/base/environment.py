"""The environment in a container, before and after something was activated."""

import re
from collections.abc import Mapping

from ebsif.base.manifest import Activation
from ebsif.errors import EbsifError

# What belongs to the shell that runs the activation, or to one container, and not to what is activated.
_NOT_ACTIVATION = re.compile(
    r"_|OLDPWD|PWD|PS1|SHLVL|PROMPT_COMMAND|USER_PATH|(APPTAINER|SINGULARITY)_"
    r"(BIND|COMMAND|CONTAINER|ENVIRONMENT|NAME)"
)
_PRINTABLE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def parse_environment(output: str) -> dict[str, str]:
    """Return the variables that ``env -0`` has printed."""
    pairs = (entry.partition("=") for entry in output.split("\0") if "=" in entry)
    return {name: value for name, _, value in pairs if not _NOT_ACTIVATION.fullmatch(name)}


def activation(before: Mapping[str, str], after: Mapping[str, str], command: str | None) -> Activation:
    """Return what has changed from one environment to another.

    Parameters
    ----------
    command
        What was run in between.

    Raises
    ------
    EbsifError
        When a module could not do the same: a variable is gone, or has a value that cannot be passed on.
    """
    gone = sorted(set(before) - set(after))
    if gone:
        raise EbsifError(f"`{command}` unsets {', '.join(gone)}, which a module cannot do in a container")
    changed = {name: value for name, value in sorted(after.items()) if before.get(name) != value and name != "PATH"}
    for name, value in changed.items():
        if not _PRINTABLE.fullmatch(value):
            raise EbsifError(f"`{command}` sets {name} to {value!r}: line breaks cannot be passed into a container")
    return Activation(command=command, env=changed, path=_front(before.get("PATH", ""), after.get("PATH", ""), command))


def _front(before: str, after: str, command: str | None) -> list[str]:
    """Return the folders that come first in one PATH and are not in the other."""
    if before == after:
        return []
    if not after.endswith(f":{before}"):
        raise EbsifError(f"`{command}` changes PATH from {before} to {after}: a module can only put folders before it")
    return after[: -len(before) - 1].split(":")
