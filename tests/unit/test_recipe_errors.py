"""What bad input gets: a message with file and line, exit status 2, and no file written or changed."""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ebsif.base.store import manifest_path
from ebsif.cli import main
from ebsif.easyconfig.read import read_easyconfig
from tests.support.generator import contents
from tests.support.manifests import freeze, make_manifest
from workbench import easybuild, store

IMAGE = "demo-small-cpu-python-3.11-venv.sif"
RECIPE = f"""\
name: Demo
version: 1.0
site: local
base: {IMAGE}
"""
LONG = "x" * 300  # longer than the name of a file can be
EASYCONFIG = "Demo-1.0-cpu-python-3.11-singularity.eb"
COMMANDS = [["generate"], ["generate", "--check"], ["generate", "--dry-run"], ["bump", "--date", "20261124"], ["check"]]

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An image among the frozen ones, and a folder to work in."""
    frozen, work = tmp_path / "frozen", tmp_path / "work"
    frozen.mkdir()
    work.mkdir()
    monkeypatch.setenv("EBSIF_IMAGES", str(frozen))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(work)
    yield freeze(frozen, make_manifest(file=IMAGE))


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must be refused and change nothing; return its message."""

    def run(*words: str | Path) -> str:
        before = contents(tmp_path)
        assert main([*map(str, words)]) == 2
        assert contents(tmp_path) == before
        told = capsys.readouterr()
        assert told.out == ""
        return told.err

    return run


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("site:", "pakages: []\nsite:", "recipe.yml:3: unknown key 'pakages': did you mean 'packages'?"),
        ("site:", "packages: numpy\nsite:", "recipe.yml:3: packages: this must be a list"),
        ("site:", "verify_base: often\nsite:", "recipe.yml:3: verify_base: input should be a valid boolean"),
        ("site: local", "site: mahti", "there is no site 'mahti': known are local, lumi"),
        (IMAGE, "none.sif", "recipe.yml:4: there is no image none.sif (looked for beside the recipe and in "),
        ("Demo", "De mo", "recipe.yml:1: name: 'De mo' is not a name for EasyBuild"),
        ("Demo", "../Demo", "recipe.yml:1: name: '../Demo' is not a name for EasyBuild"),
        ("1.0", "1/0", "recipe.yml:2: version: '1/0' is not a version"),
        ("1.0", "", "recipe.yml:2: version: input should be a valid string"),
        ("name: Demo", "name: &n Demo", "recipe.yml:1: anchors and aliases (& and *) are not allowed"),
        ("site:", "a: &a [x]\nb: [*a, *a]\nsite:", "recipe.yml:3: anchors and aliases (& and *) are not allowed"),
        ("site:", "name: Other\nsite:", "recipe.yml:3: the key 'name' is there twice"),
        ("site:", "commands: ['a;b']\nsite:", "recipe.yml:3: commands.0: 'a;b' is not the name of a command"),
        ("site:", "variant: '%(x)s'\nsite:", "recipe.yml:3: variant: '%(x)s' is not a part of a name"),
        ("site:", "container_env: {PATH: /x}\nsite:", "recipe.yml:3: container_env.PATH: 'PATH' is not a variable"),
        ("site:", 'container_env: {A: "1\\n2"}\nsite:', "recipe.yml:3: container_env.A: '1\\n2' has a line break"),
        ("site:", "packages: ['x @ https://[x/a.whl']\nsite:", "recipe.yml:3: 'x @ https://[x/a.whl' is not a package"),
        ("site:", "packages: [numpy 2]\nsite:", "recipe.yml:3: 'numpy 2' is not a package with a version"),
        ("site:", "requirements: [none.txt]\nsite:", "recipe.yml:3: there is no file none.txt"),
        *(
            ("site:", f"{text}\nsite:", "recipe.yml:3: there is no file ")
            for text in (f"requirements: [{LONG}]", f"environment: {LONG}\nlayer: conda",
                         f"packages: ['./{LONG}-1.0-py3-none-any.whl']", f"packages: ['x @ file:///{LONG}.whl']")
        ),
        ("site:", "start_folders: [CACHE]\nsite:", "start_folders: CACHE is not in start_env of the recipe, nor"),
        ("site:", "layer: none\npackages: [six]\nsite:", "recipe.yml:3: packages need a layer"),
        ("name: Demo\n", "", "recipe.yml:1: the key 'name' is missing"),
        ("site:", "format: 0\nsite:", "recipe.yml:3: format: '0' is no format of recipes: write 1, or"),
        ("site:", "variant: !!int abc\nsite:", "recipe.yml:3: tags (!) are not allowed: write the value alone"),
        ("name: Demo", "name: [", "not YAML: "),
    ],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_recipe_that_cannot_be_used(refused: Refused, command: list[str], old: str, new: str, message: str) -> None:
    recipe = Path("recipe.yml")
    recipe.write_text(RECIPE.replace(old, new))
    assert message in refused(*command, recipe)


def test_a_recipe_of_a_newer_ebsif_is_refused_with_nothing_else_about_it(refused: Refused) -> None:
    Path("recipe.yml").write_text(RECIPE + "format: 2\nlater: 1\n")
    message = "recipe.yml:5: the recipe has format 2, and this ebsif reads format 1: use a newer ebsif"
    assert refused("generate", "recipe.yml").splitlines() == [f"ebsif: {message}"]


def test_a_recipe_may_say_its_format() -> None:
    Path("recipe.yml").write_text(RECIPE + "format: 1\n")
    assert main(["--quiet", "generate", "recipe.yml"]) == 0


def test_all_that_is_wrong_is_told_at_once(refused: Refused) -> None:
    Path("recipe.yml").write_text(RECIPE.replace("Demo", "De mo").replace("1.0", "1/0"))
    lines = refused("generate", "recipe.yml").splitlines()
    assert [line.split(" ")[1] for line in lines] == ["recipe.yml:1:", "recipe.yml:2:"]


@pytest.mark.parametrize("content", [b"x" * 1_000_001, b"\xff\xfe", b"", b"- a\n", b"[" * 900_000])
def test_a_file_that_is_no_recipe(refused: Refused, content: bytes) -> None:
    Path("recipe.yml").write_bytes(content)
    assert refused("generate", "recipe.yml").startswith("ebsif: recipe.yml")


@pytest.mark.parametrize("command", [["generate"], ["bump"], ["check"], ["build"], ["sbom", "-o", "x"]], ids=" ".join)
def test_a_file_that_is_not_there(refused: Refused, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    message = refused(*command, "none.yml")
    assert "cannot read none.yml: No such file or directory" in message or "eb is not on PATH" in message


VALUES = [
    "it's \"quoted\" \\ and '''more'''",
    "first\nsecond %(x)s %(name)s\n[section]\n",
    "{{ name }} {% raw %} {# x #}",
    "ends in a backslash \\",
    "100 % of %% and %s",
]


@pytest.mark.parametrize("value", VALUES)
def test_a_description_arrives_as_it_was_written(value: str) -> None:
    text = "".join(f"\n  {line}" for line in value.split("\n"))
    Path("recipe.yml").write_text(f"{RECIPE}description: |{text}\n")
    assert main(["--quiet", "generate", "recipe.yml"]) == 0
    description = read_easyconfig(Path(EASYCONFIG)).parameters["description"]
    assert description.startswith(value.strip())


@pytest.mark.parametrize("value", [value for value in VALUES if "\n" not in value])
def test_a_variable_arrives_as_it_was_written(value: str) -> None:
    quoted = value.replace("'", "''")
    Path("recipe.yml").write_text(f"{RECIPE}container_env:\n  VALUE: '{quoted}'\n")
    assert main(["--quiet", "generate", "recipe.yml"]) == 0
    assert read_easyconfig(Path(EASYCONFIG)).parameters["container_env"] == {"VALUE": value}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_manifest_of_another_image(refused: Refused, image: Path, command: list[str]) -> None:
    Path("recipe.yml").write_text(RECIPE)
    image.write_bytes(image.read_bytes() + b"more")
    message = refused(*command, "recipe.yml")
    assert f"{manifest_path(image)} is the manifest of another image than {image}" in message


def test_a_manifest_that_is_none(refused: Refused, image: Path) -> None:
    Path("recipe.yml").write_text(RECIPE)
    manifest_path(image).write_text("{}")
    assert f"{manifest_path(image)} is not a manifest of this version of ebsif" in refused("generate", "recipe.yml")


def test_a_file_that_is_no_image(refused: Refused, image: Path) -> None:
    Path("recipe.yml").write_text(RECIPE)
    image.write_bytes(b"#!/bin/sh\n")
    assert f"{image} is not a SIF image" in refused("generate", "recipe.yml")


def test_an_easyconfig_that_somebody_has_made_a_program_of(refused: Refused) -> None:
    Path("recipe.yml").write_text(RECIPE)
    Path(EASYCONFIG).write_text("import os\n")
    assert f"{EASYCONFIG}:1: an easyconfig of ebsif holds only assignments" in refused("generate", "recipe.yml")


def test_there_is_nothing_to_upgrade_without_packages(refused: Refused) -> None:
    Path("recipe.yml").write_text(RECIPE)
    assert "recipe.yml asks for no packages" in refused("generate", "recipe.yml", "--upgrade")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder with an image that everybody can come to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        freeze(folder, make_manifest(file=IMAGE))
        yield folder
        folder.chmod(0o755)


def as_user(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command as somebody who is not root, whom permissions of files concern."""
    options = {"user": pwd.getpwnam("nobody").pw_uid, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    # The Python that runs this test may lie in a folder that only root can enter.
    words = [easybuild.find(store.cache_root(), easybuild.DEFAULT) / "bin" / "ebsif", *command]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("command", [["generate"], ["bump", "--date", "20261124"]], ids=" ".join)
def test_a_folder_that_one_may_not_write_in(open_folder: Path, command: list[str]) -> None:
    (open_folder / "recipe.yml").write_text(RECIPE)
    before = contents(open_folder)
    open_folder.chmod(0o555)
    done = as_user([*command, "recipe.yml"], open_folder)
    assert done.returncode == 2, done.stderr
    name = EASYCONFIG if command == ["generate"] else "Demo-1.0-cpu-python-3.11-singularity-20261124.yml"
    assert done.stderr == f"ebsif: cannot write {name}: Permission denied; choose a folder that you may write in\n"
    assert contents(open_folder) == before


@pytest.mark.parametrize(
    ("rocm", "level"), [("7.1.0", "warning"), ("5.7.3", "warning"), ("7.0.2", "ok"), ("6.1.0", "ok")]
)
def test_rocm_is_compared_with_what_the_driver_supports(
    rocm: str, level: str, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("site.yml").write_text(
        f"name: gpus\ndescription: ours\nfrozen_images: ['{image.parent}']\nrocm: {{minimum: 6.1, maximum: 7.0}}\n"
    )
    freeze(image.parent, make_manifest(file=IMAGE, rocm=rocm))
    Path("recipe.yml").write_text(RECIPE.replace("site: local", "site: ./site.yml"))
    assert main(["generate", "recipe.yml"]) == 0
    capsys.readouterr()
    assert main(["check", "recipe.yml"]) == 0, "a warning is no error"
    said = {"ok": "is supported by the site's driver", "warning": "is outside the range of the site's driver"}[
        level
    ]
    assert f"{level:8}ROCm {rocm} {said} (6.1 to 7.0)" in capsys.readouterr().out


def test_check_fails_when_easybuilds_own_checks_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    eb = tmp_path / "bin" / "eb"
    eb.parent.mkdir()
    eb.write_text("#!/bin/sh\necho 'line 7: E501 line too long'\nexit 1\n")
    eb.chmod(0o755)
    monkeypatch.setenv("PATH", str(eb.parent))
    Path("recipe.yml").write_text(RECIPE)
    assert main(["generate", "recipe.yml"]) == 0
    assert main(["check", "recipe.yml"]) == 1
    assert "error   eb --check-contrib: line 7: E501 line too long" in capsys.readouterr().out


def test_check_fails_when_the_easyconfig_is_missing_or_out_of_date(capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipe.yml").write_text(RECIPE)
    assert main(["check", "recipe.yml"]) == 1
    assert f"error   there is no {EASYCONFIG}: run `ebsif generate`" in capsys.readouterr().out
    assert main(["generate", "recipe.yml"]) == 0
    Path(EASYCONFIG).write_text(Path(EASYCONFIG).read_text().replace("'ai'", "'lib'"))
    assert main(["check", "recipe.yml"]) == 1
    assert f"error   {EASYCONFIG} is out of date: run `ebsif generate`" in capsys.readouterr().out


def test_check_fails_when_the_image_is_another_one(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipe.yml").write_text(RECIPE)
    assert main(["generate", "recipe.yml"]) == 0
    assert main(["check", EASYCONFIG]) == 1
    assert f"error   {image} has SHA256 " in capsys.readouterr().out


@pytest.mark.parametrize("file", ["a.txt", "a", "a.sif.gz"])
def test_only_what_ebsif_knows_can_be_compared(refused: Refused, file: str) -> None:
    Path(file).touch()
    assert f"{file} is neither a recipe (.yml) nor an easyconfig (.eb)" in refused("diff", file, file)


def test_recipes_easyconfigs_manifests_and_images_can_be_compared(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.yml").write_text(RECIPE)
    Path("b.yml").write_text(RECIPE + "variant: b\n")
    assert main(["generate", "a.yml"]) == main(["generate", "b.yml"]) == 0
    other = freeze(image.parent, make_manifest(file="b.sif", python="3.12.3"))
    pairs: list[tuple[str | Path, str | Path, str]] = [
        ("a.yml", "b.yml", "| variant | – | `b` |"),
        (EASYCONFIG, EASYCONFIG.replace(".eb", "-b.eb"), "| versionsuffix | `-cpu-python-3.11-singularity` |"),
        (manifest_path(image), manifest_path(other), "| Python | `3.11.2` | `3.12.3` |"),
        (image, other, "| Python | `3.11.2` | `3.12.3` |"),
    ]
    for before, after, line in pairs:
        capsys.readouterr()
        assert main(["diff", "--markdown", str(before), str(after)]) == 1
        assert line in capsys.readouterr().out
        assert main(["diff", str(before), str(before)]) == 0
        assert capsys.readouterr().out == "no difference\n"
