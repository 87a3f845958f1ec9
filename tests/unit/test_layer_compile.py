"""What of a layer is compiled, and that bytecode is the same with any number of processes, whatever they did before."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ebsif.inside import LAYER_PY

# Names that a process knows once it has met such an encoding, or has had something to say about a file.
NAMES = ("decoding_table", "getregentry", "StreamConverter", "IncrementalDecoder", "updatecache", "lazycache")
MODULE = f"def use(it):\n    return {', '.join(f'it.{name}' for name in NAMES)}, it in {{None, 'a', 'b', 1}}, 'Ø'\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Modules of which some change what a process that compiles them has in memory."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a_encoded.py").write_bytes("# -*- coding: cp1252 -*-\nTEXT = 'é'\n".encode("cp1252"))
    # A letter of which Python has one object, as a name.
    (tree / "a_named.py").write_text("Ø = 1\n")
    (tree / "a_warned.py").write_text("TEXT = '\\d'\n")
    (tree / "a_refused.py").write_text("print 'of Python 2'\n")
    for number in range(60):
        (tree / f"m{number:02}.py").write_text(MODULE)
    return tree


def compiled(tree: Path, jobs: int) -> dict[str, bytes]:
    shutil.rmtree(tree / "__pycache__", ignore_errors=True)
    words: list[str | Path] = [sys.executable, LAYER_PY, "finish", tree, "--jobs", str(jobs)]
    subprocess.run(words, check=True, capture_output=True, env={"PYTHONHASHSEED": "0"})
    return {path.name: path.read_bytes() for path in (tree / "__pycache__").iterdir()}


def test_the_same_bytecode_with_any_number_of_processes(tree: Path) -> None:
    alone = compiled(tree, jobs=1)
    assert [name for name, code in compiled(tree, jobs=3).items() if alone[name] != code] == []
    assert len(alone) == 63


def test_the_bytecode_is_used(tree: Path) -> None:
    compiled(tree, jobs=1)
    # Its source is not looked at.
    (tree / "m00.py").write_text("raise SystemExit('the source')\n")
    words = [sys.executable, "-c", "import m00; print(m00.__cached__ is not None, m00.use.__code__.co_name)"]
    done = subprocess.run(words, cwd=tree, check=True, capture_output=True, text=True)
    assert done.stdout == "True use\n"


def test_modules_are_compiled_but_for_tests_of_packages_and_what_is_no_python(tmp_path: Path) -> None:
    for name in ("pkg/__init__.py", "pkg/testing.py", "pkg/tests/test_pkg.py", "pkg/core/test/data/case.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("answer = 42\n")
    (tmp_path / "pkg" / "template.py").write_text("{{ answer }} = {% raw %}\n")
    words: list[str | Path] = [sys.executable, LAYER_PY, "finish", tmp_path, "--jobs", "1"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert (found["compiled"], list(found["failed"])) == (2, [str(tmp_path / "pkg" / "template.py")])
    assert {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")} == {"__init__", "testing"}
