"""What a recipe asks conda for: its environment, in the recipe or in a file, and what is said when it is wrong."""

import re
from pathlib import Path

import pytest

from ebsif.errors import InputError
from ebsif.lock.pip import request as pip
from ebsif.lock.pip.options import Options
from ebsif.recipe import read_recipe
from tests.support.environments import ask, in_file, inline, refuse

ENVIRONMENT = """\
name: mine
channels:
  - conda-forge
  - nodefaults
  - https://example.org/channel/
dependencies:
  - ffmpeg >=7
  - other::numpy=1.26
  - Python
  - pip:
      - some-wheel>=2
      - -r more.txt
prefix: /home/me/mine
variables:
  ANSWER: 42
"""
LIST = "channels: [x]\ndependencies:\n- a\n"


@pytest.mark.parametrize("how", ["file", "inline"])
def test_an_environment_is_read_as_conda_users_write_it(tmp_path: Path, how: str) -> None:
    asked = ask(tmp_path, in_file(tmp_path, ENVIRONMENT) if how == "file" else inline(ENVIRONMENT))
    assert [spec.text for spec in asked.specs] == ["ffmpeg >=7", "other::numpy=1.26", "Python"]
    assert asked.names == ["ffmpeg", "numpy", "python"]
    assert asked.channels == ("conda-forge", "https://example.org/channel", "other")
    assert [entry.text for entry in asked.pip] == ["some-wheel>=2", "-r more.txt"]
    assert asked.variables == {"ANSWER": "42"}


def test_each_package_knows_its_line(tmp_path: Path) -> None:
    asked = ask(tmp_path, in_file(tmp_path, ENVIRONMENT))
    assert [(spec.path.name, spec.number) for spec in asked.specs] == [("environment.yml", n) for n in (7, 8, 9)]
    assert [entry.number for entry in asked.pip] == [11, 12]
    assert [spec.number for spec in ask(tmp_path, inline(ENVIRONMENT)).specs] == [12, 13, 14]


@pytest.mark.parametrize("more", ["platforms: [linux-64, osx-64]", "category: dev", "- pip:", "- pip: []"])
def test_what_changes_nothing_is_passed_over(tmp_path: Path, more: str) -> None:
    asked = ask(tmp_path, in_file(tmp_path, f"{LIST}{more}\n"))
    assert (asked.names, asked.pip) == (["a"], ())


@pytest.mark.parametrize("spec", ["own::a", "own/linux-64::a", "own:space:a", "a[channel=own]", 'a >=1[channel="own"]'])
def test_the_channel_of_a_package_is_one_of_the_environment(tmp_path: Path, spec: str) -> None:
    assert ask(tmp_path, inline(f"dependencies:\n- '{spec}'\n")).channels == ("own",)


@pytest.mark.parametrize(("one", "other"), [("numpy=1.26", "numpy 1.26.*"), ("a>=1,<2", "A  >=1,<2")])
def test_ways_to_write_the_same_are_the_same(tmp_path: Path, one: str, other: str) -> None:
    asked = [ask(tmp_path, inline(f"channels: [x]\ndependencies: ['{text}']")) for text in (one, other)]
    assert asked[0].specs[0].canonical == asked[1].specs[0].canonical


def test_a_package_that_is_named_twice_is_asked_for_once(tmp_path: Path) -> None:
    asked = ask(tmp_path, in_file(tmp_path, LIST + "- b=1\n- a\n- b 1.*\n- b=1=h0\n"))
    assert [spec.text for spec in asked.specs] == ["a", "b=1", "b=1=h0"]
    place = tmp_path / "environment.yml"
    assert asked.ignored == {
        f"a ({place}:5)": f"it is asked for already ({place}:3)",
        f"b 1.* ({place}:6)": f"it is asked for already ({place}:4)",
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_windows_has_written_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "e.yml").write_bytes(ENVIRONMENT.replace("\n", "\r\n").encode(encoding))
    asked = ask(tmp_path, "layer: conda\nenvironment: e.yml\n")
    assert asked.names == ["ffmpeg", "numpy", "python"]
    assert [entry.text for entry in asked.pip] == ["some-wheel>=2", "-r more.txt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer: conda\n", "recipe.yml:4: a conda layer needs an environment: write `environment: environment.yml`"),
        ("environment: environment.yml\n", "recipe.yml:4: 'environment' belongs to a conda layer: write `layer:"),
        ("layer: venv\nstack: true\n", "recipe.yml:5: 'stack' belongs to a conda layer"),
        ("conda_name: x\n", "recipe.yml:4: 'conda_name' belongs to a conda layer"),
        ("layer: none\nvirtual_packages: {__cuda: 12}\n", "recipe.yml:5: 'virtual_packages' belongs to a conda layer"),
        ("layer: conda\nenvironment: no.yml\n", "recipe.yml:5: there is no file no.yml"),
        ("layer: conda\nenvironment: x\nvenv_name: x\n", "recipe.yml:6: a conda layer has no venv: write `conda_name`"),
        ("layer: conda\nenvironment: [a]\n", "recipe.yml:5: environment: input should be a valid string"),
        ("layer: conda\nenvironment: x\nconda_name: a/b\n", "recipe.yml:6: conda_name: 'a/b' is not a name"),
    ],
)
def test_what_does_not_go_together_in_a_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert refuse(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channels: [x]\n", "1: the environment names no package: list them in `dependencies`"),
        ("channels: [x]\ndependencies: []\n", "2: the environment names no package"),
        ("dependencies: [a]\n", "1: the environment names no channel: list them in `channels`"),
        ("dependencies: [a]\nchannels: [nodefaults]\n", "1: the environment names no channel"),
        ("chanels: [x]\ndependencies: [a]\n", "1: unknown key 'chanels': did you mean 'channels'?"),
        (LIST + "- pip: [b]\n  pips: [c]\n", "5: unknown key 'dependencies.1.pips': did you mean 'pip'?"),
        (LIST + "- pip: b\n", "4: dependencies.1.pip: this must be a list, with each item behind"),
        (LIST + "- python: 3.10\n", "4: dependencies.1: a package and its version are one text: write `python"),
        (LIST + "- sel(linux): x\n", "4: dependencies.1: 'sel(linux)' is a selector, and none is read: write out"),
        (LIST + "- npm: [x]\n", "4: dependencies.1: 'npm' is no section that can be read: beside packages of conda"),
        (LIST + "- -e .\n", "4: dependencies.1: this is no package of conda: what pip installs stands in"),
        (LIST + "- git+https://x/y\n", "4: dependencies.1: this is no package of conda: what pip installs stands in a"),
        (LIST + "- a {{ x }}\n", "4: 'a {{ x }}' is not a package of conda, as in 'ffmpeg >=7': templates are"),
        ("name: {{ x }}\n" + LIST, "1: a key must be text, and templates such as {{ x }} are not read"),
        ("channels: [x]\ndependencies:\n- pip: [six]\n", "2: packages of pip need a Python: add python to"),
        ("channels: x\ndependencies: [a]\n", "1: channels: this must be a list"),
        ("# platform: linux-64\na=1=b\nc-d=1.0=h_0\n", "2: this is a list by `conda list --export`: `conda env"),
        (LIST + "- b >>1\n", "4: 'b >>1' is not a package of conda, as in 'ffmpeg >=7'"),
        (LIST + "- a 1 b c\n", "4: 'a 1 b c' is not a package of conda"),
        (LIST + "- a*\n", "4: 'a*' is not a package of conda"),
        (LIST + "- https://x/a-1-0.conda\n", "4: dependencies.1: 'https://x/a-1-0.conda' names a file"),
        ("channels: [x]\ndependencies: a\n", "2: dependencies: this must be a list"),
        ("dependencies: [a]\nchannels:\n- defaults\n", "3: channels.0: 'defaults' stands for several channels"),
        ("dependencies: [a]\nchannels: [local]\n", "2: channels.0: 'local' stands for a folder of whoever builds"),
        ("dependencies: ['defaults::a']\n", "1: dependencies.0: 'defaults' stands for several channels"),
        ("dependencies: ['a[channel=local]']\n", "1: dependencies.0: 'local' stands for a folder"),
        ("dependencies: [a]\nchannels: [../x]\n", "2: channels.0: '../x' is not a channel: a name such as conda-forge"),
        ("dependencies: [a]\nchannels: ['ftp://x/y']\n", "2: channels.0: 'ftp://x/y' is not a channel"),
        ("dependencies: [a]\nchannels: ['https://me:secret@x/y']\n", "2: channels.0: a channel must not hold a"),
        ("dependencies: [a]\nchannels: ['https://x/t/to-ken/y']\n", "2: channels.0: a channel must not hold a"),
        ("channels: [x]\ndependencies: [a]\nvariables: {A: yes}\n", "3: variables.A: this must be text: put it in"),
        (LIST + "- pip:\n  - --no-binary :all:\n", "5: dependencies.1.pip.0: this must be text: put it in quotes"),
        ("channels: [x]\ndependencies: [a]\nvariables: {A B: c}\n", "3: variables.A B: 'A B' is not the name of an"),
        ("channels: [x]\ndependencies: [a]\nvariables: {PATH: /x}\n", "3: variables.PATH: 'PATH' is not a variable to"),
        ("channels: &x [x]\ndependencies: [a]\n", "1: anchors and aliases"),
        ("channels: [x]\ndependencies: [a]\nchannels: [y]\n", "3: the key 'channels' is there twice"),
        ("- a\n", "1: the file must hold keys with values"),
        ("", "1: the file must hold keys with values"),
    ],
)
def test_what_is_wrong_in_an_environment_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert refuse(tmp_path, in_file(tmp_path, text)).startswith(f"environment.yml:{message}")


def test_what_is_wrong_in_the_recipes_own_environment_is_named_with_its_line(tmp_path: Path) -> None:
    said = refuse(tmp_path, inline("channels: [x]\ndependencys: [a]\n"))
    assert said == "recipe.yml:7: unknown key 'environment.dependencys': did you mean 'dependencies'?"


@pytest.mark.parametrize("value", ["cuda: 12", "__glibc: 3", "__unix: 1", "__cuda: 'a b'", "__cuda: ''"])
def test_virtual_packages_are_such_and_not_those_of_the_base(tmp_path: Path, value: str) -> None:
    said = refuse(tmp_path, f"layer: conda\nenvironment: x\nvirtual_packages:\n  {value}\n")
    assert said.startswith("recipe.yml:7: virtual_packages.")


def test_what_is_not_taken_of_an_exported_environment_is_told(tmp_path: Path) -> None:
    asked = ask(tmp_path, in_file(tmp_path, LIST + "name: mine\nprefix: /home/me/envs/mine\n"))
    assert asked.ignored == {
        "`name`": "the recipe's `conda_name` counts",
        "`prefix`": "the environment is in the layer, not where it was exported from",
    }
    assert ask(tmp_path, in_file(tmp_path, LIST)).ignored == {}


SECTION = """\
- pip:
  - --index-url https://one.example/simple
  - --extra-index-url=https://two.example/simple
  - --find-links https://three.example/wheels
  - --pre
  - b
  - -c c.txt
"""


def test_the_pip_section_is_read_as_a_requirements_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("d<2\n")
    asked = ask(tmp_path, in_file(tmp_path, LIST + SECTION))
    wanted = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip)
    assert wanted.options == Options(
        "https://one.example/simple", ("https://two.example/simple",), ("https://three.example/wheels",), pre=True
    )
    assert (wanted.names, [line.text for line in wanted.constraints]) == (("b",), ["d<2"])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--no-index", "--no-index cannot be locked: leave it out"),
        ("--extra-index-url https://user:word@x.example/", "the address of a package index must not hold a password"),
        ("-f ./wheels", "--find-links ./wheels is a folder of this machine"),
    ],
)
def test_an_option_of_the_pip_section_that_cannot_be_locked_is_refused(tmp_path: Path, option: str, said: str) -> None:
    asked = ask(tmp_path, in_file(tmp_path, LIST + f"- pip:\n  - b\n  - {option}\n"))
    with pytest.raises(InputError, match=rf"environment\.yml:6: {re.escape(said)}"):
        pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip)


def test_the_pip_section_is_added_to_what_the_recipe_asks_pip_for(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "more.txt").write_text("more\n")
    text = in_file(tmp_path, ENVIRONMENT, "env/environment.yml") + "packages: [own]\n"
    asked = ask(tmp_path, text)
    wanted = pip.request(*read_recipe(tmp_path / "recipe.yml"), asked.pip)
    assert wanted.names == ("some-wheel", "more", "own")
