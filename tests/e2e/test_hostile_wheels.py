"""Packages that are not what they seem: odd names of commands, builds that reach for more, files changed on the way."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sdists import make_sdist
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel

pytestmark = pytest.mark.e2e

ODD = ["$(cd;touch${IFS}pwned;echo${IFS}python3)", "`touch pwned`", "it's", 'a"b', "two words", "-x", "a;touch pwned"]
# Of the runtime and the shell, of ours, and of what the host cannot do without.
TAKEN = ["apptainer", "singularity", "bash", "env", "sh", "make-squashfs", "start-shell", "cat", "timeout", "id", "od",
         "eb", "ebsif", "module"]  # fmt: skip
# What a user may have set for other containers.
USERS_OWN = {"SINGULARITYENV_PREPEND_PATH": "/mine", "APPTAINERENV_PATH": "/mine", "APPTAINERENV_VIRTUAL_ENV": "/mine"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


# --- names of commands ---


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel], folder: Path) -> Site:
    """An installation of a wheel whose entry points have such names, with variables of the user's own."""
    files = {"hostile.py": "def main():\n    print('hostile')\n"}
    commands = dict.fromkeys([*ODD, *TAKEN], "hostile:main")
    hostile = make_wheel(folder, "hostile", files=files, commands=commands)
    site = make_site()
    done = site.eb(site.write("venv", [*layer, hostile], start_with="run"), env=USERS_OWN)
    assert done.returncode == 0, done.stdout
    return site


def test_a_name_is_never_code_and_none_replaces_what_others_need(place: Site) -> None:
    assert list(place.folder.rglob("pwned")) == []
    assert {path.name for path in (place.installation("venv") / "bin").iterdir()} == {
        "diagnose", "gpu-bind", "hello", "install-kernel", "list-packages", "make-squashfs", "pip", "pip3",
        "pip3.11", "python", "python-distributed", "python3", "start-shell", "torchrun-distributed", "unmake-squashfs",
    }  # fmt: skip


def test_the_module_works_beside_such_names(place: Site) -> None:
    script = "hello; start-shell -c 'hello in; cat'; type -P bash env; eb --version > /dev/null && echo eb"
    lines = ["hello []", "hello ['in']", "hostile", "/usr/bin/bash", "/usr/bin/env", "eb"]
    assert place.output("venv", script).splitlines() == lines


def test_a_command_that_replaces_the_python_of_the_environment_is_refused(
    site: Site, layer: list[Wheel], folder: Path
) -> None:
    hostile = make_wheel(folder, "snake", commands={"python3.11": "snake:main"})
    out = " ".join(site.refuse("venv", [*layer, hostile]).split())
    assert "brings a command named as the Python of the environment, and has replaced it: leave it out" in out


# --- a build ---

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# Makes a proper wheel, and writes what it could do besides into it.
BACKEND = """\
import os, pathlib, pwd, zipfile

MINE = pwd.getpwuid(os.getuid()).pw_dir
PLACES = ["/ebsif/wheels", "/ebsif/sources", "/user-software", MINE, {sources!r}, {home!r}]

def changed():
    for place in map(pathlib.Path, PLACES):
        for path in [place / "planted", *place.glob("*.whl"), *place.glob("*/*/bin/python")]:
            try:
                path.write_bytes(b"hostile")
            except OSError:
                continue
            yield str(path)

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    pathlib.Path("/tmp/{mark}").write_text("")
    text = repr((sorted(changed()), pathlib.Path("/proc/{pid}").exists()))
    info = "reaching-1.0.dist-info"
    name = "reaching-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("reaching.py", "FOUND = " + text)
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: reaching\\nVersion: 1.0\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""


def test_a_build_changes_nothing_but_what_it_makes(site: Site, layer: list[Wheel], folder: Path) -> None:
    mark = f"ebsif-mark-of-{folder.parent.name}"
    backend = BACKEND.format(sources=str(site.sources), home=site.settings["HOME"], mark=mark, pid=os.getpid())
    sdist = make_sdist(folder, "reaching", pyproject=PYPROJECT, files={"backend.py": backend})
    before = {path: path.read_bytes() for path in site.sources.iterdir()}
    site.install("venv", [*layer, Wheel("reaching", "1.0", sdist)])
    found = site.output("venv", "hello; python -c 'import reaching; print(reaching.FOUND)'").splitlines()
    assert found == ["hello []", "([], False)"]
    assert {path: path.read_bytes() for path in before} == before
    assert not (Path("/tmp") / mark).exists()
    assert not list(Path(site.settings["HOME"]).rglob("planted"))


def test_a_build_that_hangs_is_ended_with_all_that_it_has_started(
    site: Site, layer: list[Wheel], folder: Path
) -> None:
    hooks = site.folder / "hooks.py"
    hooks.write_text(
        "def start_hook(*args, **kwargs):\n"
        "    from easybuild.easyblocks.generic import sifpython\n"
        "    sifpython.BUILD_SECONDS = 3\n"
    )
    mark = f"{folder.parent.name}{os.getpid()}"
    backend = (
        "import subprocess\n\n\ndef build_wheel(*args):\n"
        f"    subprocess.run(['bash', '-c', 'exec -a {mark} tail -f /dev/null'])\n"
    )
    sdist = make_sdist(folder, "hanging", pyproject=PYPROJECT, files={"backend.py": backend})
    done = site.eb(site.write("venv", [*layer, Wheel("hanging", "1.0", sdist)]), "--hooks", hooks)
    assert done.returncode != 0
    reason = "Building hanging 1.0 in the container has not ended in 3 seconds. It said: "
    assert reason in " ".join(done.stdout.split())
    assert mark not in subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout


# --- files that change on the way ---


def eb_with_a_change(site: Site, easyconfig: Path, hook: str, path: Path) -> "subprocess.CompletedProcess[str]":
    """Run `eb`, while a file is replaced by another."""
    hooks = site.folder / "hooks.py"
    hooks.write_text(
        f"import os\n\n\ndef {hook}(*args, **kwargs):\n"
        f"    with open({str(path)!r} + '.new', 'wb') as new, open({str(path)!r}, 'rb') as old:\n"
        f"        new.write(old.read() + b'changed')\n"
        f"    os.rename(new.name, old.name)\n"
    )
    return site.eb(easyconfig, "--rebuild", "--hooks", hooks)


def test_a_wheel_that_changes_after_easybuild_has_verified_it(site: Site, layer: list[Wheel]) -> None:
    wheel = site.sources / layer[1].path.name
    done = eb_with_a_change(site, site.write("venv", layer), "pre_configure_hook", wheel)
    assert done.returncode != 0
    refusal = f"Checksum verification for {wheel} failed: the easyconfig says {layer[1].sha256}"
    assert refusal in " ".join(done.stdout.split())
    assert site.leftovers() == []


def with_image(site: Site, layer: list[Wheel], image_install: str) -> tuple[Path, str, Path]:
    """Return an image that nobody else has, its SHA256, and an easyconfig for it."""
    image = site.sources / "changing.sif"
    image.write_bytes(site.machine.bases["venv"].read_bytes())
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    changes = {"sources": [image.name], "checksums": [sha256], "image_install": image_install}
    return image, sha256, site.write("venv", layer, **changes)


def test_of_an_image_that_changes_what_was_verified_is_installed(site: Site, layer: list[Wheel]) -> None:
    image, sha256, easyconfig = with_image(site, layer, "copy")
    done = eb_with_a_change(site, easyconfig, "post_fetch_hook", image)
    assert done.returncode == 0, done.stdout
    installed = site.installation("venv") / image.name
    assert hashlib.sha256(installed.read_bytes()).hexdigest() == sha256
    assert hashlib.sha256(image.read_bytes()).hexdigest() != sha256


def test_an_image_that_changes_and_is_linked_is_refused(site: Site, layer: list[Wheel]) -> None:
    image, sha256, easyconfig = with_image(site, layer, "link")
    done = eb_with_a_change(site, easyconfig, "post_fetch_hook", image)
    assert done.returncode != 0
    refusal = f"the image {image} is no longer the one of the easyconfig: that says {sha256}"
    assert refusal in " ".join(done.stdout.split())
    assert site.leftovers() == []
