"""Folders of the user: which files belong to a project, and how a change is known."""

from pathlib import Path

import pytest

from ebsif.lock.pip.tree import Tree
from tests.support import git
from tests.support.git import package_files


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_with_git_the_files_are_those_that_it_tracks_or_would(tmp_path: Path) -> None:
    git.git(tmp_path, "init", "--quiet")
    write(tmp_path, "setup.py", "a/b.py", "new.py", "data/big.bin", "a/__pycache__/b.pyc")
    (tmp_path / ".gitignore").write_text("data/\n__pycache__/\n")
    git.git(tmp_path, "add", "setup.py", "a")
    assert Tree(tmp_path).files() == [".gitignore", "a/b.py", "new.py", "setup.py"]
    assert Tree(tmp_path / "a").files() == ["b.py"]
    (tmp_path / "a/b.py").unlink()
    assert Tree(tmp_path).files() == [".gitignore", "new.py", "setup.py"]


def test_without_git_what_programs_leave_does_not_belong_to_it(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "a/build/c.py", "build/old.py", "dist/x.whl", "x.egg-info/PKG-INFO", ".hidden")
    write(tmp_path, "a/__pycache__/b.pyc", ".mypy_cache/x", "env/pyvenv.cfg", "env/lib/y.py", ".git/config")
    assert Tree(tmp_path).files() == [".hidden", "a/build/c.py", "setup.py"]


def test_what_ebsif_makes_beside_it_does_not_belong_to_it(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "Demo-1.0.yml", "Demo-1.0.eb", "x.sif", "x.sif.manifest.json", "other.yml")
    assert Tree(tmp_path, tmp_path / "Demo-1.0.yml").files() == ["other.yml", "setup.py"]


def test_its_digest_tells_content_paths_and_programs(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "a.py")
    first = Tree(tmp_path).digest()
    (tmp_path / "__pycache__").mkdir()
    write(tmp_path, "__pycache__/a.pyc")
    (tmp_path / "a.py").touch()
    assert Tree(tmp_path).digest() == first
    found = {first}
    (tmp_path / "a.py").chmod(0o755)
    found.add(Tree(tmp_path).digest())
    (tmp_path / "a.py").write_text("b")
    found.add(Tree(tmp_path).digest())
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    found.add(Tree(tmp_path).digest())
    (tmp_path / "b.py").unlink()
    (tmp_path / "b.py").symlink_to("setup.py")
    found.add(Tree(tmp_path).digest())
    assert len(found) == 5


def test_a_copy_is_the_same_for_everybody(tmp_path: Path) -> None:
    write(tmp_path / "mine", "setup.py", "sub/run.sh")
    (tmp_path / "mine/sub/run.sh").chmod(0o700)
    (tmp_path / "mine/setup.py").chmod(0o600)
    (tmp_path / "mine/link").symlink_to("setup.py")
    Tree(tmp_path / "mine").copy(tmp_path / "copy")
    found = {
        str(path.relative_to(tmp_path / "copy")): oct(path.stat().st_mode & 0o777)
        for path in (tmp_path / "copy").rglob("*")
        if path.is_file()
    }
    assert found == {"setup.py": "0o644", "sub/run.sh": "0o755", "link": "0o644"}
    assert (tmp_path / "copy/link").is_symlink()
    assert (tmp_path / "copy/setup.py").stat().st_mtime == 315532800


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("pyproject.toml", '[project]\nname = "my-tool"\n', "my-tool"),
        ("pyproject.toml", '[tool.poetry]\nname = "my-tool"\n', "my-tool"),
        ("pyproject.toml", '[project]\ndynamic = ["name"]\n', None),
        ("pyproject.toml", "tool = 1\nproject = 2\n", None),
        ("pyproject.toml", "[project\n", None),
        ("setup.cfg", "[metadata]\nname = my-tool\n", "my-tool"),
        ("setup.cfg", "[metadata\n", None),
        ("setup.py", package_files("my-tool")["setup.py"], None),
    ],
)
def test_its_name_is_known_where_it_is_written_down(tmp_path: Path, file: str, text: str, name: str | None) -> None:
    (tmp_path / file).write_text(text)
    assert Tree(tmp_path).name == name
