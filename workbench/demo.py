"""The demo: a user's main job on the demo's base image, with the commands and what they print."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench import easybuild, store
from workbench.errors import WorkbenchError
from workbench.machine import Machine, prepared

BASE = "venv-torch"
NAME = "PyTorch"
VERSION = "2.13.0-cpu-python-3.11-singularity-demo"
PACKAGES = ("pytorch-lightning", "torchmetrics")

LOOK = """
import pytorch_lightning, torch, torchmetrics
for package in torch, pytorch_lightning, torchmetrics:
    print(f"{package.__name__:18} {package.__version__:12} {package.__file__}")
print("a product on the CPU:", (torch.ones(2, 3) @ torch.ones(3, 2)).tolist())
""".strip()


def demo() -> None:
    """Freeze the demo's base, write a recipe, make an easyconfig of it, install that, and use its module.

    Raises
    ------
    WorkbenchError
        When one of the commands fails.
    """
    machine = prepared()
    folder = store.cache_root() / "demo"
    folder.mkdir(exist_ok=True)
    base = machine.bases[BASE]
    recipe = f"{NAME}-{VERSION}.yml"
    eb = ["eb", f"{NAME}-{VERSION}.eb", "--trace", "--rebuild"]
    if machine.eb not in [venv / "bin" / "eb" for venv in machine.easybuild.values()]:
        eb.append(f"--include-easyblocks={easybuild.PROJECT / 'easyblocks' / 'generic'}/*.py")
    commands = [
        ["ebsif", "freeze", str(base)],
        ["ebsif", "new", NAME, "--base", base.name, "--variant", "demo", "--force", *PACKAGES],
        ["ebsif", "generate", recipe],
        eb,
        ["module", "use", str(folder / "modules" / "all")],
        ["module", "load", f"{NAME}/{VERSION}"],
        ["python", "-c", LOOK],
        ["list-packages"],
    ]
    settings = {"EASYBUILD_PREFIX": str(folder), "EBSIF_IMAGES": str(folder / "images")}
    _show(machine, [shlex.join(words) for words in commands], settings, folder)


def _show(machine: Machine, commands: Sequence[str], settings: Mapping[str, str], folder: Path) -> None:
    """Run commands in a login shell, each after a line that shows it, up to the first that fails."""
    # Where EasyBuild is the machine's own, its folder has no `ebsif`.
    script = ["set -e", f'ebsif() {{ {shlex.quote(str(machine.ebsif))} "$@"; }}']
    for command in commands:
        script += [f"printf '\\n%s\\n' {shlex.quote(f'$ {command}')}", command]
    sys.stdout.flush()
    done = machine.login("\n".join(script), env=settings, cwd=folder, stdout=None, stderr=None)
    if done.returncode != 0:
        raise WorkbenchError(f"the demo failed (status {done.returncode}); the last lines above say why")
