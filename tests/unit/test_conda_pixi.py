"""Environments that pixi has locked."""

from pathlib import Path

import pytest

from ebsif.lock.model import LockedFile
from ebsif.lock.pip import request as pip
from ebsif.lock.pip.git import Repository
from ebsif.lock.pip.source import Source
from ebsif.recipe import read_recipe
from tests.support.environments import ask, in_file, refuse
from tests.support.pixi import CHANNEL, SHA, SIX, WHEEL, package, pixi_lock
from tests.support.wheels import make_wheel

CUDA = "pixi_environment: cuda\n"


def lock(folder: Path, text: str, more: str = "") -> str:
    return in_file(folder, text, "pixi.lock") + more


def test_each_package_of_the_default_environment_is_that_very_file(tmp_path: Path) -> None:
    text = pixi_lock({"default": [package("tool"), package("data", f"{CHANNEL}/noarch")], "cuda": [package("other")]})
    asked = ask(tmp_path, lock(tmp_path, text))
    assert {pinned.file for pinned in asked.pinned} == {
        LockedFile("tool", "1.0", "tool-1.0-h1_0.conda", SHA, f"{CHANNEL}/linux-64"),
        LockedFile("data", "1.0", "data-1.0-h1_0.conda", SHA, f"{CHANNEL}/noarch"),
    }
    for pinned in asked.pinned:
        assert pinned.number
        assert text.splitlines()[pinned.number - 1].endswith(f"/{pinned.file.filename}")


def test_another_environment_is_taken_when_the_recipe_names_it(tmp_path: Path) -> None:
    text = pixi_lock({"default": [package("tool")], "cuda": [package("other")]})
    (pinned,) = ask(tmp_path, lock(tmp_path, text, CUDA)).pinned
    assert pinned.file.name == "other"


def test_what_comes_from_pypi_is_left_to_pip_with_version_and_sha256(tmp_path: Path) -> None:
    asked = ask(tmp_path, lock(tmp_path, pixi_lock()))
    wanted = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip)
    assert [(line.text, line.hashes) for line in wanted.requirements] == [("six==1.17.0", (f"sha256:{SHA}",))]


def test_a_wheel_of_another_place_keeps_its_address(tmp_path: Path) -> None:
    asked = ask(tmp_path, lock(tmp_path, pixi_lock(pypi=f"https://one.example/{SIX}")))
    (line,) = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip).requirements
    assert (line.text, line.hashes) == (f"six @ https://one.example/{SIX}", (f"sha256:{SHA}",))


def test_a_wheel_beside_the_lock_is_taken(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "six", "1.17.0")
    asked = ask(tmp_path, lock(tmp_path, pixi_lock(pypi=f"./{wheel.path.name}")))
    (line,) = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip).requirements
    assert (line.file, line.hashes) == (wheel.path, (f"sha256:{SHA}",))


def test_what_is_built_of_a_repository_is_taken(tmp_path: Path) -> None:
    asked = ask(tmp_path, lock(tmp_path, pixi_lock(pypi="git+https://g.example/o/six?subdirectory=a%2Fb&rev=main#abc")))
    (line,) = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip).requirements
    assert (line.name, line.source) == ("six", Source(Repository("https://g.example/o", "six", "abc", "a/b")))


def test_a_folder_beside_the_lock_is_built(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "setup.py").touch()
    asked = ask(tmp_path, lock(tmp_path, pixi_lock(pypi="./lib")))
    (line,) = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip).requirements
    assert line.local == tmp_path / "lib"


def test_without_a_base_nothing_is_chosen(tmp_path: Path) -> None:
    asked = ask(tmp_path, lock(tmp_path, pixi_lock()), platform=None)
    assert (asked.pinned, asked.pip) == ((), ())


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (pixi_lock(), CUDA, "pixi.lock: there is no environment 'cuda' in it; there are: default (`pixi_environment`)"),
        (pixi_lock(platforms=["osx-arm64"]), "", "pixi.lock: the lock is for osx-arm64, and the base is linux-64: add"),
        (pixi_lock({"default": [package("tool", sha256=None)]}), "", "tool-1.0-h1_0.conda has no SHA256"),
        (
            pixi_lock({"default": [package("tool", "https://me:word@x.example/c/linux-64")]}),
            "",
            "a URL must not hold a password",
        ),
        (pixi_lock(pypi="git+https://me:word@g.example/six#abc"), "", "the address of six must not hold a password"),
        (pixi_lock(pypi="./lib"), "", "there is no file or folder "),
        (pixi_lock(pypi=f"https://x.example/{SIX}", sha256=None), "", "six has no SHA256 in the lock"),
        ("version: 99\nenvironments: {}\npackages: []\n", "", "pixi.lock: not a lock of pixi: found newer lockfile"),
        ("version: 6\nenvironments: []\npackages: []\n", "", "pixi.lock: not a lock of pixi: "),
    ],
)
def test_what_cannot_be_taken_over_is_refused(tmp_path: Path, text: str, more: str, said: str) -> None:
    assert said in refuse(tmp_path, lock(tmp_path, text, more))


def test_the_name_of_an_environment_is_for_locks_of_pixi(tmp_path: Path) -> None:
    text = in_file(tmp_path, "channels: [x]\ndependencies: [a]\n") + CUDA
    said = refuse(tmp_path, text)
    assert said == "recipe.yml:6: environment.yml is no lock of pixi, whose environments have names"
    assert refuse(tmp_path, CUDA) == "recipe.yml:4: 'pixi_environment' belongs to a conda layer: write `layer: conda`"


def test_the_address_of_pypi_is_that_which_pixi_writes() -> None:
    assert f"- pypi: {WHEEL}\n" in pixi_lock()
