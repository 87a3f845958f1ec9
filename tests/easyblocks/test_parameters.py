"""What cannot work is refused before anything is installed, with a sentence that names the thing and the remedy."""

import hashlib
import os
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import pytest
from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class
from easybuild.tools.build_log import EasyBuildError

Extension = Tuple[str, str, Dict[str, Any]]

# Begins as SIF images do.
IMAGE = b"#!/usr/bin/env run-singularity\n".ljust(32, b"\0") + b"SIF_MAGIC".ljust(16, b"\0") + b"an identifier..."
HELLO = "hello-1.0-py3-none-any.whl"
PIP = "pip-26.3-py3-none-any.whl"
# What an image without an activation of its own needs at least.
LEAST = {"sources": ["demo.sif"], "base_python": "/opt/venv/bin/python", "activation_env": {}}


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """The sources, and programs that succeed at whatever they are asked: no container is needed to refuse."""
    (tmp_path / "demo.sif").write_bytes(IMAGE)
    for name in [HELLO, PIP]:
        (tmp_path / name).write_text(name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ["apptainer", "mksquashfs"]:
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)


def extension(name: str, file: str, folder: Path, **changes: Any) -> Extension:
    digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    return name, "1.0", dict({"sources": [file], "checksums": [digest]}, **changes)


@pytest.fixture
def other_machine(tmp_path: Path) -> str:
    """Let the image be for another machine; return which."""
    code, machine = ("04", "aarch64") if os.uname().machine != "aarch64" else ("02", "x86_64")
    (tmp_path / "demo.sif").write_bytes(IMAGE[:45] + code.encode() + IMAGE[47:])
    return machine


def write(folder: Path, easyblock: str, parameters: Dict[str, Any]) -> Path:
    """Write an easyconfig; a parameter that is None is left out."""
    path = folder / "Demo.eb"
    path.write_text(
        "easyblock = %r\nname = 'Demo'\nversion = '1.0'\nhomepage = 'https://example.org'\n"
        "description = 'A demo'\ntoolchain = SYSTEM\nmoduleclass = 'ai'\n" % easyblock
        + "".join("%s = %r\n" % (name, parameters[name]) for name in parameters if parameters[name] is not None)
    )
    return path


@pytest.fixture
def refusal(
    tmp_path: Path, configure: Callable[..., None], capsys: "pytest.CaptureFixture[str]"
) -> Callable[..., str]:
    """Install an easyconfig with changed parameters, which must fail and leave nothing; return what is said."""

    def refusal(*options: str, easyblock: str = "SifVenv", **changes: Any) -> str:
        parameters = dict(LEAST if easyblock == "SifVenv" else {"sources": ["demo.sif"]}, **changes)
        path = write(tmp_path, easyblock, parameters)
        configure("--sourcepath=%s" % tmp_path, *options, silent=False)
        os.environ["PATH"] = "%s:%s" % (tmp_path / "programs", os.environ["PATH"])
        os.environ["https_proxy"] = "http://127.0.0.1:9"  # nobody is asked for what is missing
        with pytest.raises(EasyBuildError) as caught:
            get_easyblock_class(easyblock)(EasyConfig(str(path))).run_all_steps(run_test_cases=False)
        assert [str(left) for left in tmp_path.glob("software/Demo/*")] == []
        assert [str(left) for left in tmp_path.glob("modules/**/1.0*")] == []
        # EasyBuild may break lines where a terminal ends.
        return " ".join("".join([*capsys.readouterr(), str(caught.value)]).split())

    return refusal


# --- values ---


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("binds", ["/srv\n/etc"], "is not one bind specification"),
        ("binds", ["/srv,/etc"], "is not one bind specification"),
        ("binds", ["relative"], "is not one bind specification"),
        ("commands", ["../bin/sh"], "is not the name of a command"),
        ("commands", ["a b"], "is not the name of a command"),
        ("commands", ["ls\n"], "is not the name of a command"),
        ("commands", [1], "is not the name of a command"),
        ("host_env", {"A B": "x"}, "is not the name of an environment variable"),
        ("host_env", {"AB\n": "x"}, "is not the name of an environment variable"),
        ("container_env", {"A": "two\nlines"}, "is not a text without line breaks"),
        ("container_env", {"PATH": "/x"}, "'PATH' is not a variable to set: PATH in the container is"),
        ("start_env", {"PREPEND_PATH": "/x"}, "'PREPEND_PATH' is not a variable to set"),
        ("container_env", {"A": 1}, "is not a text without line breaks"),
        ("start_env", {"CACHE": "$(id)"}, "is not a text in which $ begins $NAME, ${NAME}, ${NAME:-text} or ${NAME:+"),
        ("start_env", {"CACHE": "/tmp/${USER%x}"}, "is not a text in which $ begins"),
        ("start_env", {"A B": "x"}, "is not the name of an environment variable"),
        ("start_env", {"CACHE": "${USER:+$(id)}"}, "is not a text in which $ begins"),
        ("distributed", {"cache": "/tmp"}, "'cache' is none of ports, cpu_masks"),
        ("distributed", {"ports": "80-90"}, "'80-90' is neither 'reserved' nor a range of ports such as 10000-19999"),
        ("distributed", {"ports": 10000}, "10000 is neither 'reserved' nor a range"),
        ("distributed", {"cpu_masks": "0xfe"}, "'0xfe' is no list of masks"),
        ("distributed", {"cpu_masks": ["0xfe", "0xfe;id"]}, "'0xfe;id' is not a mask of processors such as 0xfe00"),
        ("gpu", "intel", "'intel' is none of none, rocm, nvidia"),
        ("library_path", ["lib"], "'lib' is not an absolute path without any of"),
        ("library_path", ["/lib", "/a:/b"], "'/a:/b' is not an absolute path without any of"),
        ("library_path", ["/$ORIGIN"], "'/$ORIGIN' is not an absolute path without any of"),
        ("library_path", "/lib", "'/lib' is no list"),
        ("start_folders", ["CACHE"], "'CACHE' is not in start_env"),
        ("build_packages", ["setuptools"], "'setuptools' is not in exts_list"),
        ("frozen_images", ["a/b"], "is not an absolute path"),
        ("content_digest", "abc", "'abc' is not a SHA256"),
        ("content_digest", "0" * 64, "a layer that its user fills may hold anything"),
        ("image_install", "move", "is none of copy, share, link"),
        ("start_with", "shell", "is none of exec, run"),
        ("base_python", None, "give the absolute path of the image's Python"),
        ("base_python", "python3", "is not the absolute path of the image's Python"),
        ("venv_name", "../x", "is not a name for a venv"),
        ("exts_list", [("hello", "1.0")], "must be a name, a version, and a dictionary"),
        ("exts_list", [("hello", "1.0", {"sources": [HELLO]})], "has no checksum"),
        *(
            (
                "exts_list",
                [("hello", "1.0", {"sources": [HELLO], "checksums": ["0" * 64], "start_dir": folder})],
                "is not the path of a folder in the source package of hello",
            )
            for folder in ("../x", "/etc", "a/../../b", "$(id)", "-x", "a\nb")
        ),
        ("sources", [], "the first source must be the container image"),
        ("sources", ["../x.sif"], "is not the name of an image file"),
    ],
)
def test_value_that_cannot_work(refusal: Callable[..., str], parameter: str, value: object, message: str) -> None:
    said = refusal(**{parameter: value})
    assert "Easyconfig parameter '%s'" % parameter in said
    assert message in said


def test_folders_that_activating_adds_without_the_variables_that_it_sets(refusal: Callable[..., str]) -> None:
    said = refusal(activation_env=None, activation_path=["/opt/bin"])
    assert "Easyconfig parameter 'activation_path': without 'activation_env' both are found out" in said


def test_packages_for_an_image_that_gets_no_layer(refusal: Callable[..., str]) -> None:
    said = refusal(easyblock="SifContainer", exts_list=[("hello", "1.0", {"sources": [HELLO]})])
    assert "Easyconfig parameter 'exts_list': SifContainer adds no packages to the image, use SifVenv" in said


@pytest.mark.parametrize("easyblock", ["SifContainer", "SifVenv"])
def test_no_image_at_all(refusal: Callable[..., str], easyblock: str) -> None:
    assert "the first source must be the container image" in refusal(easyblock=easyblock, sources=[])


# --- folders ---


@pytest.mark.parametrize("name", ["with:colon", "with,comma"])
def test_installation_folder_that_cannot_be_bound(refusal: Callable[..., str], tmp_path: Path, name: str) -> None:
    assert "Choose another one with --prefix or --installpath" in refusal("--prefix=%s" % (tmp_path / name))


def test_installation_folder_with_a_space_in_tcl(refusal: Callable[..., str], tmp_path: Path) -> None:
    said = refusal("--prefix=%s" % (tmp_path / "with space"), "--module-syntax=Tcl")
    assert "--module-syntax=Lua" in said


# --- image and runtime ---


def test_image_missing(refusal: Callable[..., str]) -> None:
    said = refusal(sources=["nowhere.sif"], frozen_images=["/appl/frozen"])
    assert "Couldn't find file nowhere.sif anywhere" in said
    assert "The container image nowhere.sif is missing. Copy it into one of the folders above" in said
    assert "/appl/frozen" in said


def test_image_with_another_checksum(refusal: Callable[..., str]) -> None:
    said = refusal(checksums=["0" * 64])
    assert "the easyconfig says %s, the file has SHA256 %s" % ("0" * 64, hashlib.sha256(IMAGE).hexdigest()) in said
    assert "Use the very image that the easyconfig was made for" in said


def test_file_that_is_no_image(refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "text.sif").write_text("This is not a container image, though it has more than 64 characters.")
    assert "%s is not a SIF image" % (tmp_path / "text.sif") in refusal(sources=["text.sif"])


def test_image_for_another_machine(refusal: Callable[..., str], other_machine: str, tmp_path: Path) -> None:
    """It is neither hashed, nor is anything else looked for."""
    missing = ("hello", "1.0", {"sources": ["hello-1.0-py2-none-any.whl"], "checksums": ["0" * 64]})
    said = refusal(checksums=["0" * 64], exts_list=[missing])
    here, image = os.uname().machine, tmp_path / "demo.sif"
    assert "this host is %s, and %s is for %s: install it on a host of" % (here, image, other_machine) in said


def test_files_for_another_machine_can_be_fetched(
    other_machine: str, tmp_path: Path, configure: Callable[..., None]
) -> None:
    easyconfig = write(tmp_path, "SifContainer", {"sources": ["demo.sif"], "activation_env": {}, "stop": "fetch"})
    configure("--sourcepath=%s" % tmp_path)
    container = get_easyblock_class("SifContainer")(EasyConfig(str(easyconfig)))
    container.run_all_steps(run_test_cases=False)
    assert [source["path"] for source in container.src] == [str(tmp_path / "demo.sif")]


def test_no_runtime_on_path(refusal: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "programs" / "apptainer").unlink()
    runtimes = ["apptainer", "singularity"]
    folders = [folder for folder in os.environ["PATH"].split(":")
               if not any(Path(folder, name).exists() for name in runtimes)]  # fmt: skip
    monkeypatch.setenv("PATH", ":".join(folders))
    assert "Neither apptainer nor singularity is on $PATH: install one of them, or load the module" in refusal()


# --- packages ---


def test_wheel_with_a_wrong_checksum(refusal: Callable[..., str]) -> None:
    said = refusal(exts_list=[("hello", "1.0", {"sources": [HELLO], "checksums": ["0" * 64]})])
    assert "%s failed: the easyconfig says %s, and what was copied just now has SHA256" % (HELLO, "0" * 64) in said


def test_file_of_another_package(refusal: Callable[..., str], tmp_path: Path) -> None:
    said = refusal(exts_list=[extension("jello", HELLO, tmp_path)])
    assert "jello 1.0: the file %s belongs to another package or version" % HELLO in said


def test_file_that_is_no_package(refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "hello-1.0.rpm").write_bytes(b"")
    said = refusal(exts_list=[extension("hello", "hello-1.0.rpm", tmp_path)])
    assert "hello: hello-1.0.rpm is not the name of a wheel or of a source package" in said


def test_layer_without_pip(refusal: Callable[..., str], tmp_path: Path) -> None:
    assert "exts_list must have pip, as a wheel" in refusal(exts_list=[extension("hello", HELLO, tmp_path)])
