"""`ebsif new`: a recipe for a base, as a start."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ebsif.base import store
from ebsif.base.image import Base, read_name
from ebsif.base.manifest import Manifest
from ebsif.cli import main
from ebsif.document import parse, validate
from ebsif.lock.conda.environment import CondaEnvironment
from ebsif.new import comment, draft, render
from ebsif.recipe import Recipe, read_recipe
from ebsif.site import read_site
from tests.support.manifests import make_manifest
from tests.support.wheels import make_wheel

TORCH = "demo-pytorch-cpu-python-3.11-pytorch-v2.13.0.sif"
NAME = "PyTorch-2.13.0-cpu-python-3.11-singularity"
COMMANDS = ["python3", "python3.11", "torchrun"]

Ebsif = Callable[..., int]


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image among the frozen ones of the site `local`, that has torch."""
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    path = frozen / TORCH
    path.write_bytes(b"SIF")
    manifest = make_manifest(
        file=TORCH, packages={"torch": "2.13.0+cpu", "numpy": "2.4.6"}, commands=["f2py", "torchrun", "isympy"]
    )
    monkeypatch.setattr(store, "manifest_of", lambda *_: manifest)
    monkeypatch.setenv("EBSIF_IMAGES", str(frozen))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return path


@pytest.fixture
def bare(image: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image with ROCm and no Python."""
    monkeypatch.setattr(store, "manifest_of", lambda *_: make_manifest(python=None, rocm="6.2.4"))
    return image.rename(image.with_name("demo-rocm-rocm-6.2.4.sif"))


def ebsif_new(*words: str | Path) -> int:
    return main(["--quiet", "new", *map(str, words)])


def failure(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Return the message of a command that must fail, and write nothing."""
    before = sorted(Path().rglob("*"))
    assert ebsif_new(*words) == 2
    assert sorted(Path().rglob("*")) == before
    return capsys.readouterr().err


def test_a_name_and_a_base_are_enough(image: Path) -> None:
    assert ebsif_new("PyTorch", "--base", TORCH) == 0
    recipe, _ = read_recipe(Path(f"{NAME}.yml"))
    assert (recipe.name, recipe.version, recipe.base, recipe.site) == ("PyTorch", "2.13.0", TORCH, "local")
    assert (recipe.commands, recipe.layer, recipe.packages) == (COMMANDS, "venv", [])


def test_the_recipe_says_what_is_in_the_base(image: Path) -> None:
    ebsif_new("PyTorch", "--base", TORCH)
    assert "# - torch 2.13.0+cpu, numpy 2.4.6\n" in Path(f"{NAME}.yml").read_text()


def test_packages_may_stand_before_and_after_options(image: Path) -> None:
    assert ebsif_new("PyTorch", "lightning", "--base", TORCH, "torchmetrics>=1.4", "--variant", "mine", "rich") == 0
    recipe, _ = read_recipe(Path(f"{NAME}-mine.yml"))
    assert recipe.packages == ["lightning", "torchmetrics>=1.4", "rich"]


def test_files_with_packages_are_named_as_seen_from_the_recipe(image: Path) -> None:
    for name in ("a.txt", "b.txt", "pyproject.toml"):
        Path(name).touch()
    files = ["-r", "a.txt", "-r", "b.txt", "-p", "pyproject.toml"]
    Path("recipes").mkdir()
    target = Path("recipes/mine.yml")
    assert ebsif_new("PyTorch", "--base", TORCH, *files, "-o", target) == 0
    recipe, _ = read_recipe(target)
    assert recipe.requirements == ["../a.txt", "../b.txt"]
    assert recipe.pyproject is not None
    assert recipe.pyproject.file == "../pyproject.toml"


@pytest.mark.parametrize("option", ["-r", "-p"])
def test_a_lock_of_another_tool_is_one_of_the_requirements(image: Path, option: str) -> None:
    Path("uv.lock").write_text("[[package]]\n")
    assert ebsif_new("PyTorch", "--base", TORCH, option, "uv.lock") == 0
    recipe, _ = read_recipe(Path(f"{NAME}.yml"))
    assert (recipe.requirements, recipe.pyproject) == (["uv.lock"], None)


def test_a_wheel_is_named_as_seen_from_the_recipe(image: Path) -> None:
    Path("recipes").mkdir()
    wheel = make_wheel(Path(), "hello").path
    target = Path("recipes/mine.yml")
    assert ebsif_new("PyTorch", f"./{wheel}[a]", "--base", TORCH, "-o", target) == 0
    assert read_recipe(target)[0].packages == [f"./../{wheel}[a]"]


def test_an_image_outside_the_folders_of_the_site_is_named_by_its_path(image: Path) -> None:
    Path("images").mkdir()
    moved = image.rename(Path("images", image.name).absolute())
    assert ebsif_new("PyTorch", "--base", f"images/{TORCH}", "-o", "relative.yml") == 0
    assert read_recipe(Path("relative.yml"))[0].base == f"images/{TORCH}"
    assert ebsif_new("PyTorch", "--base", moved, "-o", "absolute.yml") == 0
    assert read_recipe(Path("absolute.yml"))[0].base == str(moved)


def test_a_path_into_a_folder_of_the_site_becomes_a_name(image: Path) -> None:
    assert ebsif_new("PyTorch", "--base", image) == 0
    assert read_recipe(Path(f"{NAME}.yml"))[0].base == TORCH


def test_a_site_file_is_named_as_seen_from_the_recipe(image: Path) -> None:
    Path("mysite.yml").write_text(f"name: mysite\ndescription: ours\nfrozen_images: ['{image.parent}']\n")
    Path("recipes").mkdir()
    assert ebsif_new("PyTorch", "--base", TORCH, "--site", "mysite.yml", "-o", "recipes/a.yml") == 0
    recipe, _ = read_recipe(Path("recipes/a.yml"))
    assert recipe.site == "./../mysite.yml"
    assert read_site(recipe.site, Path("recipes")).name == "mysite"
    site = Path("mysite.yml").absolute()
    assert ebsif_new("PyTorch", "--base", TORCH, "--site", site, "-o", "recipes/b.yml") == 0
    assert read_recipe(Path("recipes/b.yml"))[0].site == str(site)


def test_what_lies_on_this_machine_is_named_as_seen_from_the_recipe(image: Path) -> None:
    for folder in ("lib", "recipes"):
        Path(folder).mkdir()
    for file in ("lib/setup.py", "x-1.0.tar.gz"):
        Path(file).touch()
    asked = ["./lib[a] ; python_version > '3'", "./x-1.0.tar.gz", "git+https://example.org/o/x#subdirectory=y"]
    assert ebsif_new("PyTorch", *asked, "--base", TORCH, "-o", "recipes/a.yml") == 0
    recipe, _ = read_recipe(Path("recipes/a.yml"))
    assert recipe.packages == ['./../lib[a] ; python_version > "3"', "./../x-1.0.tar.gz", asked[2]]


def test_what_the_name_of_an_image_says_is_taken_over() -> None:
    file = "lumi-tensorflow-rocm-6.2.0-python-3.10-tensorflow-2.16.1-horovod-0.28.1-dockerhash-8c75f24cfffc.sif"
    base = Base(file, None, make_manifest(python="3.10.14"), read_name(file, read_site("lumi").families))
    recipe = draft(base, {"name": "TensorFlow", "site": "lumi", "base": file})
    assert (recipe.version, recipe.with_) == ("2.16.1", ["horovod-0.28.1"])
    file = "lumi-multitorch-full-u24r70f21m50t210-20260415_130625.sif"
    base = Base(file, None, make_manifest(), read_name(file, read_site("lumi").families))
    recipe = draft(base, {"name": "PyTorch", "site": "lumi", "base": file})
    assert (recipe.version, recipe.variant, recipe.date) == ("2.10", "full", "20260415")


def test_a_base_without_python_gets_no_layer(bare: Path) -> None:
    assert ebsif_new("rocm", "--base", bare.name) == 0
    recipe, _ = read_recipe(Path("rocm-6.2.4-singularity.yml"))
    assert (recipe.layer, recipe.commands) == ("none", [])


def test_an_environment_file_is_named_as_seen_from_the_recipe(bare: Path) -> None:
    Path("environment.yml").touch()
    Path("recipes").mkdir()
    target = Path("recipes/mine.yml")
    assert ebsif_new("Demo", "--version", "1.0", "--base", bare.name, "-f", "environment.yml", "-o", target) == 0
    recipe, _ = read_recipe(target)
    assert (recipe.layer, recipe.environment, recipe.commands) == ("conda", "../environment.yml", [])


def test_an_environment_on_a_base_with_python_makes_the_layer_one_of_conda(image: Path) -> None:
    Path("environment.yml").touch()
    assert ebsif_new("PyTorch", "lightning", "--base", TORCH, "-f", "environment.yml") == 0
    recipe, _ = read_recipe(Path(f"{NAME}.yml"))
    assert (recipe.layer, recipe.environment, recipe.packages) == ("conda", "environment.yml", ["lightning"])


EXPORTED = """\
name: mine
channels:
  - conda-forge
dependencies:
  - numpy=1.26.4=py311h64a7726_0
  - pip:
      - "odd @ https://example.org/odd-1.0-py3-none-any.whl"
variables:
  ANSWER: "4:2 # no comment"
prefix: /home/me/mine
"""


def test_an_exported_environment_is_copied_without_its_name_and_place(bare: Path) -> None:
    Path("exported.yml").write_text(EXPORTED)
    assert ebsif_new("Demo", "--version", "1.0", "--base", bare.name, "--from-env", "exported.yml", "-o", "a.yml") == 0
    recipe, _ = read_recipe(Path("a.yml"))
    expected = validate(CondaEnvironment, parse(EXPORTED, Path("exported.yml")))
    assert recipe.environment == expected.model_copy(update={"name": None, "prefix": None})


def test_an_exported_environment_with_an_error_is_refused_with_its_line(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("exported.yml").write_text(EXPORTED + "more: x\n")
    words = ["Demo", "--version", "1.0", "--base", bare.name, "--from-env", "exported.yml"]
    assert "exported.yml:11: unknown key 'more'" in failure(capsys, *words)


def test_a_lock_is_not_copied_into_a_recipe(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["Demo", "--version", "1.0", "--base", bare.name, "--from-env", "lock"]
    for text in ("version: 1\nmetadata: {}\npackage: []\n", f"@EXPLICIT\nhttps://x/noarch/a-1-0.conda#{'a' * 64}\n"):
        Path("lock").write_text(text)
        assert "lock:1: this is a lock: name it with `-f`" in failure(capsys, *words)


def test_packages_on_a_base_without_python_are_an_error(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(capsys, "rocm", "--base", bare.name, "numpy")
    assert "demo-rocm-rocm-6.2.4.sif has no Python that packages could be added to: take another base" in message


def test_an_unknown_image_is_an_error_with_the_nearest_name(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = TORCH.replace("13", "31")
    message = failure(capsys, "PyTorch", "--base", wrong)
    assert f"there is no image {wrong} (site local): did you mean {TORCH}?" in message
    path = image.with_name(wrong)
    assert f"did you mean {image}?" in failure(capsys, "PyTorch", "--base", path)


def test_a_version_that_nothing_tells_must_be_given(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "give one with --version" in failure(capsys, "climate", "--base", TORCH)
    assert ebsif_new("climate", "--base", TORCH, "--version", "2026.1") == 0
    assert Path("climate-2026.1-cpu-python-3.11-singularity.yml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["", "--version", "1"], "the command line: name: '' is not a name for EasyBuild"),
        (["Py Torch", "--version", "1"], "the command line: name: 'Py Torch' is not a name for EasyBuild"),
        (["PyTorch", "--version", "2/1"], "the command line: version: '2/1' is not a version"),
        (["PyTorch", "--date", "20251301"], "the command line: date: '20251301' is not a date"),
        (["PyTorch", "numpy 2"], "'numpy 2' is not a package with a version, as in 'numpy>=2'"),
        (["PyTorch", "hg+https://example.org/x"], "a package comes from a repository of hg"),
        (["PyTorch", "./none-1.0-py3-none-any.whl"], "there is no file none-1.0-py3-none-any.whl"),
        (["PyTorch", "-r", "none.txt"], "there is no file none.txt"),
        (["PyTorch", "-r", "https://example.org/r.txt"], "is an address: download the file, and name that"),
        (["PyTorch", "-p", "none.toml"], "there is no file none.toml"),
        (["PyTorch", "--site", "mahti"], "there is no site 'mahti'"),
        (["PyTorch", "-o", "none/a.yml"], "cannot write none/a.yml: No such file or directory"),
    ],
)
def test_bad_input_is_an_error_and_nothing_is_written(
    image: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in failure(capsys, *words, "--base", TORCH)


def test_a_file_that_is_there_is_only_replaced_when_asked(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = Path(f"{NAME}.yml")
    target.write_text("mine")
    assert f"{target} is there already" in failure(capsys, "PyTorch", "--base", TORCH)
    assert target.read_text() == "mine"
    assert ebsif_new("PyTorch", "--base", TORCH, "--force") == 0
    assert read_recipe(target)[0].name == "PyTorch"


def test_scripts_learn_what_was_made(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ebsif_new("PyTorch", "--base", TORCH, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "recipe": f"{NAME}.yml",
        "easyconfig": f"{NAME}.eb",
        "module": NAME.replace("-", "/", 1),
    }


def test_an_image_that_may_change_is_pointed_out(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image.rename(TORCH)
    assert main(["new", "PyTorch", "--base", TORCH]) == 0
    assert "is not frozen" in capsys.readouterr().err


def drafted(manifest: Manifest, **wishes: object) -> tuple[Recipe, Recipe]:
    """Return a recipe, and what is read back from its text."""
    base = Base("x.sif", manifest=manifest)
    recipe = draft(base, {"name": "PyTorch", "version": "1", "site": "local", "base": "x.sif", **wishes})
    return recipe, validate(Recipe, parse(render(recipe, base), Path("recipe.yml")))


lines = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1)
HOSTILE = "a: [b] #c '\"\\ {{ d }} {% raw %} %(e)s \u2028\x85 &f *g !h"


@given(st.lists(lines, min_size=1), lines)
@example([HOSTILE, " ", "~", "yes", "- a", "0x1"], HOSTILE)
def test_every_value_reads_back_as_it_was(files: list[str], site: str) -> None:
    wrote, read = drafted(make_manifest(), requirements=files, site=site, pyproject={"file": site})
    assert read == wrote


@given(st.text(), st.dictionaries(st.just("torch"), st.text()))
@example("Linux\nname: other", {"torch": "1\nbase: other\x1b[0m\x00"})
def test_no_remark_about_the_base_becomes_a_value(system: str, packages: dict[str, str]) -> None:
    # Manifests have no such versions; what writes recipes does not rely on that.
    wrote, read = drafted(make_manifest(system=system).model_copy(update={"packages": packages}))
    assert read == wrote


@given(st.text())
def test_a_comment_is_a_comment_on_each_of_its_lines(text: str) -> None:
    assert all(line.startswith("# ") and line.isprintable() for line in comment(text).split("\n") if line)
