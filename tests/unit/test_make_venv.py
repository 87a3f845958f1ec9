"""The venv that packages are locked in sees what that of the layer will see."""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from ebsif.lock.conda.prefix import pth

ROOT = Path(__file__).resolve().parents[2]
LOCKING = [ROOT / "generator" / "lock" / "pip" / "make_venv.py"]
LOOKING = ROOT / "generator" / "lock" / "conda" / "look.py"
LAYER = ROOT / "easyblocks" / "generic" / "sif" / "layer.py"
INSTALLING = [LAYER, "create"]


def packages_seen(python: Path) -> set[str]:
    """Return the folders that hold packages, but for those of the venv itself."""
    program = "import sys; print(*[path for path in sys.path if path.endswith('-packages')], sep='\\n')"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    own = str(python.parents[1])
    return {path for path in done.stdout.splitlines() if not path.startswith(own + "/")}


@pytest.mark.parametrize("sees_system", [False, True])
def test_a_base_that_is_a_venv_is_seen_alike_when_locking_and_installing(tmp_path: Path, sees_system: bool) -> None:
    base = tmp_path / "base"
    venv.EnvBuilder(system_site_packages=sees_system, symlinks=True).create(base)
    seen = []
    for name, program in (("locking", LOCKING), ("installing", INSTALLING)):
        subprocess.run([base / "bin" / "python", *program, tmp_path / name], capture_output=True, check=True)
        seen.append(packages_seen(tmp_path / name / "bin" / "python"))
    assert seen[0] == seen[1]
    assert any(path.startswith(str(base)) for path in seen[0])
    assert (len(seen[0]) > 1) == sees_system


def test_a_base_that_is_no_venv_is_seen_alike_when_locking_and_installing(tmp_path: Path) -> None:
    python = Path(sys.base_prefix) / "bin" / "python3"
    seen = []
    for name, program in (("locking", LOCKING), ("installing", INSTALLING)):
        subprocess.run([python, *program, tmp_path / name], capture_output=True, check=True)
        seen.append(packages_seen(tmp_path / name / "bin" / "python"))
    assert seen[0] == seen[1] != set()


def test_a_base_under_a_stack_is_seen_alike_when_locking_and_installing(tmp_path: Path) -> None:
    """A system's Python may have its packages in more folders than those that it installs to."""
    (tmp_path / "dist-packages").mkdir()
    folders = [str(tmp_path / folder) for folder in ("dist-packages", "missing")]
    (tmp_path / "sitecustomize.py").write_text(f"import site\nsite.getsitepackages = lambda: {folders}\n")

    def run(*words: str | Path) -> str:
        env = {"PYTHONPATH": str(tmp_path)}
        return subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, check=True).stdout

    run(LAYER, "stack", tmp_path)
    installing = (tmp_path / "ebsif-base.pth").read_text()
    assert pth(json.loads(run(LOOKING))["paths"]) == installing
    assert all(folder in installing for folder in (sysconfig.get_path("purelib"), folders[0]))
    assert folders[1] not in installing
