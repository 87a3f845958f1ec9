"""What a recipe asks for: packages, requirements files and ``pyproject.toml``, as pip reads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ebsif.errors import InputError
from ebsif.lock.pip.git import Repository
from ebsif.lock.pip.request import PipRequest, request
from ebsif.lock.pip.source import Archive, Source
from ebsif.lock.pip.tree import Tree
from ebsif.recipe import read_recipe
from tests.support.wheels import make_wheel

Ask = Callable[..., PipRequest]
HEAD = "name: Demo\nversion: 1.0\nbase: x.sif\n"
SHA = "a" * 64


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Return what a recipe with more lines asks for, beside files with the texts given."""

    def ask(lines: str, **files: str) -> PipRequest:
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        (tmp_path / "recipe.yml").write_text(HEAD + lines)
        return request(*read_recipe(tmp_path / "recipe.yml"))

    return ask


def texts(wanted: PipRequest) -> list[str]:
    return [line.text for line in wanted.requirements]


def error(ask: Ask, lines: str, **files: str) -> str:
    with pytest.raises(InputError) as caught:
        ask(lines, **files)
    return str(caught.value)


def test_packages_of_the_recipe_have_its_lines(ask: Ask) -> None:
    wanted = ask("packages:\n- numpy>=2\n- six[a,b]==1.0; python_version > '3'\n")
    assert [(line.name, line.number) for line in wanted.requirements] == [("numpy", 5), ("six", 6)]
    assert texts(wanted) == ["numpy>=2", 'six[a,b]==1.0; python_version > "3"']


def test_comments_and_continued_lines_are_read_as_pip_does(ask: Ask) -> None:
    wanted = ask("requirements: [r.txt]", r_txt="# all\nnumpy \\\n  >=2  # why\n\nsix\n")
    assert [(line.text, line.number) for line in wanted.requirements] == [("numpy>=2", 2), ("six", 5)]


def test_a_marker_of_a_requirements_file_is_kept(ask: Ask) -> None:
    (line,) = ask("requirements: [r.txt]", r_txt='six[a] >= 1 ; python_version < "3"\n').requirements
    assert line.text.replace(" ", "") == 'six[a]>=1;python_version<"3"'


def test_files_include_others_and_constraints(ask: Ask) -> None:
    wanted = ask("requirements: [r.txt]", r_txt="-r more.txt\n-c c.txt\n", more_txt="six\n", c_txt="numpy<2\n")
    assert texts(wanted) == ["six"]
    assert [(line.text, line.path.name, line.number) for line in wanted.constraints] == [("numpy<2", "c.txt", 1)]


def test_constraints_of_the_recipe_are_no_requirements(ask: Ask) -> None:
    wanted = ask("packages: [six]\nconstraints: [c.txt]", c_txt="numpy<2\n")
    assert (texts(wanted), [line.text for line in wanted.constraints]) == (["six"], ["numpy<2"])


def test_hashes_are_kept(ask: Ask) -> None:
    wanted = ask("requirements: [r.txt]", r_txt=f"six==1.0 --hash=sha256:{SHA} \\\n --hash=sha256:{'b' * 64}\n")
    assert wanted.requirements[0].hashes == (f"sha256:{SHA}", f"sha256:{'b' * 64}")


def test_indexes_of_files_and_recipe_add_up(ask: Ask) -> None:
    text = "--index-url https://one.example/simple\n--extra-index-url https://two.example/simple\nsix\n"
    wanted = ask("requirements: [r.txt]\nextra_indexes: ['https://three.example/simple']", r_txt=text)
    assert wanted.options.index == "https://one.example/simple"
    assert wanted.options.extra_indexes == ("https://three.example/simple", "https://two.example/simple")


def test_pages_of_links_and_pre_releases_are_taken_over(ask: Ask) -> None:
    wanted = ask("requirements: [r.txt]", r_txt="--pre\n-f https://one.example/wheels.html\nsix\n").options
    assert (wanted.links, wanted.pre) == (("https://one.example/wheels.html",), True)
    assert wanted.words() == ["--find-links", "https://one.example/wheels.html", "--pre"]


def test_without_such_options_a_lock_stays_as_it_was(ask: Ask) -> None:
    assert ask("packages: [six]").inputs().keys() == {
        "requirements",
        "constraints",
        "index",
        "extra_indexes",
        "allow_source",
    }


@pytest.mark.parametrize("text", ["--pre", "-r more.txt", "'# six'"])
def test_packages_of_the_recipe_are_packages(ask: Ask, text: str) -> None:
    assert "is not a package: options of pip belong into a requirements file" in error(ask, f"packages: [{text}]")


@pytest.mark.parametrize(
    "url", ["https://example.org/x/six-1.0-py3-none-any.whl", "six @ https://example.org/six-1.0-py3-none-any.whl"]
)
def test_a_wheel_may_be_named_by_its_url(ask: Ask, url: str) -> None:
    (line,) = ask("requirements: [r.txt]", r_txt=f"{url}\n").requirements
    assert (line.name, line.text.endswith(url.rpartition(" ")[2])) == ("six", True)


@pytest.mark.parametrize("form", ["./w/hello-1.0-py3-none-any.whl", "w/hello-1.0-py3-none-any.whl"])
def test_a_local_wheel_is_relative_to_the_file_that_names_it(ask: Ask, tmp_path: Path, form: str) -> None:
    (tmp_path / "sub" / "w").mkdir(parents=True)
    wheel = make_wheel(tmp_path / "sub" / "w", "hello")
    (tmp_path / "sub" / "r.txt").write_text(f"{form}\n")
    (line,) = ask("requirements: [sub/r.txt]").requirements
    assert (line.name, line.text, line.file and line.file.resolve()) == (
        "hello",
        f"hello @ {wheel.path.name}",
        wheel.path,
    )


def test_a_local_wheel_keeps_extras_and_marker(ask: Ask, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "hello")
    (line,) = ask("requirements: [r.txt]", r_txt=f'./{wheel.path.name}[a] ; python_version > "3"\n').requirements
    assert line.text == f'hello[a] @ {wheel.path.name} ; python_version > "3"'


@pytest.mark.parametrize("form", ["{}", "hello @ {}", "hello[a] @ {}", "{}#sha256=" + SHA])
def test_the_address_of_a_local_wheel_is_decoded(ask: Ask, tmp_path: Path, form: str) -> None:
    (tmp_path / "has space").mkdir()
    wheel = make_wheel(tmp_path / "has space", "hello")
    text = form.format(wheel.path.as_uri())
    in_file, in_recipe = ask("requirements: [r.txt]", r_txt=text), ask(f"packages: ['{text}']")
    for wanted in (in_file, in_recipe):
        assert [line.file for line in wanted.requirements] == [wheel.path]
        assert wanted.requirements[0].hashes == ((f"sha256:{SHA}",) if "#" in text else ())


def test_hashes_may_stand_in_the_recipe(ask: Ask) -> None:
    (line,) = ask(f"packages: ['six==1.0 --hash=sha256:{SHA}']").requirements
    assert (line.text, line.hashes) == ("six==1.0", (f"sha256:{SHA}",))


def test_a_local_wheel_may_stand_in_the_recipe(ask: Ask, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "my-hello")
    assert ask(f"packages: [./{wheel.path.name}]").names == ("my-hello",)


def source(wanted: PipRequest) -> Source | None:
    (line,) = wanted.requirements
    return line.source


@pytest.mark.parametrize(
    ("text", "name", "extras", "marker"),
    [
        ("hello[b,a] @ {} ; python_version > '3'", "hello", ("a", "b"), 'python_version > "3"'),
        ("{}", None, (), ""),
        ("-e {}#egg=hello[a]", "hello", ("a",), ""),
    ],
)
@pytest.mark.parametrize("place", ["requirements", "packages"])
def test_a_repository_may_be_named_in_each_way_of_pip(
    ask: Ask, place: str, text: str, name: str | None, extras: tuple[str, ...], marker: str
) -> None:
    written = text.format("git+https://example.org/o/x.git@v1")
    lines = {"requirements": "requirements: [r.txt]", "packages": f'packages: ["{written}"]'}
    wanted = ask(lines[place], r_txt=written)
    assert wanted.requirements[0].name == name
    assert source(wanted) == Source(Repository("https://example.org/o", "x", "v1"), extras, marker)


@pytest.mark.parametrize(
    ("text", "archive"),
    [
        ("https://example.org/x/archive/v1.0.tar.gz", Archive("https://example.org/x/archive/v1.0.tar.gz")),
        (
            "hello @ https://example.org/x/archive/v1.0.zip#subdirectory=py",
            Archive("https://example.org/x/archive/v1.0.zip", "py"),
        ),
    ],
)
def test_an_archive_may_be_named_by_its_address(ask: Ask, text: str, archive: Archive) -> None:
    assert source(ask("requirements: [r.txt]", r_txt=text)) == Source(archive)


@pytest.mark.parametrize("form", [".", "-e .", "../mine", "{uri}", "hello @ {uri}", "-e file://{path}"])
def test_a_folder_may_be_named_in_each_way_of_pip(ask: Ask, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "hello"\n')
    (folder / "r.txt").write_text(form.format(uri=folder.as_uri(), path=folder))
    wanted = ask("requirements: [mine/r.txt]")
    found = source(wanted)
    assert found
    assert isinstance(found.origin, Tree)
    assert (found.origin.folder.resolve(), wanted.names) == (folder, ("hello",))


def test_a_folder_is_compared_by_what_is_in_it(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("1")
    first = ask("packages: ['.[a]']").inputs()
    assert ask("packages: ['.[a]']\nbinds: [/scratch]").inputs() == first
    (tmp_path / "setup.py").write_text("2")
    assert ask("packages: ['.[a]']").inputs() != first


PYPROJECT = """
[project]
name = "x"
dependencies = ["numpy>=2"]
[project.optional-dependencies]
Plot_All = ["matplotlib"]
[dependency-groups]
test = ["pytest", {include-group = "Base"}]
base = ["six"]
"""


def test_of_a_project_its_dependencies_and_what_is_asked_for_count(ask: Ask) -> None:
    wanted = ask("pyproject: {extras: [plot-all], groups: [test]}", pyproject_toml=PYPROJECT)
    assert texts(wanted) == ["numpy>=2", "matplotlib", "pytest", "six"]
    assert [line.number for line in wanted.requirements] == [4, 6, 8, 9]


def test_extras_of_the_project_itself_are_not_looked_for_on_an_index(ask: Ask) -> None:
    text = """\
[project]
name = "My_Project"
dependencies = ["numpy"]
[project.optional-dependencies]
all = ["my-project[plot,all]", "six"]
plot = ["matplotlib"]
[dependency-groups]
dev = ["My.Project[Plot]", "pytest"]
"""
    wanted = ask("pyproject: {extras: [all], groups: [dev]}", pyproject_toml=text)
    assert sorted(texts(wanted)) == ["matplotlib", "numpy", "pytest", "six"]
    marked = text.replace('plot,all]"', "plot]; python_version > '3'\"")
    assert "pyproject.toml:5: " in error(ask, "pyproject: {extras: [all]}", pyproject_toml=marked)
    unknown = text.replace("plot,all", "nope")
    assert "there is no extra 'nope'" in error(ask, "pyproject: {extras: [all]}", pyproject_toml=unknown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("six\nfoo[bar\n", "r.txt:2: pip cannot read 'foo[bar'"),
        ("six\n--unknown\n", "r.txt:2: "),
        ("-e .\n", "r.txt:1: there is no Python project in "),
        (".\n", "r.txt:1: there is no Python project in "),
        ("six\n./lib\n", "r.txt:2: there is no file or folder "),
        ("hg+https://example.org/x\n", "r.txt:1: a package comes from a repository of hg, and EasyBuild makes source"),
        ("foo @ svn+https://example.org/x\n", "r.txt:1: foo comes from a repository of svn"),
        ("foo @ git+https://me:word@example.org/x.git\n", "r.txt:1: the address of foo must not hold a password"),
        ("foo @ git+ssh://me:word@example.org/x.git\n", "r.txt:1: the address of foo must not hold a password"),
        ("git+https://example.org/$(id)/x.git\n", "r.txt:1: EasyBuild cannot clone https://example.org/$(id)/x.git"),
        ("git+ssh://git@example.org:o/x.git\n", "r.txt:1: EasyBuild cannot clone ssh://git@example.org:o/x.git"),
        ("git+https://example.org/o/x.git#subdirectory=../..\n", "r.txt:1: '../..' is not the path of a folder"),
        ("-r r.txt\n", "the file includes itself"),
        (
            "six\n-r https://example.org/r.txt\n",
            "r.txt:2: https://example.org/r.txt is an address: download the file, and name that",
        ),
        (
            "six\ncertifi @ file:///croot/certifi_1/work/certifi\n",
            "r.txt:2: file:///croot/certifi_1/work/certifi is where somebody has built certifi, as packages of conda "
            "say, and is not there: write certifi==VERSION; `pip list --format=freeze` lists all so",
        ),
        ("six=1.17.0=py311_0\n", "r.txt:1: pip cannot read 'six=1.17.0=py311_0': it is a list of conda packages: "),
        ("six\n--find-links x\n", "r.txt:2: --find-links x is a folder of this machine: name each wheel by its path"),
        ("six\n-f https://user:word@x.example/", "r.txt:2: the address of a package index must not hold a password"),
        ("--trusted-host x\n", "r.txt:1: --trusted-host cannot be locked: set it for pip itself"),
        ("--no-index\n", "r.txt:1: --no-index cannot be locked: leave it out"),
        ("--use-feature=fast-deps\n", "r.txt:1: --use-feature cannot be locked: leave it out"),
        ("--no-binary six\n", "r.txt:1: --no-binary cannot be locked: write the package into `allow_source`"),
        ("six\n./gone-1.0-py3-none-any.whl\n", "r.txt:2: there is no file "),
        (f"six --hash=sha512:{SHA}\n", "r.txt:1: a lock has SHA256 only"),
        (
            "https://example.org/foo-1.0.tar.bz2\n",
            "r.txt:1: foo-1.0.tar.bz2 is neither a wheel nor an archive (.tar.gz, .tgz, .zip, .tar.xz): forges have ",
        ),
        ("foo @ https://example.org/tarball/main\n", "r.txt:1: main is neither a wheel nor an archive"),
        ("https://example.org/foo-1.0.tar.gz?x=1\n", "r.txt:1: the address of a package must not have a question mark"),
    ],
)  # fmt: skip
def test_what_cannot_be_locked_is_refused_with_its_line(ask: Ask, text: str, expected: str) -> None:
    assert expected in error(ask, "requirements: [r.txt]", r_txt=text)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("requirements: [gone.txt]", "recipe.yml:4: there is no file "),
        ("constraints: [gone.txt]\npackages: [six]", "recipe.yml:4: there is no file "),
        ("packages:\n- six\n- 'numpy=>2'", "recipe.yml:6: 'numpy=>2' is not a package with a version"),
        ("packages: ['x @ hg+https://example.org/x']", "recipe.yml:4: x comes from a repository of hg"),
        ("packages: [./gone-1.0-py3-none-any.whl]", "recipe.yml:4: there is no file "),
        ("packages: [./odd.whl]", "recipe.yml:4: './odd.whl' is not a package with a version"),
        ("requirements: ['https://example.org/r.txt']", "recipe.yml:4: https://example.org/r.txt is an address"),
        ("packages: [./lib]", "recipe.yml:4: there is no file or folder "),
        ("packages: ['six --pre']", "recipe.yml:4: 'six --pre' is not a package with a version"),
        ("pyproject: {file: gone.toml}", "recipe.yml:4: cannot read "),
        ("pyproject: {extras: [nope]}", "pyproject.toml: there is no extra 'nope'; there are: Plot_All"),
        ("pyproject: {groups: [nope]}", "pyproject.toml: there is no dependency group 'nope'; there are: base, test"),
    ],
)
def test_what_the_recipe_names_must_be_there(ask: Ask, lines: str, expected: str) -> None:
    assert expected in error(ask, lines, pyproject_toml=PYPROJECT, odd_whl="")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[dependency-groups]\ng = [{include-group = 'h'}]\nh = [{include-group = 'G'}]\n", "'g' includes itself"),
        ("[project]\nname = 'x'\ndynamic = ['dependencies']\n", "pyproject.toml:3: the dependencies are dynamic"),
        ("[project\n", "pyproject.toml: not TOML"),
        ("[dependency-groups]\ng = ['six=>1']\n", "pyproject.toml:2: 'six=>1' is not a package"),
    ],
)
def test_a_project_that_cannot_be_read_is_refused(ask: Ask, text: str, expected: str) -> None:
    assert expected in error(ask, "pyproject: {groups: [g]}", pyproject_toml=text)


def test_a_file_that_is_no_text_is_refused(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_bytes(b"six\n\xff\xfe\x00\n")
    assert "r.txt" in error(ask, "requirements: [r.txt]")
