"""What EasyBuild's own test suite asks of each easyblock, and EasyBuild's tools do with easyconfigs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from easybuild.framework.easyblock import EasyBlock
from easybuild.framework.easyconfig import MANDATORY
from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class
from easybuild.tools.build_log import EasyBuildError

from tests.easyblocks.conftest import GENERIC

# EasyBuild's suite wants an easyblock in each file. These have none: they are functions that the easyblocks share,
# beside them since the option --include-easyblocks carries only files of this folder. The underscore keeps them out of
# `eb --list-easyblocks`.
HELPERS = ["_installationlock", "_sifactivation", "_sifcopy", "_sifimages", "_sifpackages", "_sifprovenance",
           "_sifroom", "_sifruntime", "_sifsquashfs", "_siftext"]  # fmt: skip

CONDA_FILES = ["python-3.11.0-h0_0.conda", "py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.whl"]
CONDA_EXTENSIONS = [
    (name, version, {"sources": [file], "checksums": ["0" * 64]})
    for name, version, file in [("python", "3.11.0", CONDA_FILES[0]), ("py-rattler", "0.28.0", CONDA_FILES[1])]
]

# By module: the class, and what an easyconfig for it must say at least to have a module; nothing for an abstract one.
EASYBLOCKS = {
    "sifconda": (
        "SifConda",
        "sources = ['demo.sif']\nbuild_packages = ['py-rattler']\nexts_list = %r\n" % CONDA_EXTENSIONS,
    ),
    "sifcontainer": ("SifContainer", "sources = ['demo.sif']\n"),
    "sifimage": ("SifImage", ""),
    "siflayer": ("SifLayer", ""),
    "sifpython": ("SifPython", ""),
    "sifvenv": ("SifVenv", "sources = ['demo.sif']\nbase_python = '/opt/venv/bin/python'\n"),
    "stagedeasyblock": ("StagedEasyBlock", "sources = []\n"),
}
INSTALLABLE = [name for name, (_, text) in EASYBLOCKS.items() if text]

CLASS = re.compile(r"^class (.*)\(.*", re.MULTILINE)
# Ways of old that EasyBuild's suite looks for.
FORMER_ERRORS = re.compile(r"log\.(error|exception|raiseException)\(")
FORMER_FUNCTIONS = {
    "source_paths", "get_avail_core_count", "get_os_type", "det_full_ec_version", "run_cmd", "run_cmd_qa",
    "modify_env", "parse_log_for_error", "read_environment",
}  # fmt: skip


def test_every_file_holds_an_easyblock_or_is_a_known_helper() -> None:
    assert sorted(path.stem for path in GENERIC.glob("*.py")) == sorted([*HELPERS, *EASYBLOCKS])


@pytest.mark.parametrize("module", HELPERS)
def test_a_helper_is_no_easyblock(module: str) -> None:
    assert not CLASS.search((GENERIC / (module + ".py")).read_text())


@pytest.mark.parametrize("module", EASYBLOCKS)
def test_the_first_class_of_a_file_is_its_easyblock(module: str, configure: Callable[..., None]) -> None:
    configure()
    found = CLASS.search((GENERIC / (module + ".py")).read_text())
    assert found is not None
    assert found.group(1) == EASYBLOCKS[module][0]
    easyblock = get_easyblock_class(found.group(1))
    assert issubclass(easyblock, EasyBlock)
    assert easyblock.__module__ == "easybuild.easyblocks.generic." + module


@pytest.mark.parametrize("module", [*HELPERS, *EASYBLOCKS])
def test_nothing_is_done_in_a_way_that_easybuild_has_left(module: str) -> None:
    text = (GENERIC / (module + ".py")).read_text()
    assert not FORMER_ERRORS.search(text)
    assert not FORMER_FUNCTIONS & set(re.findall(r"\w+", text))
    assert "def prepare_step" not in text or "def prepare_step(self, *args, **kwargs):" in text


@pytest.mark.parametrize("module", EASYBLOCKS)
def test_parameters_have_a_default_a_text_and_a_group(module: str, configure: Callable[..., None]) -> None:
    configure()
    for name, parameter in get_easyblock_class(EASYBLOCKS[module][0]).extra_options().items():
        assert name.isidentifier()
        default, text, group = parameter
        assert isinstance(text, str)
        assert default is not None or group != MANDATORY or text


@pytest.mark.parametrize("module", EASYBLOCKS)
def test_an_easyblock_can_be_constructed_for_an_empty_easyconfig(
    module: str, configure: Callable[..., None], tmp_path: Path
) -> None:
    configure()
    make_easyblock(module, tmp_path)


@pytest.mark.parametrize("syntax", ["Lua", "Tcl"])
@pytest.mark.parametrize("module", EASYBLOCKS)
def test_an_easyblock_can_be_constructed_to_make_only_a_module(
    module: str, syntax: str, configure: Callable[..., None], tmp_path: Path
) -> None:
    configure("--module-syntax=" + syntax, force=True, module_only=True)
    make_easyblock(module, tmp_path)


@pytest.mark.parametrize("syntax", ["Lua", "Tcl"])
@pytest.mark.parametrize("module", INSTALLABLE)
def test_only_a_module_is_made(module: str, syntax: str, configure: Callable[..., None], tmp_path: Path) -> None:
    configure("--module-syntax=" + syntax, force=True, module_only=True)
    easyblock = make_easyblock(module, tmp_path, EASYBLOCKS[module][1])
    Path(easyblock.installdir).mkdir(parents=True)
    easyblock.run_all_steps(run_test_cases=False)
    made = tmp_path / "modules" / "all" / "demo" / ("1.0.lua" if syntax == "Lua" else "1.0")
    assert "None" not in made.read_text()


@pytest.mark.parametrize(
    "text",
    [r"a\} ; exec touch here ; list \{", "a\\", r"\\} ; exec touch here ; list {", "} ; exec touch here ; list {"],
)
@pytest.mark.parametrize("name", ["description", "whatis", "usage", "homepage", "docurls"])
def test_no_text_about_the_software_is_code_in_a_module_in_tcl(
    name: str, text: str, configure: Callable[..., None], tmp_path: Path
) -> None:
    configure("--module-syntax=Tcl")
    value = [text] if name in ("whatis", "docurls") else text
    easyblock = make_easyblock("sifcontainer", tmp_path, "sources = ['demo.sif']\n%s = %r\n" % (name, value))
    script = "proc unknown args {}\n%s\nModulesHelp\nputs stderr end\n" % easyblock.make_module_description()
    done = subprocess.run(
        ["tclsh"], input=script, cwd=str(tmp_path), stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        universal_newlines=True,
    )  # fmt: skip
    assert done.stderr.endswith("end\n")
    assert not (tmp_path / "here").exists()
    assert easyblock.cfg[name] == value


@pytest.mark.parametrize("syntax", ["Lua", "Tcl"])
def test_module_whatis_has_one_line_for_each_text(syntax: str, configure: Callable[..., None], tmp_path: Path) -> None:
    configure("--module-syntax=" + syntax)
    easyblock = make_easyblock("sifcontainer", tmp_path, "sources = ['demo.sif']\n")
    easyblock.cfg["description"] = "\nPyTorch for\tall.\n\nIn the container: much."
    lines = easyblock.make_module_description().splitlines()
    said = [line for line in lines if line.startswith(("whatis", "module-whatis"))]
    assert len(said) == 3
    assert "Description: PyTorch for all." in said[0]
    assert easyblock.cfg["whatis"] is None


@pytest.mark.parametrize("module", [name for name in INSTALLABLE if name.startswith("sif")])
def test_no_module_is_made_without_an_image(module: str, configure: Callable[..., None], tmp_path: Path) -> None:
    configure(force=True, module_only=True)
    easyblock = make_easyblock(module, tmp_path)
    Path(easyblock.installdir).mkdir(parents=True)
    with pytest.raises(EasyBuildError, match="the first source must be the container image"):
        easyblock.run_all_steps(run_test_cases=False)
    assert not list((tmp_path / "modules").glob("**/1.0*"))


def test_commands_name_the_module_as_people_load_it(configure: Callable[..., None], tmp_path: Path) -> None:
    configure("--module-naming-scheme=HierarchicalMNS")
    easyblock = make_easyblock("sifvenv", tmp_path)
    assert easyblock.full_mod_name == "Core/demo/1.0"
    assert easyblock.fill_command_template("commands", "unmake-squashfs").splitlines()[3] == "module=demo/1.0"


def make_easyblock(module: str, folder: Path, text: str = "sources = []\n") -> Any:
    easyblock = get_easyblock_class(EASYBLOCKS[module][0])
    path = folder / "demo.eb"
    path.write_text(easyconfig(EASYBLOCKS[module][0], text))
    return easyblock(EasyConfig(str(path)))


def easyconfig(easyblock: str, text: str) -> str:
    return (
        "easyblock = '{}'\nname = 'demo'\nversion = '1.0'\nhomepage = 'https://example.org'\n"
        "description = 'A demo'\ntoolchain = SYSTEM\n{}\nmoduleclass = 'ai'\n"
    ).format(easyblock, text)


@pytest.mark.parametrize(
    ("module", "extensions", "files"),
    [("sifcontainer", "", ["demo.sif"]),
     ("sifvenv", "exts_list = [\n    ('pip', '1.0', {'sources': ['pip-1.0-py3-none-any.whl']}),\n]\n",
      ["demo.sif", "pip-1.0-py3-none-any.whl"])],
    ids=["SifContainer", "SifVenv"],
)  # fmt: skip
def test_checksums_are_injected(module: str, extensions: str, files: List[str], tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text(name)
    easyblock, text = EASYBLOCKS[module]
    path = tmp_path / "demo-1.0.eb"
    path.write_text(easyconfig(easyblock, "%s%s" % (text, extensions)))
    run_eb(tmp_path, str(path), "--inject-checksums", "--sourcepath=%s" % tmp_path)
    assert len(re.findall(r"[0-9a-f]{64}", path.read_text())) == len(files)


def run_eb(folder: Path, *arguments: str) -> str:
    options = ["--prefix=%s" % folder, "--include-easyblocks=%s/*.py" % GENERIC, "--modules-tool=Lmod"]
    done = subprocess.run(
        [sys.executable, "-m", "easybuild.main", *options, *arguments],
        env=dict(os.environ, HOME=str(folder), EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES="1"),
        cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
