"""A small conda layer, as entries of an easyconfig."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.conda import Channel
from tests.support.wheels import Wheel

RATTLER = (
    "py-rattler==0.28.0 --hash=sha256:4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb",
    "py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
)

PACKAGES = (("python", "3.11.2"), ("greet", "2.0"), ("hooked", "1.0"), ("linked", "1.0"), ("prefixed", "1.0"),
            ("tool", "1.0"))  # fmt: skip

# What an easyconfig for a conda layer says, beside its packages: what activating sets is found out.
PARAMETERS: dict[str, Any] = {
    "easyblock": "SifConda",
    "base_python": None,
    "activation": None,
    "activation_env": None,
    "activation_path": None,
    "container_env": None,
    "commands": None,
    "build_packages": ["py-rattler"],
}

# With the base active underneath.
STACKED = {
    "venv": PARAMETERS | {"stack": True, "base_python": "/opt/venv/bin/python"},
    "conda": PARAMETERS
    | {
        "stack": True,
        "base_python": "/opt/miniconda3/envs/pytorch/bin/python",
        "activation": "source /opt/miniconda3/bin/activate pytorch",
    },
}


def conda_files(channel: Channel, packages: Sequence[tuple[str, str]] = PACKAGES) -> list[Wheel]:
    """Return packages of a channel; Wheel stands for any file that an easyconfig lists."""
    return [Wheel(name, version, channel.package(name, version)) for name, version in packages]


def rattler_wheel(wheelhouse: Path) -> Wheel:
    """Return the wheel that installs conda packages."""
    return Wheel("py-rattler", "0.28.0", wheelhouse / RATTLER[1])
