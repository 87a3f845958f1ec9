"""What of an environment is compiled."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.layer_py import LAYER_PY


def test_modules_are_compiled_but_for_tests_of_packages_and_what_is_no_python(tmp_path: Path) -> None:
    for name in ("pkg/__init__.py", "pkg/testing.py", "pkg/tests/test_pkg.py", "pkg/core/test/data/case.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("answer = 42\n")
    (tmp_path / "pkg" / "template.py").write_text("{{ answer }} = {% raw %}\n")
    words = [sys.executable, LAYER_PY, "finish", tmp_path, "--jobs", "1"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert (found["compiled"], list(found["failed"])) == (2, [str(tmp_path / "pkg" / "template.py")])
    assert {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")} == {"__init__", "testing"}
