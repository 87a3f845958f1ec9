"""Easyconfigs for the demo's bases, as a person would write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.wheels import Wheel

NAME = "Demo"
VERSION = "1.0"

# What the hook in etc/conda/activate.d of the demo's conda environment sets.
HOOK_VALUE = """two words, 'single' and "double" quotes, $HOME, $(id), `id`, a \\ backslash, [brackets] and *"""

CONDA_ENV = {
    "CONDA_DEFAULT_ENV": "pytorch",
    "CONDA_EXE": "/opt/miniconda3/bin/conda",
    "CONDA_PREFIX": "/opt/miniconda3/envs/pytorch",
    "CONDA_PROMPT_MODIFIER": "(pytorch) ",
    "CONDA_PYTHON_EXE": "/opt/miniconda3/bin/python",
    "CONDA_SHLVL": "1",
    "DEMO_HOOK_PREFIX": "/opt/miniconda3/envs/pytorch/share/demo data",
    "DEMO_HOOK_VALUE": HOOK_VALUE,
    "_CE_CONDA": "",
    "_CE_M": "",
}
VENV_ENV = {"VIRTUAL_ENV_PROMPT": "(demo) "}

# What an easyconfig says of each kind of base.
KINDS: dict[str, dict[str, Any]] = {
    "venv": {"base_python": "/opt/venv/bin/python", "activation_env": VENV_ENV, "start_with": "run"},
    "venv-pythonpath": {
        "base_python": "/opt/venv/bin/python",
        "activation_env": VENV_ENV,
        "start_with": "run",
        "container_env": {"PYTHONPATH": ""},
    },
    "conda": {
        "base_python": "/opt/miniconda3/envs/pytorch/bin/python",
        "activation": "source /opt/miniconda3/bin/activate pytorch",
        "activation_env": CONDA_ENV | VENV_ENV,
        "activation_path": ["/opt/miniconda3/envs/pytorch/bin", "/opt/miniconda3/condabin"],
    },
    "conda-active": {"base_python": "/opt/miniconda3/envs/pytorch/bin/python", "activation_env": VENV_ENV},
    "bare": {},
}


def easyconfig_text(kind: str, base: Path, wheels: Sequence[Wheel | tuple[Any, ...]] = (), **changes: Any) -> str:
    """Return the text of an easyconfig for a base of a kind, with a layer of wheels.

    Parameters
    ----------
    changes
        Parameters to set or, with None, to leave out.
    """
    exts = [wheel.extension() if isinstance(wheel, Wheel) else wheel for wheel in wheels]
    parameters: dict[str, Any] = {
        "easyblock": "SifVenv",
        "name": NAME,
        "version": VERSION,
        "versionsuffix": f"-{kind}",
        "homepage": "https://example.org",
        "description": "A demo",
        "toolchain": {"name": "system", "version": "system"},
        "sources": [base.name],
        "commands": ["python3"],
        **KINDS[kind],
        "exts_list": exts,
        "moduleclass": "ai",
        **changes,
    }
    return "".join(f"{key} = {value!r}\n" for key, value in parameters.items() if value is not None)
