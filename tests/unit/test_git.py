"""From an address of git to a commit, a version, and the source file that EasyBuild makes of it too."""

import os
import re
from pathlib import Path

import pytest
from easybuild.tools import filetools

from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.lock.commit import Commit, read_commit, subfolder
from ebsif.lock.pip.git import Repository, pack, pack_again, read_repository, version_of, write_archive
from tests.support import git
from tests.support.git import make_repository

QUIET = Console(quiet=True)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HOSTILE = [
    "https://example.org/o/$(id)",
    "https://example.org/o/`id`",
    "https://example.org/o/x;id",
    "https://example.org/o/x|id",
    "https://example.org/o/x&id",
    "https://example.org/o/x y",
    "https://example.org/o/x%20y",
    "https://example.org/o/'x'",
    "https://example.org/o/--upload-pack=id",
    "https://example.org/o/-x",
    "https://-oProxyCommand=id/o/x",
    "ssh://-oProxyCommand=id/o/x",
    "ssh://a@-oProxyCommand/o/x",
    "ext::sh -c id",
    "ext::sh://o/x",
    "https://example.org/o/.",
    "https://example.org/o/..",
    "https://example.org/o/x.git.git",
    "ftp://example.org/o/x",
    "/tmp/x",
    "https://example.org",
]


@pytest.mark.parametrize(
    ("address", "repository"),
    [
        ("git+https://example.org/o/x.git", Repository("https://example.org/o", "x")),
        ("git+https://example.org/o/x", Repository("https://example.org/o", "x")),
        ("git+https://example.org:8443/a/b/x.git@v1.0", Repository("https://example.org:8443/a/b", "x", "v1.0")),
        ("git+ssh://git@example.org/o/x.git@feature/a", Repository("ssh://git@example.org/o", "x", "feature/a")),
        ("git+ssh://example.org:22/~me/x", Repository("ssh://example.org:22/~me", "x")),
        ("git+file:///srv/git/x.git", Repository("file:///srv/git", "x")),
        (f"git+https://example.org/x@{COMMIT}#egg=y", Repository("https://example.org", "x", COMMIT)),
        (
            "git+https://example.org/o/x@main#egg=y&subdirectory=python/y",
            Repository("https://example.org/o", "x", "main", "python/y"),
        ),
    ],
)
def test_an_address_is_read_as_pip_reads_it(address: str, repository: Repository) -> None:
    assert read_repository(address) == repository


@pytest.mark.parametrize("address", HOSTILE)
def test_what_means_something_to_a_shell_or_to_git_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"cannot clone|no branch|question mark"):
        read_repository(f"git+{address}")
    url, _, name = address.rpartition("/")
    with pytest.raises(ValueError, match="cannot clone"):
        Commit(url, name, COMMIT)


def test_gits_own_short_form_of_an_address_is_refused_with_the_long_one() -> None:
    with pytest.raises(ValueError, match=r"write git\+ssh://git@example\.org/o/x\.git$"):
        read_repository("git+git@example.org:o/x.git")


@pytest.mark.parametrize(("url", "name"), [("https://example.org/o", "x\nid"), ("https://example.org/o\n", "x")])
def test_no_line_has_another_behind_it(url: str, name: str) -> None:
    with pytest.raises(ValueError, match="cannot clone"):
        Commit(url, name, COMMIT)


@pytest.mark.parametrize(
    "ref", ["-x", "--upload-pack=id", "a b", "$(id)", "a;b", "main:x", "a..b", "x^{/y}", "x~1", "x@{1}"]
)
def test_what_is_no_branch_tag_or_commit_is_refused(ref: str) -> None:
    with pytest.raises(ValueError, match=r"is no branch, tag or commit|cannot clone"):
        read_repository(f"git+https://example.org/o/x@{ref}")


@pytest.mark.parametrize("path", ["..", "../x", "a/../b", "a//b", "/a", "-x", "a b", "$(id)", "", "."])
def test_a_folder_outside_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not the path of a folder in a source package"):
        subfolder(path)


def test_what_an_easyconfig_says_of_a_commit_is_read_back() -> None:
    commit = Commit("https://example.org/o", "x", COMMIT, recursive=True)
    assert read_commit(commit.config()) == commit
    assert commit.config() == {
        "url": "https://example.org/o",
        "repo_name": "x",
        "commit": COMMIT,
        "recursive": True,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"commit": "main"},
        {"commit": COMMIT[:-1]},
        {"commit": "; id #"},
        {"tag": "v1"},
        {"clone_into": "/etc"},
        {"extra_config_params": ["core.sshCommand=id"]},
        {"recursive": "yes"},
        {"url": 1},
    ],
)
def test_what_ebsif_does_not_write_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"git_config|cannot clone|full hash"):
        read_commit({"url": "https://example.org/o", "repo_name": "x", "commit": COMMIT, **changes})


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_archive_is_the_one_of_easybuild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    monkeypatch.setattr(filetools, "build_option", lambda _: False)
    tree = tmp_path / "repo"
    before = os.umask(umask)
    try:
        for name in ("a/b.py", "a-b.py", "a.py", "é.py", ".gitattributes", "x/.github/y.yml", ".git/config", "s/.git"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(name)
        (tree / "a.py").chmod(0o755 & ~umask)
        (tree / "link.py").symlink_to("a/b.py")
        (tree / "folder").symlink_to("a")
        Path(os.fsdecode(os.fsencode(tree) + b"/latin-\xe9.py")).write_text("")
        write_archive(tree, tmp_path / "ours.tar.xz")
        theirs = Path(filetools.make_archive(str(tree), archive_file="theirs.tar.xz", archive_dir=str(tmp_path)))
    finally:
        os.umask(before)
    assert (tmp_path / "ours.tar.xz").read_bytes() == theirs.read_bytes()


def test_a_ref_becomes_a_commit_a_branch_before_a_tag(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, "x")
    first = repository.commit({"a": "1"}, tag="same")
    git.git(repository.tree, "branch", "feature/b")
    second = repository.commit({"a": "2"}, tag="v2")
    git.git(repository.tree, "branch", "same")
    repository.push()
    url = tmp_path.as_uri()

    def commit(ref: str | None) -> str:
        (tmp_path / "packed").mkdir(exist_ok=True)
        return pack(Repository(url, "x", ref), tmp_path / "packed", QUIET).commit.commit

    assert [commit(ref) for ref in (None, "main", "v2", "same", second[:8])] == [second] * 5
    assert [commit(ref) for ref in ("feature/b", first)] == [first] * 2
    with pytest.raises(EbsifError, match=r"/x\.git has no branch, tag or commit v3"):
        commit("v3")


def test_the_same_commit_gives_the_same_archive_and_one_that_is_gone_says_so(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, "x")
    repository.commit({"a": "1"})
    gone = repository.commit({"a": "2", "b/c": "3"})
    packed = pack(Repository(tmp_path.as_uri(), "x"), tmp_path, QUIET)
    bytes_before = packed.archive.read_bytes()
    assert pack_again(packed.commit, tmp_path, QUIET).read_bytes() == bytes_before
    git.git(repository.tree, "reset", "--quiet", "--hard", "HEAD~1")
    repository.push()
    with pytest.raises(EbsifError, match=f"the commit {gone} is not in {tmp_path.as_uri()}/x.git any more: its branch"):
        pack_again(packed.commit, tmp_path, QUIET)


def test_a_repository_that_is_not_there_is_named_with_what_easybuild_needs(tmp_path: Path) -> None:
    with pytest.raises(EbsifError) as caught:
        pack(Repository(tmp_path.as_uri(), "nope"), tmp_path, QUIET)
    assert str(caught.value).startswith(f"git cannot clone {tmp_path.as_uri()}/nope.git: fatal: ")
    assert str(caught.value).endswith("EasyBuild must be able to clone it, too, and always adds .git to the address")


def test_files_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    make_repository(tmp_path, "x").commit({"a.bin": "version", ".gitattributes": "*.bin filter=lfs diff=lfs -text\n"})
    with pytest.raises(EbsifError, match="keeps files in Git LFS"):
        pack(Repository(tmp_path.as_uri(), "x"), tmp_path, QUIET)


def test_tags_give_the_version_as_setuptools_scm_has_it(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, "x")
    first = repository.commit({"a": "1"})
    assert version_of(repository.tree, "HEAD") == f"0.1.dev1+g{first[:9]}"
    git.git(repository.tree, "tag", "other")
    git.git(repository.tree, "tag", "release-v1.2.3")
    assert version_of(repository.tree, "HEAD") == "1.2.3"
    second = repository.commit({"a": "2"})
    assert version_of(repository.tree, "HEAD") == f"1.2.4.dev1+g{second[:9]}"
    assert version_of(repository.tree, first) == "1.2.3"
    git.git(repository.tree, "tag", "v2.0rc1")
    assert version_of(repository.tree, "--dirty") == "2.0rc1"
    (repository.tree / "a").write_text("3")
    assert version_of(repository.tree, "--dirty") == f"2.0.dev0+g{second[:9]}.dirty"


def test_git_is_not_led_astray_by_the_git_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path, "x")
    commit = repository.commit({"a": "1"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert re.fullmatch(rf"0\.1\.dev1\+g{commit[:9]}", version_of(repository.tree, "HEAD"))
