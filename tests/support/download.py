"""Files of the package index that tests need."""

import subprocess
import sys
import tempfile
from pathlib import Path


def fetch_wheel(name: str, requirement: str, folder: Path) -> None:
    """Download one wheel.

    Parameters
    ----------
    name
        Its file name.
    requirement
        The line that a requirements file would have for it, with its hash.
    folder
        Where to put it.
    """
    python, abi, platforms = name.removesuffix(".whl").split("-")[-3:]
    tags = [word for platform in platforms.split(".") for word in ("--platform", platform)]
    if python.startswith("cp"):  # cp311: an extension module for Python 3.11
        tags += ["--python-version", f"{python[2]}.{python[3:]}", "--abi", abi]
    with tempfile.TemporaryDirectory() as temporary:
        lines = Path(temporary, "requirements.txt")
        lines.write_text(f"{requirement}\n")
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", *tags]
        words = [sys.executable, "-m", "pip", "download", *options, "--requirement", str(lines), "--dest", str(folder)]
        subprocess.run(words, check=True)
