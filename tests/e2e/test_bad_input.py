"""What must not work is refused with a sentence that names the thing and the remedy, and leaves nothing behind."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_installation import make_source
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e

# SHA256 of an empty file.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_image_missing(site: Site, layer: list[Wheel]) -> None:
    out = site.refuse("venv", layer, sources=["nowhere.sif"], frozen_images=["/appl/frozen"])
    assert "The container image nowhere.sif is missing" in out
    assert "/appl/frozen" in out


def test_image_with_another_checksum(site: Site, layer: list[Wheel]) -> None:
    out = site.refuse("venv", layer, checksums=["0" * 64])
    assert "the easyconfig says " + "0" * 64 in out
    assert "Use the very image that the easyconfig was made for" in out


def test_file_that_is_no_image(site: Site, layer: list[Wheel]) -> None:
    (site.sources / "text.sif").write_text("This is not a container image, though it has more than 64 characters.")
    assert f"{site.sources}/text.sif is not a SIF image" in site.refuse("venv", layer, sources=["text.sif"])


def test_image_that_the_runtime_cannot_start(site: Site, layer: list[Wheel]) -> None:
    image = site.machine.bases["bare"].read_bytes()
    (site.sources / "cut.sif").write_bytes(image[:20000])
    assert f"cannot start the image {site.sources}/cut.sif" in site.refuse("venv", layer, sources=["cut.sif"])


def test_no_runtime_on_path(site: Site, layer: list[Wheel]) -> None:
    easyconfig = site.write("venv", layer)
    runtime = str(site.machine.runtime.parent)
    done = site.login(f'export PATH=$(echo ":$PATH:" | sed "s#:{runtime}:#:#g"); eb {easyconfig} --rebuild')
    assert done.returncode != 0
    assert "Neither apptainer nor singularity is on $PATH" in done.stdout + done.stderr
    assert site.leftovers() == []


@pytest.mark.parametrize("tag", ["cp39-cp39-manylinux2014_x86_64", "cp311-cp311-manylinux2014_aarch64"])
def test_wheel_for_another_python_or_platform(site: Site, pip_wheel: Wheel, wheelhouse: Path, tag: str) -> None:
    wheel = make_wheel(wheelhouse, "foreign", tag=tag)
    out = site.refuse("venv", [pip_wheel, wheel])
    assert "These wheels are not for Python 3.11" in out
    assert wheel.path.name in out


def test_wheel_with_a_wrong_checksum(site: Site, pip_wheel: Wheel, hello_wheel: Wheel) -> None:
    out = site.refuse("venv", [pip_wheel, hello_wheel.extension(checksums=["0" * 64])])
    assert f"Checksum verification for extension source {hello_wheel.path.name} failed" in out


def test_file_of_another_package(site: Site, pip_wheel: Wheel, hello_wheel: Wheel) -> None:
    name, _, options = hello_wheel.extension()
    out = site.refuse("venv", [pip_wheel, (name, "2.0", options)])
    assert "hello 2.0: the file hello-1.0-py3-none-any.whl belongs to another package or version" in out


def test_file_that_is_no_package(site: Site, pip_wheel: Wheel) -> None:
    (site.sources / "hello-1.0.rpm").write_bytes(b"")
    out = site.refuse("venv", [pip_wheel, ("hello", "1.0", {"sources": ["hello-1.0.rpm"], "checksums": [EMPTY]})])
    assert "hello: hello-1.0.rpm is not the name of a wheel or of a source package" in out


def test_source_package_that_cannot_be_unpacked(site: Site, pip_wheel: Wheel) -> None:
    (site.sources / "hello-1.0.tar.gz").write_bytes(b"")
    out = site.refuse("venv", [pip_wheel, ("hello", "1.0", {"sources": ["hello-1.0.tar.gz"], "checksums": [EMPTY]})])
    assert f"{site.sources}/hello-1.0.tar.gz cannot be unpacked" in out


def test_source_package_that_lacks_what_it_is_built_with(site: Site, pip_wheel: Wheel, tmp_path: Path) -> None:
    out = site.refuse("venv", [pip_wheel, make_source(tmp_path, "raw")])
    assert "Building raw 1.0 in the container failed" in out
    assert "No matching distribution found for setuptools>=61" in out


def test_layer_without_pip(site: Site, hello_wheel: Wheel) -> None:
    assert "exts_list must have pip" in site.refuse("venv", [hello_wheel])


def test_layer_with_a_package_of_the_base(site: Site, pip_wheel: Wheel, wheelhouse: Path) -> None:
    six = make_wheel(wheelhouse, "six", "9.0")
    out = site.refuse("venv", [pip_wheel, six])
    assert "six 9.0 is in exts_list, but the image has six 1.17.0" in out
    assert "allow_base_packages" in out


def test_layer_that_replaces_a_package_of_the_base_on_purpose(site: Site, pip_wheel: Wheel, wheelhouse: Path) -> None:
    six = make_wheel(wheelhouse, "six", "9.0")
    site.install("venv", [pip_wheel, six], allow_base_packages=["six"])
    assert site.output("venv", "python -c 'import six; print(six.VERSION)'") == "9.0\n"


def test_package_whose_dependency_is_missing(site: Site, pip_wheel: Wheel, wheelhouse: Path) -> None:
    lonely = make_wheel(wheelhouse, "lonely", requires=["nowhere-to-be-found>=3"])
    out = site.refuse("venv", [pip_wheel, lonely])
    assert "lonely 1.0 requires nowhere-to-be-found, which is not installed" in out


def test_base_without_python(site: Site, layer: list[Wheel]) -> None:
    out = site.refuse("bare", layer, base_python="/opt/venv/bin/python")
    assert "has no Python at /opt/venv/bin/python" in out


@pytest.mark.parametrize("verb", ["exec", "run"])
def test_command_that_exists_nowhere(site: Site, layer: list[Wheel], verb: str) -> None:
    out = site.refuse("venv", layer, commands=["python3", "no-such-command"], start_with=verb)
    assert "the command no-such-command is neither in the image nor in the layer" in out


def test_command_that_cannot_start(site: Site, pip_wheel: Wheel, wheelhouse: Path) -> None:
    files = {"broken.py": "", "broken-1.0.data/scripts/broken": "#!/no/such/interpreter\n"}
    out = site.refuse("venv", [pip_wheel, make_wheel(wheelhouse, "broken", files=files)])
    assert "the command broken does not start" in out


# Values are judged before EasyBuild has done anything: one version of it is enough.
@pytest.mark.parametrize("version", [easybuild.DEFAULT], indirect=True)
@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("binds", ["/srv\n/etc"], "is not one bind specification"),
        ("binds", ["/srv,/etc"], "is not one bind specification"),
        ("binds", ["relative"], "is not one bind specification"),
        ("commands", ["../bin/sh"], "is not the name of a command"),
        ("commands", ["a b"], "is not the name of a command"),
        ("host_env", {"A B": "x"}, "is not the name of an environment variable"),
        ("host_env", {"AB\n": "x"}, "is not the name of an environment variable"),
        ("container_env", {"A": "two\nlines"}, "is not a text without line breaks"),
        ("container_env", {"A": 1}, "is not a text without line breaks"),
        ("commands", ["ls\n"], "is not the name of a command"),
        ("commands", [1], "is not the name of a command"),
        ("activation_path", ["/opt/bin"], "without 'activation_env' both are found out"),
        ("build_packages", ["setuptools"], "'setuptools' is not in exts_list"),
        ("frozen_images", ["a/b"], "is not an absolute path"),
        ("image_install", "move", "is none of copy, link"),
        ("start_with", "shell", "is none of exec, run"),
        ("base_python", None, "give the absolute path of the image's Python"),
        ("base_python", "python3", "is not the absolute path of the image's Python"),
        ("venv_name", "../x", "is not a name for a venv"),
        ("exts_list", [("hello", "1.0")], "must be a name, a version, and a dictionary"),
        ("exts_list", [("hello", "1.0", {"sources": ["hello-1.0-py3-none-any.whl"]})], "has no checksum"),
        ("sources", [], "the first source must be the container image"),
        ("sources", ["../x.sif"], "is not the name of an image file"),
        ("easyblock", "SifContainer", "SifContainer adds no packages to the image"),
    ],
)
def test_value_that_cannot_work(site: Site, parameter: str, value: object, message: str) -> None:
    wheels = [("hello", "1.0", {"sources": ["hello-1.0-py3-none-any.whl"]})] if parameter == "easyblock" else []
    changes = {"activation_env": None} if parameter == "activation_path" else {}
    out = site.refuse("venv", wheels, **changes, **{parameter: value})
    blamed = "exts_list" if wheels else parameter
    assert f"Easyconfig parameter '{blamed}'" in out
    assert message in out


@pytest.mark.parametrize("name", ["with:colon", "with,comma"])
def test_installation_folder_that_cannot_be_bound(make_site: Callable[..., Site], name: str) -> None:
    site = make_site(name=name)
    assert "Choose another one with --prefix or --installpath" in site.refuse("venv")


def test_installation_folder_with_a_space_in_tcl(make_site: Callable[..., Site]) -> None:
    site = make_site(name="with space", tool="EnvironmentModules")
    assert "--module-syntax=Lua" in site.refuse("venv")


def test_installation_folder_with_a_space_in_lua(make_site: Callable[..., Site], layer: list[Wheel]) -> None:
    site = make_site(name="with space")
    site.install("venv", layer)
    assert site.output("venv", "hello 'a b'") == "hello ['a b']\n"


HOSTILE = """ both 'kinds' of "quotes", $HOME ${HOME} $(id) `id` [pwd] [[x]] {a } \\ \\n \\\\ end """


@pytest.mark.parametrize("tool", ["Lmod", "EnvironmentModules"])
def test_hostile_values_arrive_unchanged(make_site: Callable[..., Site], tool: str) -> None:
    site = make_site(tool=tool)
    site.install("venv", host_env={"HOSTILE_OUTSIDE": HOSTILE}, container_env={"HOSTILE_INSIDE": HOSTILE})
    program = "import os; print(repr(os.environ['HOSTILE_OUTSIDE']), repr(os.environ['HOSTILE_INSIDE']))"
    assert site.output("venv", f'python -c "{program}"') == f"{HOSTILE!r} {HOSTILE!r}\n"


def test_image_deleted_after_installation(site: Site, layer: list[Wheel]) -> None:
    frozen = site.folder / "frozen"
    frozen.mkdir()
    base = site.machine.bases["venv"]
    site.install("venv", layer, frozen_images=[str(frozen)])
    installed = site.installation("venv") / base.name
    installed.unlink()

    done = site.loaded("venv", "true")
    assert done.returncode == 99
    assert str(installed) in done.stderr
    assert str(frozen / base.name) in done.stderr

    os.link(base, frozen / base.name) if _same_device(base, frozen) else shutil.copy(base, frozen)
    assert site.output("venv", "echo $SIF; hello x") == f"{frozen / base.name}\nhello ['x']\n"


def test_module_can_be_made_although_the_image_is_gone(site: Site, layer: list[Wheel]) -> None:
    site.install("venv", layer)
    (site.installation("venv") / site.machine.bases["venv"].name).unlink()
    site.module_file("venv").unlink()
    done = site.eb(site.write("venv", layer), "--module-only")
    assert done.returncode == 0, done.stdout
    assert site.module_file("venv").exists()


def _same_device(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev
