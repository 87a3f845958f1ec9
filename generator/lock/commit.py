"""A commit of a git repository, as easyconfigs name it."""

import re
from dataclasses import dataclass
from typing import Any

from ebsif.inside.text import FOLDER_WITHIN

# EasyBuild joins what it clones into a line for a shell: no character in these means anything there, and none begins an
# option.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.~+-]*"
_CLONED_FROM = re.compile(
    rf"(?:(?:https?|git)://{_NAME}|ssh://(?:{_NAME}@)?{_NAME}|file://)(?::[0-9]+)?(?:/[A-Za-z0-9_.~@:+-]+)*"
)
_CLONED = re.compile(rf"{_NAME}(?<!\.git)")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class Commit:
    """A commit of a git repository, by what EasyBuild makes a source file of it.

    Parameters
    ----------
    url, repo_name
        The two parts of the address, which is ``url/repo_name.git`` always.
    commit
        Its hash.
    recursive
        Whether its submodules belong to it.

    Raises
    ------
    ValueError
        When one is more than what `git` understands, and a shell passes on as it is.
    """

    url: str
    repo_name: str
    commit: str
    recursive: bool = False

    def __post_init__(self) -> None:
        check_address(self.url, self.repo_name)
        if not _COMMIT.fullmatch(self.commit):
            raise ValueError(f"{self.commit!r} is not the full hash of a commit")

    @property
    def address(self) -> str:
        """What git clones."""
        return address_of(self.url, self.repo_name)

    def config(self) -> dict[str, Any]:
        """Return it as the ``git_config`` of a source file."""
        more = {"recursive": True} if self.recursive else {}
        return {"url": self.url, "repo_name": self.repo_name, "commit": self.commit, **more}


def read_commit(config: Any) -> Commit:
    """Return what the ``git_config`` of a source file names; raises ValueError as `Commit` does."""
    match config:
        case {"url": str(url), "repo_name": str(name), "commit": str(commit), **more}:
            if more in ({}, {"recursive": True}):
                return Commit(url, name, commit, bool(more))
    raise ValueError(f"git_config is {config!r}, and not url, repo_name and commit")


def address_of(url: str, repo_name: str) -> str:
    """Return the address that EasyBuild clones a repository from."""
    return f"{url}/{repo_name}.git"


def check_address(url: str, repo_name: str) -> None:
    """Refuse the address of a repository that cannot be passed on as it is; raises ValueError."""
    if not (_CLONED_FROM.fullmatch(url) and _CLONED.fullmatch(repo_name)):
        raise ValueError(
            f"EasyBuild cannot clone {address_of(url, repo_name)}: it takes https://, ssh:// and file://, letters, "
            "digits and any of -._~/:@+"
        )


def subfolder(path: str) -> str:
    """Return the path of a folder within a source package.

    Raises
    ------
    ValueError
        When it is none, or leads out of that.
    """
    if not re.fullmatch(FOLDER_WITHIN, path):
        raise ValueError(f"{path!r} is not the path of a folder in a source package: letters, digits and any of /_.+-")
    return path
