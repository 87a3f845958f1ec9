"""A Python as a conda package: Debian's, as the demo's conda base has it, with the libraries that it needs."""

import subprocess
import tempfile
from pathlib import Path

from tests.support.conda_packages import make_package
from workbench import Machine

_PREFIX = "/opt/miniconda3/envs/pytorch"
_TAKE = Path(__file__).with_name("take-python.sh")
_README = "This directory exists so that 3rd party packages can be installed here.\n"


def python_package(channel: Path, machine: Machine) -> Path:
    """Make the package `python`, which runs wherever it is put and needs nothing but a C library."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        tree.chmod(0o755)
        binds = ["--bind", f"{_TAKE}:/take-python.sh:ro", "--bind", f"{tree}:/taken"]
        words = ["sh", "/take-python.sh", _PREFIX, "/taken"]
        machine.run([machine.runtime, "exec", "--cleanenv", *binds, machine.bases["conda"], *words], check=True)
        version, glibc = ((tree / file).read_text().strip() for file in ("version", "glibc"))
        minor = version.rpartition(".")[0]
        program, library = f"bin/python{minor}", f"lib/python{minor}"
        _find_libraries("$ORIGIN/../lib", [tree / program])
        _find_libraries("$ORIGIN", list((tree / "lib").glob("*.so*")))
        _find_libraries("$ORIGIN/../..", list((tree / library / "lib-dynload").glob("*.so")))
        paths = [path for folder in ("bin", "lib") for path in (tree / folder).rglob("*") if path.is_file()]
        files: dict[str, str | bytes] = {str(path.relative_to(tree)): path.read_bytes() for path in paths}
        files[f"{library}/site-packages/README.txt"] = _README
        return make_package(
            channel,
            "python",
            version,
            build="debian_0",
            subdir="linux-64",
            depends=[f"__glibc >={glibc}"],
            files=files,
            executable=[str(path.relative_to(tree)) for path in paths if path.stat().st_mode & 0o100],
            links={"bin/python": f"python{minor}", "bin/python3": f"python{minor}"},
        )


def _find_libraries(folder: str, programs: list[Path]) -> None:
    """Have programs and libraries look for libraries in a folder, before all others."""
    subprocess.run(["patchelf", "--force-rpath", "--set-rpath", folder, *programs], check=True)
