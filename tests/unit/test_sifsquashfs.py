"""The digest of a layer tells its content, and nothing else."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from easybuild.easyblocks.generic._sifsquashfs import content_digest, normalise_permissions

from tests.easyblocks.users import folder_for_all


def make_tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("#!/bin/sh\n")
    (root / "bin" / "tool").chmod(0o750)
    (root / "bin" / "link").symlink_to("tool")
    (root / "data").write_text("text")
    (root / "data").chmod(0o600)
    return root


def test_digest_does_not_depend_on_place_and_time(tmp_path: Path) -> None:
    one, two = make_tree(tmp_path / "one"), make_tree(tmp_path / "elsewhere" / "two")
    os.utime(two / "data", (0, 0))
    assert content_digest(str(one)) == content_digest(str(two))


def test_digest_of_known_content(tmp_path: Path) -> None:
    """Those that were written down stay valid, whatever else changes."""
    tree = make_tree(tmp_path / "tree")
    (tree / "bin").chmod(0o755)
    (tree / "güneş").touch()
    (tree / "güneş").chmod(0o644)
    assert content_digest(str(tree)) == "84d9c333ef2308d81d32a74f5181a27a8ce9950f2c5c96224dcd053b5cb54b86"


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "data").write_text("tex"),
        lambda tree: (tree / "data").chmod(0o700),
        lambda tree: (tree / "data").rename(tree / "date"),
        lambda tree: (tree / "empty").mkdir(),
        lambda tree: (tree / "bin" / "link").unlink(),
    ],
    ids=["content", "permissions", "name", "folder", "link"],
)
def test_digest_changes_with_everything_else(tmp_path: Path, change: Callable[[Path], object]) -> None:
    tree = make_tree(tmp_path / "tree")
    before = content_digest(str(tree))
    change(tree)
    assert content_digest(str(tree)) != before


def test_digest_changes_with_the_target_of_a_link(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    before = content_digest(str(tree))
    (tree / "bin" / "link").unlink()
    (tree / "bin" / "link").symlink_to("../data")
    assert content_digest(str(tree)) != before


def test_permissions_become_those_of_umask_022(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "bin").chmod(0o2770)
    normalise_permissions(str(tree))
    modes = {name: (tree / name).stat().st_mode & 0o7777 for name in ("bin", "bin/tool", "data")}
    assert modes == {"bin": 0o755, "bin/tool": 0o755, "data": 0o644}


def test_what_is_no_file_and_what_runs_as_another_user_is_odd(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    os.mkfifo(tree / "bin" / "pipe")
    (tree / "bin" / "tool").chmod(0o6755)
    odd = normalise_permissions(str(tree))
    assert {path: stat.filemode(mode) for path, mode in odd.items()} == {
        "bin/pipe": "prw-r--r--", "bin/tool": "-rwsr-sr-x"
    }  # fmt: skip
    assert stat.filemode((tree / "bin" / "tool").stat().st_mode) == "-rwxr-xr-x"


def test_folders_of_a_project_that_hand_on_their_group_are_not_odd(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "bin").chmod(0o2770)
    assert normalise_permissions(str(tree)) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
def test_what_nobody_may_read_is_readable_afterwards() -> None:
    with folder_for_all() as folder:
        tree = make_tree(folder / "tree")
        for path in [tree, *tree.rglob("*")]:
            os.chown(path, 65534, 65534, follow_symlinks=False)
        (tree / "bin" / "tool").chmod(0)
        (tree / "bin").chmod(0)
        os.seteuid(65534)
        try:
            normalise_permissions(str(tree))
            assert (tree / "bin" / "tool").read_text() == "#!/bin/sh\n"
        finally:
            os.seteuid(0)
