"""Colleagues rebuild in the folder of their project: it is refused before anything is done, or leaves nothing half."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import update_build_option

from tests.easyblocks.test_publishing import Place
from tests.easyblocks.users import folder_for_all

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")

GROUP = 54321
ANNA, BERT, CARL = 54001, 54002, 54003


@contextmanager
def being(user: int, umask: int, project: Path) -> Iterator[None]:
    """Be a user of the group."""
    groups, mask = os.getgroups(), os.umask(umask)
    os.setgroups([GROUP])
    os.setegid(GROUP)
    os.seteuid(user)
    # Each has an easyconfig of their own.
    for path in project.glob("*.eb"):
        path.unlink()
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        os.umask(mask)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


@pytest.fixture
def place(tmp_path: Path, configure: Callable[..., None]) -> Place:
    """The folder of a project."""
    project = tmp_path / "project"
    for name in ("modules/all", "software"):
        (project / name).mkdir(parents=True)
    for folder in [project, *project.rglob("*")]:
        os.chown(str(folder), -1, GROUP)
        folder.chmod(0o2770)
    configure("--prefix=%s" % project)
    update_build_option("generate_devel_module", False)
    Path(tempfile.gettempdir()).chmod(0o777)
    return Place(project)


def names(place: Place) -> List[str]:
    return sorted(path.name for path in place.software.iterdir()) if place.software.exists() else []


@pytest.mark.parametrize("umask", [0o002, 0o007])
def test_where_the_group_may_write_each_rebuilds_what_another_has_installed(place: Place, umask: int) -> None:
    for user in (ANNA, BERT, CARL, ANNA):
        with being(user, umask, place.prefix):
            place.install(str(user))
        assert place.seen() == (str(user), str(user))
        assert set(names(place)) <= {".1.0.old", "1.0"}


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_where_it_may_not_a_rebuild_is_refused_and_the_owner_goes_on(place: Place, umask: int) -> None:
    with being(ANNA, umask, place.prefix):
        place.install("old")
    refusal = "which belongs to user %d: ask them" % ANNA
    with being(BERT, umask, place.prefix), pytest.raises(EasyBuildError, match=refusal):
        place.install("new")
    assert place.seen() == ("old", "old")
    assert names(place) == ["1.0"]
    with being(ANNA, umask, place.prefix):
        place.install("new")
    assert place.seen() == ("new", "new")


@pytest.mark.parametrize("mode", [0o2750, 0o700])
def test_a_folder_anywhere_in_the_installation_that_could_not_be_removed_is_named(place: Place, mode: int) -> None:
    with being(ANNA, 0o002, place.prefix):
        place.install("old")
        closed = place.installation / "bin" / "deep" / "closed"
        closed.mkdir(parents=True)
        closed.chmod(mode)
    with being(BERT, 0o002, place.prefix), pytest.raises(EasyBuildError, match="You may not change %s" % closed):
        place.install("new")
    assert place.seen() == ("old", "old")


def test_what_its_user_has_filled_stays_theirs(place: Place) -> None:
    with being(ANNA, 0o002, place.prefix):
        place.install("old")
        (place.installation / "filled" / "by-user").mkdir(mode=0o700)
    with being(BERT, 0o002, place.prefix):
        place.install("new")
    assert place.seen() == ("new", "new")
    assert (place.installation / "filled" / "by-user").stat().st_uid == ANNA


def test_where_the_module_of_a_class_would_be_is_named_before_anything_is_done(place: Place) -> None:
    links = place.prefix / "modules" / "base"
    links.mkdir(mode=0o755)
    with being(ANNA, 0o002, place.prefix), pytest.raises(EasyBuildError, match="You may not change %s, " % links):
        place.install("new")
    assert names(place) == []


def test_a_link_of_a_class_that_is_there_needs_no_change(place: Place) -> None:
    with being(ANNA, 0o002, place.prefix):
        place.install("old")
    (place.prefix / "modules" / "base" / "demo").chmod(0o755)
    with being(BERT, 0o002, place.prefix):
        place.install("new")
    assert place.seen() == ("new", "new")


@pytest.mark.parametrize(
    ("folder", "named"),
    [
        ("software/demo", "software/demo/1.0"),
        ("software/demo/1.0", "software/demo/1.0/"),
        ("software/demo/1.0/bin", "software/demo/1.0/bin/hello"),
    ],
)
def test_what_only_its_owner_may_move_is_named(place: Place, folder: str, named: str) -> None:
    with being(ANNA, 0o002, place.prefix):
        place.install("old")
        for path in (place.installation / "bin", place.installation / "runscripts", place.installation / "filled"):
            path.chmod(0o2775)
    (place.prefix / folder).chmod(0o3775)
    refusal = "You may not change %s[^ ]*, which belongs to user %d" % (place.prefix / named, ANNA)
    with being(BERT, 0o002, place.prefix), pytest.raises(EasyBuildError, match=refusal):
        place.install("new")
    assert place.seen() == ("old", "old")
    with being(ANNA, 0o002, place.prefix):
        place.install("new")
    assert place.seen() == ("new", "new")


def test_an_installation_that_is_read_only_is_rebuilt_by_its_owner_again_and_again(place: Place) -> None:
    for content in ("1", "2", "3"):
        with being(ANNA, 0o002, place.prefix):
            place.install(content)
            for path in [place.installation, *place.installation.rglob("*")]:
                path.chmod(path.stat().st_mode & ~0o222)
        assert place.seen() == (content, content)
        assert set(names(place)) <= {".1.0.old", "1.0"}


def test_a_folder_for_modules_that_is_somebody_elses_is_named_before_anything_is_done(place: Place) -> None:
    modules = place.prefix / "modules" / "all"
    modules.chmod(0o755)
    with being(ANNA, 0o002, place.prefix), pytest.raises(EasyBuildError, match="You may not change %s, " % modules):
        place.install("new")
    assert names(place) == []
