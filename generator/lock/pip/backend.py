"""Runs in the container: prints what the build backend of a source package asks for, as a line of JSON.

Its arguments are the wheel of pip, the source package, the folder in it that is built, a folder with the packages that
it names itself, its backend, and where that lies in it, as JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

installer, archive, start_dir, packages, backend, backend_path = sys.argv[1:]
sys.path.insert(0, installer)
from pip._vendor.pyproject_hooks import BuildBackendHookCaller  # noqa: E402


def run(
    cmd: "Sequence[str]", cwd: "str | None" = None, extra_environ: "Mapping[str, str] | None" = None
) -> None:
    """Run a hook, which sees nothing but the standard library and the packages, as when pip builds."""
    path = os.pathsep.join([str(Path(packages, "bin")), os.environ["PATH"]])
    env = {**os.environ, **(extra_environ or {}), "PYTHONPATH": packages, "PATH": path}
    # What a backend says goes to standard error.
    subprocess.run([cmd[0], "-S", *cmd[1:]], cwd=cwd, env=env, stdout=sys.stderr, check=True)


with tempfile.TemporaryDirectory() as folder:
    shutil.unpack_archive(archive, folder)
    (source,) = Path(folder).iterdir()
    hooks = BuildBackendHookCaller(str(source / start_dir), backend, json.loads(backend_path), run)
    print(json.dumps(hooks.get_requires_for_build_wheel()))
