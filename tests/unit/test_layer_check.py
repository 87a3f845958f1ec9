"""What is wrong with the packages of a base is not blamed on the layer."""

import subprocess
import venv
from pathlib import Path

from ebsif.inside import LAYER_PY
from tests.support.layer_py import check


def add_package(python: Path, name: str, requires: str) -> None:
    """Make as if a package that needs another one were installed."""
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    folder = Path(subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.strip())
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n")
    (info / "RECORD").write_text("")


def test_complaints_of_a_base_without_pip_are_not_the_layers(tmp_path: Path) -> None:
    base, layer = tmp_path / "base", tmp_path / "layer"
    venv.EnvBuilder(symlinks=True).create(base)
    venv.EnvBuilder(symlinks=True, with_pip=True).create(layer)
    add_package(base / "bin" / "python", "of-base", "missing-from-base")
    packages = next(layer.glob("lib/*/site-packages"))
    subprocess.run([base / "bin" / "python", LAYER_PY, "stack", packages], check=True, stdout=subprocess.DEVNULL)
    add_package(layer / "bin" / "python", "of-layer", "missing-from-layer")
    found = check(layer, packages={"of-layer": "1.0"}, base=base / "bin" / "python")
    complaints = [problem for problem in found["packages"] if problem.startswith("pip check")]
    assert len(complaints) == 1
    assert "missing-from-layer" in complaints[0]
