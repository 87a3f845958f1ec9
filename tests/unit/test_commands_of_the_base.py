"""Python commands of the base in the layer: they run with the layer's Python, as all that they start."""

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

LAYER_PY = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "layer.py"

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base and a layer, as folders of a venv each."""
    base, layer = (tmp_path_factory.mktemp(name) / "venv" for name in ("base", "layer"))
    for folder in (base, layer):
        venv.EnvBuilder(symlinks=True).create(folder)
    return base, layer


@pytest.fixture
def base(pythons: tuple[Path, Path]) -> Path:
    return pythons[0]


@pytest.fixture
def layer(pythons: tuple[Path, Path]) -> Path:
    return pythons[1]


@pytest.fixture
def write(base: Path) -> Write:
    """Write a program into the base's folder of programs."""

    def write(name: str, *lines: str, mode: int = 0o755) -> Path:
        path = base / "bin" / name
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(mode)
        return path

    return write


def add_commands(base: Path, layer: Path) -> list[str]:
    """Return the names of the commands that the layer got."""
    done = subprocess.run(
        [base / "bin" / "python", LAYER_PY, "add-commands", layer], check=True, stdout=subprocess.PIPE, text=True
    )
    return list(json.loads(done.stdout)["commands"])


def printed(program: Path, *arguments: str) -> str:
    return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.mark.parametrize(
    "first",
    [
        "#!{base}/bin/python",
        "#!{base}/bin/python3",
        "#! {base}/bin/python3 -u",
        "#!/usr/bin/env python3",
        "#!/usr/bin/env -S python3 -u",
        "#!/bin/sh\n'''exec' \"{base}/bin/python\" \"$0\" \"$@\"\n' '''",
    ],
)
def test_a_script_of_the_bases_python_runs_with_that_of_the_layer(
    base: Path, layer: Path, write: Write, first: str
) -> None:
    name = f"script-{len(first)}"
    write(name, first.format(base=base), "import sys", "print(sys.prefix, sys.argv[1:])")
    assert name in add_commands(base, layer)
    assert printed(layer / "bin" / name, "a b") == f"{layer} ['a b']"


def test_options_of_the_interpreter_stay(base: Path, layer: Path, write: Write) -> None:
    write("isolated", f"#!{base}/bin/python -I", "import sys", "print(sys.flags.isolated)")
    add_commands(base, layer)
    assert printed(layer / "bin" / "isolated") == "1"


def test_a_link_to_another_folder_runs_what_it_leads_to_in_its_place(
    base: Path, layer: Path, tmp_path: Path, write: Write
) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 42\n")
    script = tmp_path / "linked"
    script.write_text(f"#!{base}/bin/python\nimport beside, sys\nprint(beside.VALUE, sys.prefix)\n")
    script.chmod(0o755)
    (base / "bin" / "linked").symlink_to(script)
    assert "linked" in add_commands(base, layer)
    assert printed(layer / "bin" / "linked") == f"42 {layer}"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("shell-script", "#!/bin/sh"),
        ("script-of-another-python", "#!/opt/other/bin/python3"),
        ("no-script", "text"),
        ("conda", "#!{base}/bin/python"),
        ("conda-build", "#!{base}/bin/python"),
        ("activate", "#!{base}/bin/python"),
    ],
)
def test_what_is_no_command_of_the_bases_packages_is_left_out(
    base: Path, layer: Path, write: Write, name: str, line: str
) -> None:
    write(name, line.format(base=base))
    assert name not in add_commands(base, layer)


def test_what_is_not_executable_is_left_out(base: Path, layer: Path, write: Write) -> None:
    write("only-data", f"#!{base}/bin/python", mode=0o644)
    assert "only-data" not in add_commands(base, layer)


def test_a_command_that_the_layer_brings_stays(base: Path, layer: Path, write: Write) -> None:
    own = layer / "bin" / "both"
    own.write_text("of the layer\n")
    write("both", f"#!{base}/bin/python")
    assert "both" not in add_commands(base, layer)
    assert own.read_text() == "of the layer\n"


def test_a_name_with_anything_in_it_is_only_a_name(base: Path, layer: Path, write: Write) -> None:
    name = "$(touch pwned)\n; 'x'"
    write(name, f"#!{base}/bin/python", "print('ran')")
    assert name in add_commands(base, layer)
    assert printed(layer / "bin" / name) == "ran"


def test_a_systems_python_gives_what_pip_installed_and_not_the_systems_tools(tmp_path: Path) -> None:
    system, local, packages = (tmp_path / name for name in ("usr/bin", "usr/local/bin", "usr/lib/python"))
    for folder in (system, local, packages):
        folder.mkdir(parents=True)
    for path in (system / "lsb_release", system / "by-pip", system / "by-rpm", local / "by-hand"):
        path.write_text(f"#!{system}/python3\n")
        path.chmod(0o755)
    for name, installer in (("by-pip", "pip\n"), ("by-rpm", "rpm\n")):
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "INSTALLER").write_text(installer)
        (info / "RECORD").write_text(f"../../bin/{name},,\n")
    program = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("layer", {str(LAYER_PY)!r})
layer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layer)
layer.python_folders = lambda: [{str(local)!r}, {str(system)!r}]
layer.SYSTEM_FOLDERS = ({str(system)!r},)
sys.path[:] = [{str(packages)!r}, *sys.path]
print([path for path in layer.command_files() if layer.with_python(path, "/python")])
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.strip() == str([str(local / "by-hand"), str(system / "by-pip")])
