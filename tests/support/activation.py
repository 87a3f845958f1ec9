"""Activating by hand compared with loading the module: the oracle of the tests, which takes nothing of the product."""

from collections.abc import Mapping

_SHELL = "belongs to the shell that ran the activation"
_RUNTIME = "set by the container runtime for this one container"

# All variables that may differ, and why.
MAY_DIFFER = {
    "_": _SHELL,
    "OLDPWD": _SHELL,
    "PS1": _SHELL,
    "PWD": _SHELL,
    "SHLVL": _SHELL,
    "PROMPT_COMMAND": _RUNTIME,
    "APPTAINER_BIND": _RUNTIME,
    "APPTAINER_COMMAND": _RUNTIME,
    "APPTAINER_CONTAINER": _RUNTIME,
    "APPTAINER_ENVIRONMENT": _RUNTIME,
    "APPTAINER_NAME": _RUNTIME,
    "SINGULARITY_BIND": _RUNTIME,
    "SINGULARITY_COMMAND": _RUNTIME,
    "SINGULARITY_CONTAINER": _RUNTIME,
    "SINGULARITY_ENVIRONMENT": _RUNTIME,
    "SINGULARITY_NAME": _RUNTIME,
    "USER_PATH": _RUNTIME,
    "PYTHONNOUSERSITE": "~/.local must not leak into the container",
    "PYTHONPATH": "that of the base would put the base before the layer",
    "WITH_CONDA": "job scripts that run it must keep working",
    "WITH_CONDA_VENV": "job scripts that run it must keep working",
    "WITH_VENV": "job scripts that run it must keep working",
}


def variables(output: str) -> dict[str, str]:
    """Return the variables that `env -0` has printed."""
    entries = (entry.partition("=") for entry in output.split("\0") if entry)
    return {name: value for name, _, value in entries}


def unexpected(by_hand: Mapping[str, str], loaded: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return the variables that differ and must not: the value after activating by hand, and with the module loaded."""
    expected = dict(by_hand)
    if "PATH" in by_hand:
        # Scripts of the module go before all; an empty folder would be the current one.
        expected["PATH"] = ":".join(["/runscripts", *filter(None, by_hand["PATH"].split(":"))])
    return {
        name: (expected.get(name), loaded.get(name))
        for name in sorted({*expected, *loaded} - {*MAY_DIFFER})
        if expected.get(name) != loaded.get(name)
    }
