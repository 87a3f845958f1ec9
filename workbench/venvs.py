"""Virtual environments in the cache, made anew when what they are made of changes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench import debian
from workbench.process import run

_SYSTEM_PYTHON = Path("/usr/bin/python3")
_MARK = "prepared"


def default_python() -> Path:
    """Return a Python that every user of the machine can run, and that can make virtual environments."""
    if os.geteuid() != 0 or not _SYSTEM_PYTHON.exists():
        return Path(sys.executable).resolve()
    # Root's own may lie in a folder that only root can enter.
    version = run([_SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    debian.ensure({f"/usr/lib/python{version}/ensurepip/__init__.py": f"python{version}-venv"}, "EasyBuild")
    return _SYSTEM_PYTHON


def create(folder: Path, python: Path | None = None, *, pip: bool = True) -> None:
    """Make a virtual environment, by default of a Python that every user of the machine can run."""
    run([python or default_python(), "-m", "venv", *([] if pip else ["--without-pip"]), folder])


def install(venv: Path, arguments: Sequence[str | Path]) -> None:
    """Run ``pip install`` in a virtual environment."""
    run([venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def state(venv: Path) -> list[str]:
    """Return what a virtual environment was made of: nothing if it is not complete."""
    # A folder with one name for good, not one for each key: scripts in a virtual environment hold its path, so that it
    # cannot be renamed when it is complete. A file that is written last and says what is inside does the same service.
    mark = venv / _MARK
    return mark.read_text().splitlines() if mark.exists() else []


def write_state(venv: Path, made_of: Sequence[str]) -> None:
    """Write down what a virtual environment was made of."""
    (venv / _MARK).write_text("".join(f"{line}\n" for line in made_of))
