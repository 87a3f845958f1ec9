"""`ebsif adopt`: what somebody has installed by hand becomes a recipe, and what cannot be taken over is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ebsif.adopt import Adopted, of_folder, of_freeze
from ebsif.base import store
from ebsif.cli import main
from ebsif.errors import EbsifError
from ebsif.recipe import read_recipe
from tests.support.manifests import make_manifest
from tests.support.wheels import make_wheel

BASE = {"torch": "2.13.0+cpu", "numpy": "2.4.6"}


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A venv into which pip has installed a package that needs another, as people do by hand."""
    packages = tmp_path / "user-software" / "venv" / "mine" / "lib" / "python3.12" / "site-packages"
    packages.mkdir(parents=True)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "needed", "1.0")
    make_wheel(wheels, "numpy", "2.4.6")
    make_wheel(wheels, "asked", "2.0", requires=["needed", "numpy"])
    words = ["-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels), "asked"]
    subprocess.run([sys.executable, *words, "--target", str(packages)], check=True)
    return tmp_path / "user-software"


def told(adopted: Adopted, what: str) -> list[str]:
    return [finding.found for finding in adopted.report if finding.what == what]


def packages_of(venv: Path) -> Path:
    return next(venv.rglob("site-packages"))


def test_what_was_asked_for_is_asked_for_and_all_versions_are_pinned(venv: Path) -> None:
    adopted = of_folder(venv, BASE, "3.12")
    assert (adopted.packages, adopted.pins) == (("asked",), ("asked==2.0", "needed==1.0"))
    assert told(adopted, "packages") == ["2 packages are taken over, 1 of them were asked for"]
    assert told(adopted, "base") == ["1 are in the base, in the same version"]


def test_another_version_than_the_bases_is_kept_and_told(venv: Path) -> None:
    adopted = of_folder(venv, {"NumPy": "1.26"}, "3.12")
    assert adopted.replaced == ("numpy",)
    assert told(adopted, "replaced") == ["numpy 2.4.6 replaces 1.26 of the base (`allow_base_packages`)"]


def test_a_version_may_be_written_in_another_way(venv: Path) -> None:
    assert of_folder(venv, {"numpy": "2.4.06.0"}, "3.12").replaced == ()


def test_another_python_is_told(venv: Path) -> None:
    (said,) = told(of_folder(venv, BASE, "3.11"), "Python")
    assert said.endswith("is for Python 3.12, and the base has 3.11: versions may differ")


@pytest.mark.parametrize(
    ("origin", "package", "left"),
    [
        (
            {"url": "https://x.example/a.git", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}, "subdirectory": "s"},
            f"asked @ git+https://x.example/a.git@{'c' * 40}#subdirectory=s",
            None,
        ),
        ({"url": "https://x.example/asked.zip", "archive_info": {}}, "asked @ https://x.example/asked.zip", None),
        ({"url": "file:///home/me/asked", "dir_info": {"editable": True}}, None, "asked: it was installed from file:///"),
        ({"url": "https://me:word@x.example/a.whl"}, None, "asked: its address holds a password or token"),
        ({"vcs_info": {}}, None, "asked 2.0: where it came from cannot be read ('url')"),
    ],
)
def test_where_a_package_came_from_is_taken_over_or_told(
    venv: Path, origin: dict[str, object], package: str | None, left: str | None
) -> None:
    (packages_of(venv) / "asked-2.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    adopted = of_folder(venv, BASE, "3.12")
    assert [text for text in adopted.packages if text.startswith("asked")] == ([package] if package else [])
    assert [text.startswith(left) for text in told(adopted, "left out") if left] == ([True] if left else [])


def test_files_that_no_package_has_brought_are_told(venv: Path) -> None:
    (packages_of(venv) / "mine.py").write_text("")
    assert told(of_folder(venv, BASE, "3.12"), "left out")[0].startswith("mine.py: no package has brought this into ")


def test_a_package_without_a_name_is_told(venv: Path) -> None:
    (packages_of(venv) / "needed-1.0.dist-info" / "METADATA").write_text("Version: 1.0\n")
    assert "has no name and version that pip accepts" in told(of_folder(venv, BASE, "3.12"), "left out")[0]


def test_a_folder_without_an_environment_is_refused_and_one_with_several(venv: Path, tmp_path: Path) -> None:
    with pytest.raises(EbsifError, match="must have one environment of Python, and has 0"):
        of_folder(tmp_path / "wheels", BASE, "3.12")
    (venv / "venv" / "other" / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    with pytest.raises(EbsifError, match=r"and has 2 \(.*mine.*other.*\): name one"):
        of_folder(venv, BASE, "3.12")


def test_an_environment_of_conda_is_for_ebsif_new(tmp_path: Path) -> None:
    (tmp_path / "miniconda" / "envs" / "x" / "conda-meta").mkdir(parents=True)
    with pytest.raises(EbsifError, match="`conda env export -p FOLDER` writes what `ebsif new --from-env` reads"):
        of_folder(tmp_path, BASE, "3.12")


FREEZE = """\
# Editable install with no version control (mine==0.1)
-e /home/me/mine
numpy @ file:///croot/numpy/work
torch==2.13.0+cpu
six==1.17.0
local @ file:///home/me/local
x @ git+https://x.example/x.git@0123456789012345678901234567890123456789
"""


def test_what_pip_freeze_lists_is_taken_over() -> None:
    adopted = of_freeze(FREEZE, BASE)
    assert adopted.packages == ("six", "x @ git+https://x.example/x.git@0123456789012345678901234567890123456789")
    assert adopted.pins == ("six==1.17.0",)
    assert told(adopted, "base") == ["2 are in the base, in the same version"]
    assert [text.split(":")[0] for text in told(adopted, "left out")] == ["-e /home/me/mine", "local"]


def test_a_recipe_and_its_constraints_are_written(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "demo-pytorch-cpu-python-3.12-pytorch-v2.13.0.sif"
    image.write_bytes(b"SIF")
    monkeypatch.setattr(store, "manifest_of", lambda *_: make_manifest(file=image.name, packages=BASE, python="3.12.3"))
    monkeypatch.setenv("EBSIF_IMAGES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["adopt", "PyTorch", str(venv), "--base", image.name, "--variant", "mine"]) == 0
    (path,) = tmp_path.glob("*.yml")
    recipe, _ = read_recipe(path)
    assert (recipe.packages, recipe.constraints) == (["asked"], [f"{path.stem}.constraints.txt"])
    assert (tmp_path / recipe.constraints[0]).read_text() == "asked==2.0\nneeded==1.0\n"
    assert "ok      2 packages are taken over, 1 of them were asked for" in capsys.readouterr().out
    assert main(["adopt", "PyTorch", str(venv), "--base", image.name, "--variant", "mine"]) == 2
    assert f"{path.name} is there already: choose another --variant" in capsys.readouterr().err
