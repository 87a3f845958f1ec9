"""Each file of a layer is told by the package that has brought it."""

import json
from pathlib import Path

from ebsif.owners import owners


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def python_package(site_packages: Path, name: str, *files: str) -> None:
    """Make the files of an installed package, as pip leaves them."""
    info = f"{name}-1.0.dist-info"
    write(site_packages / info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for file in files:
        write(site_packages / file)
    record = [f"{info}/METADATA", f"{info}/RECORD", *files]
    write(site_packages / info / "RECORD", "".join(f'"{file}",,\n' for file in record))


def test_files_and_commands_and_bytecode_of_a_package_in_a_venv(tmp_path: Path) -> None:
    site_packages = tmp_path / "venv" / "demo" / "lib" / "python3.11" / "site-packages"
    python_package(site_packages, "Two.Names", "two/__init__.py", "two/a, b.txt", "../../../bin/two")
    write(site_packages / "two" / "__pycache__" / "__init__.cpython-311.pyc")
    prefix = "venv/demo/lib/python3.11/site-packages"
    assert owners(tmp_path) == dict.fromkeys(
        [
            f"{prefix}/Two.Names-1.0.dist-info/METADATA",
            f"{prefix}/Two.Names-1.0.dist-info/RECORD",
            f"{prefix}/two/__init__.py",
            f"{prefix}/two/a, b.txt",
            f"{prefix}/two/__pycache__/__init__.cpython-311.pyc",
            "venv/demo/bin/two",
        ],
        "Two.Names 1.0",
    )


def test_what_no_package_lists_has_no_owner(tmp_path: Path) -> None:
    write(tmp_path / "venv" / "demo" / "pyvenv.cfg")
    site_packages = tmp_path / "venv" / "demo" / "lib" / "python3.11" / "site-packages"
    write(site_packages / "__pycache__" / "loose.pyc")
    write(site_packages / "none-1.0.dist-info" / "METADATA", "Name: none\nVersion: 1.0\n")
    assert owners(tmp_path) == {}


def test_files_of_conda_packages_and_of_python_packages_on_top(tmp_path: Path) -> None:
    environment = tmp_path / "conda" / "envs" / "demo"
    site_packages = environment / "lib" / "python3.11" / "site-packages"
    python_package(site_packages, "greet", "greet.py")
    python_package(site_packages, "hello", "hello.py")
    files = ["bin/greet", "lib/python3.11/site-packages/greet.py"]
    record = {"name": "greet", "version": "2.0", "files": files}
    write(environment / "conda-meta" / "greet-2.0-py_0.json", json.dumps(record))
    found = {path.removeprefix("conda/envs/demo/"): owner for path, owner in owners(tmp_path).items()}
    assert {path: found[path] for path in [*files, "conda-meta/greet-2.0-py_0.json"]} == dict.fromkeys(
        [*files, "conda-meta/greet-2.0-py_0.json"], "greet 2.0"
    )
    assert found["lib/python3.11/site-packages/hello.py"] == "hello 1.0"
