"""What a recipe asks for by a ``pyproject.toml``."""

from pathlib import Path

import pytest

from ebsif.errors import InputError
from ebsif.lock.pip.request import PipRequest, request
from ebsif.lock.pip.tree import Tree
from ebsif.recipe import read_recipe
from tests.support.wheels import make_wheel

HEAD = "name: Demo\nversion: 1.0\nbase: x.sif\n"
HELPER = '[project]\nname = "x"\ndependencies = ["helper"]\n'


def ask(folder: Path, text: str, more: str = "pyproject: {}\n") -> PipRequest:
    (folder / "pyproject.toml").write_text(text)
    (folder / "recipe.yml").write_text(HEAD + more)
    return request(*read_recipe(folder / "recipe.yml"))


def refused(folder: Path, text: str, more: str = "pyproject: {}\n") -> str:
    with pytest.raises(InputError) as caught:
        ask(folder, text, more)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "beside", "said"),
    [
        (
            '[tool.poetry.dependencies]\ncolorama = "^0.4"\n',
            "setup.py",
            "pyproject.toml:1: the dependencies stand in [tool.poetry.dependencies], which only poetry reads: ",
        ),
        ('[project]\nname = "x"\n[tool.pixi.dependencies]\nsix = "*"\n', "", "pyproject.toml:3: the dependencies "),
        (
            "[tool.black]\n",
            "setup.py",
            "pyproject.toml: there are no `dependencies` in [project], and there is setup.py beside it: write ",
        ),
        ("[tool.black]\n", "", "pyproject.toml: there are no `dependencies` in [project], so that nothing would be"),
        (
            '[project]\nname = "x"\n[dependency-groups]\ntest = ["six"]\n',
            "",
            "or ask for its groups (test) in the recipe",
        ),
    ],
)
def test_a_project_without_dependencies_gives_no_empty_layer(tmp_path: Path, text: str, beside: str, said: str) -> None:
    if beside:
        (tmp_path / beside).write_text("")
    assert said in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("more", "text"),
    [("pyproject: {}\n", '[project]\nname = "x"\ndependencies = []\n'), ("requirements: [r.txt]\n", "")],
)
def test_nothing_at_all_gives_no_empty_layer(tmp_path: Path, more: str, text: str) -> None:
    (tmp_path / "r.txt").write_text("# later\n")
    assert refused(tmp_path, text, more).startswith("recipe.yml:4: no package is named there: to get a layer that you")


def test_a_group_is_enough_for_a_project_without_dependencies(tmp_path: Path) -> None:
    wanted = ask(tmp_path, '[dependency-groups]\ntest = ["six"]\n', "pyproject: {groups: [test]}\n")
    assert wanted.names == ("six",)


def test_the_python_that_a_project_needs_must_be_there(tmp_path: Path) -> None:
    wanted = ask(tmp_path, f'{HELPER}requires-python = ">=3.12"\n')
    with pytest.raises(InputError) as caught:
        wanted.check_python("3.11.4", "the base")
    assert str(caught.value).endswith("pyproject.toml:4: the project needs Python >=3.12, and the base has 3.11.4")
    wanted.check_python("3.12.0", "the base")
    wanted.check_python("3.13.0rc1", "the base")
    assert "pyproject.toml:4: requires-python: '3.12 or so' is not a range" in refused(
        tmp_path, f'{HELPER}requires-python = "3.12 or so"\n'
    )


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            '[tool.uv.sources]\nhelper = {git = "https://me:secret@example.org/helper"}\n',
            "pyproject.toml:5: the address of helper must not hold a password",
        ),
        (
            "[tool.uv.sources]\nhelper = [{workspace = true}]\n",
            "pyproject.toml:5: helper comes from the workspace, which has no member of that name",
        ),
        (
            '[tool.uv.sources]\nhelper = {path = "../helper", editable = true}\n',
            "pyproject.toml:5: there is no file or folder ../helper, where helper comes from",
        ),
        (
            '[[tool.uv.index]]\nname = "own"\nurl = "https://example.org/own/"\nexplicit = true\n'
            '[tool.uv.sources]\nhelper = {index = "own"}\n',
            "pyproject.toml:9: helper comes from index 'own' ([tool.uv.sources]), not any index: add the address of "
            "that index to `extra_indexes` (https://example.org/own)",
        ),
        (
            '[tool.poetry.dependencies]\nhelper = {version = "1", path = "../helper"}\n',
            "pyproject.toml:5: there is no file or folder ../helper, where helper comes from",
        ),
        (
            '[[tool.poetry.source]]\nname = "own"\nurl = "https://example.org/own"\n',
            "pyproject.toml:6: packages may come from the index https://example.org/own, too: add it to `extra_in",
        ),
    ],
)
def test_what_does_not_come_from_an_index_of_the_recipe_is_refused(tmp_path: Path, tables: str, said: str) -> None:
    found = refused(tmp_path, HELPER + tables)
    assert said in found
    assert "secret" not in found


@pytest.mark.parametrize(
    ("tables", "texts"),
    [
        (
            '[tool.uv.sources]\nHelper = {url = "https://example.org/helper-1.0-py3-none-any.whl"}\n',
            ["helper @ https://example.org/helper-1.0-py3-none-any.whl"],
        ),
        (
            '[tool.uv.sources]\nhelper = {git = "https://example.org/o/x", tag = "v1", subdirectory = "py"}\n',
            ["helper @ git+https://example.org/o/x@v1#subdirectory=py"],
        ),
        (
            '[tool.poetry.dependencies]\nhelper = {git = "git@example.org:o/x.git", branch = "main"}\n',
            ["helper @ git+ssh://git@example.org/o/x.git@main"],
        ),
        (
            "[tool.uv.sources]\nhelper = [{path = 'lib', marker = \"sys_platform == 'linux'\"}]\n",
            ["helper @ lib ; sys_platform == \"linux\""],
        ),
        ('[tool.poetry.dependencies]\nhelper = {path = "lib", develop = true}\n', ["helper @ lib"]),
    ],
)
def test_what_a_tool_takes_from_elsewhere_is_taken_from_there(tmp_path: Path, tables: str, texts: list[str]) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "setup.py").write_text("")
    wanted = ask(tmp_path, HELPER + tables)
    assert [line.text for line in wanted.requirements] == ["helper", *texts]


def test_versions_and_extras_of_a_project_count_wherever_its_packages_come_from(tmp_path: Path) -> None:
    text = '[project]\ndependencies = ["helper[b,a]>=2 ; python_version > \'3\'"]\n'
    wanted = ask(tmp_path, text + '[tool.uv.sources]\nhelper = {git = "https://example.org/o/x"}\n')
    assert [line.text for line in wanted.requirements] == [
        'helper[a,b]>=2; python_version > "3"',
        'helper[a,b] @ git+https://example.org/o/x ; python_version > "3"',
    ]


def test_members_of_a_workspace_are_found_by_name(tmp_path: Path) -> None:
    text = '[tool.uv.workspace]\nmembers = ["packages/*"]\n[tool.uv.sources]\nhelper = {workspace = true}\n'
    (tmp_path / "pyproject.toml").write_text(text)
    for name in ("helper", "mine"):
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    mine = tmp_path / "packages" / "mine"
    for table in ("", "[tool.uv.sources]\nhelper = {workspace = true}\n"):
        # The sources of a workspace are those of each member.
        _, line = ask(mine, HELPER + table).requirements
        assert line.source
        assert line.source.origin == Tree(tmp_path / "packages" / "helper", mine / "recipe.yml")
        assert line.text == "helper @ helper"


@pytest.mark.parametrize(
    ("tables", "more"),
    [
        ('[tool.uv.sources]\nother = {git = "https://example.org/other"}\n', ""),
        ('[tool.uv.sources]\nhelper = {git = "https://example.org/x"}\n', "packages: [./helper-1.0-py3-none-any.whl]"),
        (
            '[[tool.uv.index]]\nname = "own"\nurl = "https://example.org/own/"\n'
            '[tool.uv.sources]\nhelper = {index = "own"}\n',
            "extra_indexes: ['https://example.org/own']",
        ),
    ],
)
def test_a_source_that_the_recipe_names_too_is_in_order(tmp_path: Path, tables: str, more: str) -> None:
    make_wheel(tmp_path, "helper")
    assert "helper" in ask(tmp_path, HELPER + tables, f"pyproject: {{}}\n{more}\n").names


@pytest.mark.parametrize(
    "text",
    [
        "project = [1]",
        '[project]\ndependencies = "numpy"',
        "[project]\ndependencies = [1]",
        '[project]\ndependencies = ["six"]\n[tool]\nuv = 1',
        '[project]\ndependencies = ["six"]\n[tool.uv]\nindex = "x"',
    ],
)
def test_a_value_of_another_kind_is_named(tmp_path: Path, text: str) -> None:
    assert " must be a " in refused(tmp_path, text)
