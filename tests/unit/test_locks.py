"""Locks of other tools, as these have written them: which packages, versions, hashes and indexes pip is asked for."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebsif.base.manifest import Manifest
from ebsif.errors import InputError
from ebsif.lock.pip.git import Repository
from ebsif.lock.pip.request import PipRequest, request
from ebsif.lock.pip.source import Archive, Origin, Source
from ebsif.recipe import read_recipe
from tests.support.manifests import make_manifest
from tests.support.wheels import make_wheel

Ask = Callable[..., PipRequest]
HEAD = "name: Demo\nversion: 1.0\nbase: x.sif\n"
LOCKS = Path(__file__).parents[1] / "support" / "locks"
FILES = ["uv.lock", "poetry.lock", "pylock.toml", "pylock.pip.toml"]
SIX, IDNA, TABULATE, WCWIDTH, PACKAGING, OLD_PACKAGING = "1.17.0", "3.20", "0.10.0", "0.9.4", "26.4", "23.2"
SHA = "a" * 64
UV = 'version = 1\nrequires-python = ">=3.10"\n\n[[package]]\nname = "own"\nversion = "1"\nsource = { virtual = "." }\n'
PYLOCK = 'lock-version = "1.0"\ncreated-by = "me"\n\n'
POETRY = '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\ncontent-hash = "x"\n'


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Return what a recipe asks for that names locks, beside all of them; a base has Python 3.11 and no packages."""
    for file in LOCKS.iterdir():
        shutil.copy(file, tmp_path)

    def ask(
        wanted: str, more: str = "", *, base: Manifest | None = None, python: str = "3.11.2", **packages: str
    ) -> PipRequest:
        (tmp_path / "recipe.yml").write_text(f"{HEAD}requirements: [{wanted}]\n{more}")
        known = base or make_manifest(python=python, packages=packages)
        return request(*read_recipe(tmp_path / "recipe.yml"), base=known)

    return ask


def refused(ask: Ask, folder: Path, *words: str, **packages: Any) -> str:
    with pytest.raises(InputError) as caught:
        ask(*words, **packages)
    return str(caught.value).replace(f"{folder}/", "")


def asked(wanted: PipRequest) -> list[str]:
    return sorted(line.text for line in wanted.requirements)


def others(wanted: PipRequest) -> list[str]:
    return sorted(line.text for line in wanted.constraints)


# --- what the tools have written ---


@pytest.mark.parametrize(
    ("file", "first", "rest"),
    [
        # uv tells what the project asks for, and of what extras.
        ("uv.lock", [f"tabulate[widechars]=={TABULATE}"], [f"wcwidth=={WCWIDTH}"]),
        # Poetry tells what each package depends on, with its extras or not.
        ("poetry.lock", [f"tabulate=={TABULATE}", f"wcwidth=={WCWIDTH}"], []),
        # These tell nothing: all of it is asked for.
        ("pylock.toml", [f"tabulate=={TABULATE}", f"wcwidth=={WCWIDTH}"], []),
        ("pylock.pip.toml", [f"tabulate=={TABULATE}", f"wcwidth=={WCWIDTH}"], []),
    ],
)
def test_what_the_project_asks_for_is_asked_for_and_the_rest_is_held(
    ask: Ask, file: str, first: list[str], rest: list[str]
) -> None:
    wanted = ask(file)
    assert asked(wanted) == [f"idna=={IDNA}", f"packaging=={PACKAGING}", f"six=={SIX}", *first]
    assert others(wanted) == rest


@pytest.mark.parametrize("file", FILES)
def test_each_package_has_its_hashes_and_the_line_that_it_begins_at(ask: Ask, tmp_path: Path, file: str) -> None:
    text = (tmp_path / file).read_text()
    for line in (*ask(file).requirements, *ask(file).constraints):
        assert line.number
        begun = text.splitlines()[line.number - 1 :]
        assert begun[0] in ("[[package]]", "[[packages]]")
        assert begun[1] == f'name = "{line.name}"'
        entry = "\n".join(begun[1:]).partition(f"\n{begun[0]}")[0]
        assert line.hashes
        assert all(found.removeprefix("sha256:") in entry for found in line.hashes)
        assert len(line.hashes) == entry.count("sha256")


# --- the base ---


@pytest.mark.parametrize("file", FILES)
def test_a_version_that_the_base_has_is_no_problem(ask: Ask, file: str) -> None:
    assert "six==1.17.0" in asked(ask(file, six="1.17.0"))


@pytest.mark.parametrize("file", FILES)
def test_versions_that_the_base_has_otherwise_are_named_at_once_with_the_choices(
    ask: Ask, tmp_path: Path, file: str
) -> None:
    said = refused(ask, tmp_path, file, six="1.16.0", idna="2.0", wcwidth="0.1").splitlines()
    assert [line.partition(": ")[2] for line in said[:-1]] == [
        f"idna {IDNA} is locked, and the base has 2.0",
        f"six {SIX} is locked, and the base has 1.16.0",
        f"wcwidth {WCWIDTH} is locked, and the base has 0.1",
    ]
    number = int(said[0].split(":")[1])
    assert (tmp_path / file).read_text().splitlines()[number].strip() == 'name = "idna"'
    assert said[-1] == (
        f"{file}: to keep what the base has, write `{{file: {file}, unpin: [idna, six, wcwidth]}}` into "
        "`requirements`; to replace it in the layer, add it to `allow_base_packages`; or take another base"
    )


@pytest.mark.parametrize("file", FILES)
def test_what_is_unpinned_is_asked_for_in_any_version(ask: Ask, file: str) -> None:
    wanted = ask(f"{{file: {file}, unpin: [six, wcwidth]}}", six="1.16.0", wcwidth="0.1")
    assert "six" in asked(wanted)
    assert not [text for text in others(wanted) if text.startswith("wcwidth")]
    assert wanted.ignored[f"six=={SIX}"] == f"`unpin` names it ({file})"


def test_what_may_replace_the_base_keeps_the_version_of_the_lock(ask: Ask) -> None:
    assert f"six=={SIX}" in asked(ask("uv.lock", "allow_base_packages: [six]\n", six="1.16.0"))


def test_the_build_of_the_base_fits_a_version_without_one(ask: Ask, tmp_path: Path) -> None:
    assert f"six=={SIX}" in asked(ask("uv.lock", six=f"{SIX}+rocm6.4"))


def test_a_name_to_unpin_that_is_not_there_is_refused(ask: Ask, tmp_path: Path) -> None:
    said = refused(ask, tmp_path, "{file: uv.lock, unpin: [numpy]}")
    assert said == "recipe.yml:4: unpin: numpy is not among what uv.lock has for this base"


@pytest.mark.parametrize("file", ["uv.lock", "poetry.lock", "pylock.toml"])
def test_a_python_that_the_lock_is_not_for_is_named(ask: Ask, tmp_path: Path, file: str) -> None:
    said = refused(ask, tmp_path, file, python="3.9.2")
    assert "the lock is for Python >=3.10, and the base has 3.9.2: lock again" in said
    number = int(said.split(":")[1])
    assert ">=3.10" in (tmp_path / file).read_text().splitlines()[number - 1]


@pytest.mark.parametrize("file", ["uv.lock", "poetry.lock", "pylock.toml"])
def test_markers_are_judged_for_the_base(ask: Ask, file: str) -> None:
    there = [text for text in asked(ask(file)) if text.startswith(("colorama", "packaging"))]
    older = [text for text in asked(ask(file, python="3.10.4")) if text.startswith(("colorama", "packaging"))]
    assert there == [f"packaging=={PACKAGING}"]
    assert older == [f"packaging=={OLD_PACKAGING}"]


# --- what is chosen ---


@pytest.mark.parametrize("file", ["uv.lock", "poetry.lock"])
def test_extras_and_groups_are_taken_when_the_recipe_names_them(ask: Ask, file: str) -> None:
    def names(wanted: PipRequest) -> set[str]:
        return {line.name or "" for line in (*wanted.requirements, *wanted.constraints)}

    plain, more = ask(file), ask(f"{{file: {file}, extras: [Plot], groups: [dev]}}")
    assert names(more) - names(plain) == {"termcolor", "iniconfig"}
    assert {"the extra plot", "the group dev"} <= plain.ignored.keys()
    assert not {"the extra plot", "the group dev"} & more.ignored.keys()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("key", "word"), [("extras", "extra"), ("groups", "group")])
def test_extras_and_groups_that_are_not_there_are_refused(
    ask: Ask, tmp_path: Path, file: str, key: str, word: str
) -> None:
    said = refused(ask, tmp_path, f"{{file: {file}, {key}: [none-such]}}")
    assert said.startswith(f"{file}: there is no {word} 'none-such'; there are: ")


def test_of_a_pylock_its_own_default_groups_are_taken(ask: Ask, tmp_path: Path) -> None:
    def package(name: str, group: str) -> str:
        return (
            f'[[packages]]\nname = "{name}"\nversion = "1"\nmarker = "\'{group}\' in dependency_groups"\n'
            f'index = "https://pypi.org/simple"\n[[packages.wheels]]\nname = "{name}-1-py3-none-any.whl"\n'
            f'url = "https://x.example/{name}-1-py3-none-any.whl"\nhashes = {{sha256 = "{SHA}"}}\n\n'
        )

    groups = 'dependency-groups = ["test"]\ndefault-groups = ["main"]\n'
    (tmp_path / "pylock.toml").write_text(PYLOCK + groups + package("a", "main") + package("b", "test"))
    assert asked(ask("pylock.toml")) == ["a==1"]
    assert asked(ask("{file: pylock.toml, groups: [test]}")) == ["a==1", "b==1"]


def test_an_extra_of_the_project_that_names_others_is_followed(ask: Ask, tmp_path: Path) -> None:
    text = UV + (
        '[package.optional-dependencies]\nall = [{ name = "own", extra = ["one"] }]\none = [{ name = "six" }]\n\n'
        f'[[package]]\nname = "six"\nversion = "1.17.0"\nsource = {{ registry = "https://pypi.org/simple" }}\n'
        f'wheels = [{{ url = "https://x.example/six-1.17.0-py3-none-any.whl", hash = "sha256:{SHA}" }}]\n'
    )
    (tmp_path / "uv.lock").write_text(text)
    assert asked(ask("{file: uv.lock, extras: [all]}")) == ["six==1.17.0"]


# --- where packages come from ---


def uv_package(source: str, wheel: str = "", *, name: str = "six") -> str:
    needs = f'dependencies = [{{ name = "{name}" }}]\n\n'
    wheels = f"wheels = [{{ {wheel}, hash = 'sha256:{SHA}' }}]\n" if wheel else ""
    return f'{UV}{needs}[[package]]\nname = "{name}"\nversion = "1.0"\nsource = {{ {source} }}\n{wheels}'


def poetry_package(source: str, name: str = "six", file: str = "six-1.0-py3-none-any.whl") -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "1.0"\ngroups = ["main"]\n'
        f'files = [{{ file = "{file}", hash = "sha256:{SHA}" }}]\n\n[package.source]\n{source}\n\n{POETRY}'
    )


def pylock_package(place: str) -> str:
    return f'{PYLOCK}[[packages]]\nname = "six"\nversion = "1.0"\n{place}'


WHEEL = "six-1.0-py3-none-any.whl"
INDEX = "https://one.example/simple"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", uv_package(f'registry = "{INDEX}"', f'url = "https://one.example/{WHEEL}"')),
        ("poetry.lock", poetry_package(f'type = "legacy"\nurl = "{INDEX}"\nreference = "one"')),
        (
            "pylock.toml",
            pylock_package(
                f'index = "{INDEX}"\nwheels = [{{ url = "https://x/{WHEEL}", hashes = {{ sha256 = "{SHA}" }} }}]\n'
            ),
        ),
    ],
)
def test_an_index_that_a_lock_names_is_one_of_the_request(ask: Ask, tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    wanted = ask(file)
    assert asked(wanted) == ["six==1.0"]
    assert wanted.requirements[0].hashes == (f"sha256:{SHA}",)
    assert wanted.options.extra_indexes == (INDEX,)


@pytest.mark.parametrize("file", FILES)
def test_the_default_index_is_not_named(ask: Ask, file: str) -> None:
    options = ask(file).options
    assert (options.index, options.elsewhere) == (None, ())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", uv_package(f'url = "https://one.example/{WHEEL}"', f'url = "https://one.example/{WHEEL}"')),
        ("poetry.lock", poetry_package(f'type = "url"\nurl = "https://one.example/{WHEEL}"')),
        (
            "pylock.toml",
            pylock_package(f'archive = {{ url = "https://one.example/{WHEEL}", hashes = {{ sha256 = "{SHA}" }} }}'),
        ),
        (
            "pylock.toml",
            pylock_package(
                f'wheels = [{{ url = "https://one.example/{WHEEL}", hashes = {{ sha256 = "{SHA}" }} }}, '
                f'{{ url = "https://one.example/six-1.0-cp27-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}]'
            ),
        ),
    ],
    ids=["uv", "poetry", "pylock-archive", "pylock-wheels"],
)
def test_a_wheel_whose_address_alone_is_known_is_taken_from_there(
    ask: Ask, tmp_path: Path, file: str, text: str
) -> None:
    (tmp_path / file).write_text(text)
    (line,) = ask(file).requirements
    assert (line.text, line.hashes) == (f"six @ https://one.example/{WHEEL}", (f"sha256:{SHA}",))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", uv_package(f'path = "dist/{WHEEL}"', f'filename = "{WHEEL}"')),
        ("uv.lock", uv_package('registry = "dist"', f'path = "{WHEEL}"')),
        ("poetry.lock", poetry_package(f'type = "file"\nurl = "dist/{WHEEL}"')),
        (
            "pylock.toml",
            pylock_package(f'wheels = [{{ path = "dist/{WHEEL}", hashes = {{ sha256 = "{SHA}" }} }}]'),
        ),
    ],
    ids=["uv-path", "uv-folder", "poetry", "pylock"],
)
def test_a_wheel_beside_the_lock_is_taken(ask: Ask, tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / "dist").mkdir()
    make_wheel(tmp_path / "dist", "six")
    (tmp_path / file).write_text(text)
    (line,) = ask(file).requirements
    assert (line.file, line.hashes) == (tmp_path / "dist" / WHEEL, (f"sha256:{SHA}",))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "uv.lock",
            uv_package('git = "https://g.example/o/six?subdirectory=a%2Fb&rev=main#abc"'),
            Repository("https://g.example/o", "six", "abc", "a/b"),
        ),
        (
            "poetry.lock",
            poetry_package('type = "git"\nurl = "https://g.example/o/six"\nresolved_reference = "abc"'),
            Repository("https://g.example/o", "six", "abc"),
        ),
        (
            "pylock.toml",
            pylock_package('vcs = { type = "git", url = "https://g.example/o/six", commit-id = "abc" }'),
            Repository("https://g.example/o", "six", "abc"),
        ),
        (
            "poetry.lock",
            poetry_package('type = "url"\nurl = "https://x.example/six-1.0.tar.gz"').replace(WHEEL, "six-1.0.tar.gz"),
            Archive("https://x.example/six-1.0.tar.gz"),
        ),
    ],
)
def test_what_is_built_of_a_repository_or_an_archive_is_taken(
    ask: Ask, tmp_path: Path, file: str, text: str, expected: Origin
) -> None:
    (tmp_path / file).write_text(text)
    (line,) = ask(file).requirements
    assert line.source == Source(expected)
    wheel = make_wheel(tmp_path, "six")
    (line,) = ask(file, f"packages: [./{wheel.path.name}]\n").requirements
    assert line.file == wheel.path


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", uv_package('editable = "my lib; #"')),
        ("uv.lock", uv_package('directory = "my lib; #"')),
        ("poetry.lock", poetry_package('type = "directory"\nurl = "my lib; #"')),
        ("pylock.toml", pylock_package('directory = { path = "my lib; #" }')),
    ],
)
def test_a_folder_beside_the_lock_is_built(ask: Ask, tmp_path: Path, file: str, text: str) -> None:
    folder = tmp_path / "my lib; #"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    (tmp_path / file).write_text(text)
    (line,) = ask(file).requirements
    assert (line.name, line.text, line.local) == ("six", "six @ my lib; #", folder)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("uv.lock", uv_package('registry = "https://me:word@one.example/simple"'), "the address of a package index"),
        ("uv.lock", uv_package('url = "https://me:word@x.example/six-1.0-py3-none-any.whl"', f'url = "{INDEX}"'),
         "the address of six must not hold a password"),
        ("uv.lock", uv_package(f'registry = "{INDEX}"', f'url = "https://x/{WHEEL}"').replace("sha256:", "sha512:"),
         "six has no SHA256 in the lock"),
        ("uv.lock", uv_package(f'registry = "{INDEX}"').replace('"1.0"', '"1.0 --pre"'), "is not a package with a v"),
        ("uv.lock", uv_package(f'registry = "{INDEX}"').replace('"1.0"', '"1.0\\n--pre"'), "is not a package with a v"),
        ("uv.lock", uv_package('git = "https://me:word@g.example/six#abc"'), "the address of six must not"),
        ("uv.lock", uv_package('git = "https://g.example/six; x#abc"'), "is not the address of a repository"),
        ("uv.lock", uv_package('directory = "lib"'), "there is no file or folder "),
        ("pylock.toml", pylock_package('vcs = { type = "hg", url = "https://g.example/six", commit-id = "abc" }'),
         "six comes from a repository of hg"),
        ("uv.lock", uv_package("registry = 1"), "the package does not say where it comes from"),
        ("uv.lock", UV + 'dependencies = [{ name = "six" }]\n', "no package six for this base: lock again"),
        ("uv.lock", UV + 'dependencies = [{ name = "six", marker = "os" }]\n', "'os' is no environment marker: "),
        ("uv.lock", UV + 'dependencies = "six"\n', "dependencies must be a list"),
        ("uv.lock", UV.replace("= 1", "= 2", 1), "only version 1 of uv.lock can be read"),
        ("uv.lock", f"conflicts = [[]]\n{UV}", "some extras or groups of the project exclude each other: `uv export"),
        ("uv.lock", UV.replace(">=3.10", "new"), "'new' is not a range of versions"),
        ("uv.lock", "package = 1\n", "no lock that can be read: it is none of pylock.toml, uv.lock and poetry.lock"),
        ("uv.lock", "name: x\n", "not TOML: "),
        ("uv.lock", "x = " + "[" * 5000, "the file is nested too deeply"),
        ("poetry.lock", POETRY.replace("2.1", "2.0"), "the lock has format 2.0, which does not say which group"),
        ("poetry.lock", poetry_package('type = 1'), "type must be a text"),
        ("poetry.lock", poetry_package('type = "url"\nurl = "ftp://x"'), "'ftp://x' is not the URL of a file"),
        ("pylock.toml", PYLOCK.replace("1.0", "9.0") + "packages = []\n", "pylock version 9.0 is not supported"),
        ("pylock.toml", pylock_package(""), "not as pylock.toml must be (PEP 751): Exactly one of vcs"),
        ("pylock.toml", PYLOCK, "packages must be a list of tables, as in [[packages]]"),
        ("pylock.toml", f"{PYLOCK}environments = [\"sys_platform == 'win32'\"]\npackages = []\n",
         "the lock is for other machines than that of the base: sys_platform"),
        ("pylock.toml", pylock_package(
            f'wheels = [{{ url = "https://x/six-1.0-cp27-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}]'),
         "no wheel of six 1.0 in the lock fits Python 3.11 on x86_64"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over_is_refused(ask: Ask, tmp_path: Path, file: str, text: str, said: str) -> None:
    (tmp_path / file).write_text(text)
    message = refused(ask, tmp_path, file)
    assert message.startswith(file)
    assert said in message
    assert "word" not in message.replace("password", "")


def test_a_lock_is_known_by_its_content(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "uv.lock").rename(tmp_path / "requirements.txt")
    assert f"six=={SIX}" in asked(ask("requirements.txt"))


def test_a_requirements_file_may_be_called_a_lock(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("six==1.0\n")
    assert asked(ask("requirements.lock")) == ["six==1.0"]
    said = refused(ask, tmp_path, "{file: requirements.lock, extras: [x]}")
    assert said == "recipe.yml:4: requirements.lock is no lock, of which parts could be taken"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[project]\nname = 'x'\n", "this is a pyproject.toml: name it by `pyproject` (`ebsif new -p`)"),
        ("version: 6\nenvironments:\n  default: {}\n", "this is a lock of pixi: name it by `environment`"),
    ],
)
def test_what_another_key_is_for_is_said(ask: Ask, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "some.file").write_text(text)
    assert refused(ask, tmp_path, "some.file").startswith(f"some.file: {said}")


def test_a_layer_of_conda_has_another_python_than_the_lock_is_judged_for(ask: Ask, tmp_path: Path) -> None:
    more = "layer: conda\nenvironment: {channels: [x], dependencies: [python]}\n"
    said = refused(ask, tmp_path, "uv.lock", more)
    assert said.startswith("recipe.yml:4: packages of uv.lock are chosen for the Python of the base, and a layer of ")


def test_a_base_that_nobody_knows_chooses_nothing_but_reads(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "recipe.yml").write_text(f"{HEAD}requirements: [uv.lock]\n")
    assert request(*read_recipe(tmp_path / "recipe.yml")).requirements
