"""Versions share one file for their image: it comes when it was verified, stays as it is, and goes with the last."""

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import pytest
from easybuild.easyblocks.generic import sifimage, stagedeasyblock
from easybuild.easyblocks.generic.sifcontainer import SifContainer
from easybuild.framework.easyconfig.easyconfig import EasyConfig
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import update_build_option

from tests.easyblocks.faults import be_killed, have_no_space
from tests.easyblocks.staged import install
from tests.easyblocks.test_shared_folders import ANNA, BERT, GROUP, being
from tests.easyblocks.users import folder_for_all

EASYCONFIG = """
easyblock = 'SifContainer'
name = 'demo'
version = '%s'
homepage = 'https://example.org'
description = 'A demo'
toolchain = SYSTEM
sources = ['image.sif']
checksums = %r
image_install = '%s'
activation_env = {}
"""
NAME = "image.sif"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")


class Place:
    """A prefix of EasyBuild, into which versions are installed whose images are any files."""

    def __init__(self, prefix: Path) -> None:
        self.software = prefix / "software" / "demo"
        self.prefix = prefix

    def install(self, version: str, image: bytes, how: str = "share", *, stated: Optional[List[Any]] = None) -> None:
        """Do what `eb --rebuild` does, but for looking at the image."""
        source = self.prefix / NAME
        source.write_bytes(image)
        if stated is None:
            stated = [sha256(image)]
        path = self.prefix / "demo.eb"
        path.write_text(EASYCONFIG % (version, stated, how))
        block = SifContainer(EasyConfig(str(path)))

        def steps() -> None:
            block.src = [{"path": str(source), "name": NAME, "checksum": stated[0] if stated else None}]
            block.checksum_step()
            block.make_installdir()
            block.install_step()
            assert block.check_image() == []
            block.make_module_step()

        install(block, steps)

    def image(self, version: str) -> Path:
        return self.software / version / NAME

    def shared(self) -> List[bytes]:
        """Return what lies among the shared images."""
        return sorted(path.read_bytes() for path in (self.software / ".images").glob("*/*"))

    def names(self) -> List[str]:
        return sorted(path.name for path in self.software.iterdir())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tmp_path() -> Any:
    with folder_for_all() as folder:
        yield folder


@pytest.fixture
def place(tmp_path: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Place:
    configure()
    update_build_option("generate_devel_module", False)
    monkeypatch.setattr(SifContainer, "image_identity", lambda self: "")
    return Place(tmp_path)


def test_versions_lead_to_one_file_by_relative_links(place: Place) -> None:
    for version in ("1", "2"):
        place.install(version, b"image")
        assert os.readlink(str(place.image(version))) == "../.images/%s/%s" % (sha256(b"image"), NAME)
    assert place.shared() == [b"image"]


def test_a_second_version_reads_the_shared_file_and_writes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install("1", b"image")
    before = place.image("1").stat().st_mtime_ns
    monkeypatch.delattr(sifimage, "copy_and_hash")
    place.install("2", b"image")
    assert place.image("2").samefile(place.image("1"))
    assert place.image("2").stat().st_mtime_ns == before


@pytest.mark.parametrize("option", ["group_writable_installdir", "read_only_installdir"])
def test_no_version_makes_it_writable(place: Place, option: str) -> None:
    update_build_option(option, True)
    place.install("1", b"image")
    assert stat.S_IMODE(place.image("1").stat().st_mode) == 0o444


@pytest.mark.parametrize(("how", "times"), [("copy", 0), ("link", 1), ("share", 0)])
def test_what_was_verified_is_not_read_again_for_the_sanity_check(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str, times: int
) -> None:
    read: List[str] = []
    compute = sifimage.compute_checksum

    def counted(path: str, **options: Any) -> Any:
        read.append(path)
        return compute(path, **options)

    monkeypatch.setattr(sifimage, "compute_checksum", counted)
    place.install("1", b"image", how)
    assert len(read) == times


def test_another_image_leaves_the_old_one_for_the_versions_that_use_it(place: Place) -> None:
    place.install("1", b"image")
    place.install("2", b"image")
    place.install("1", b"newer image")
    assert place.shared() == [b"image", b"newer image"]
    assert [place.image(version).read_bytes() for version in ("1", "2")] == [b"newer image", b"image"]


@pytest.mark.parametrize("how", ["share", "copy", "link"])
def test_it_goes_with_the_last_version_that_uses_it(place: Place, how: str) -> None:
    place.install("1", b"image")
    place.install("1", b"newer image", how)
    assert place.image("1").read_bytes() == b"newer image"
    assert place.shared() == ([b"newer image"] if how == "share" else [])


def test_it_goes_with_the_next_installation_where_the_last_version_was_removed_by_hand(place: Place) -> None:
    place.install("1", b"image")
    place.install("2", b"other image", "copy")
    assert place.shared() == [b"image"]
    shutil.rmtree(str(place.software / "1"))
    place.install("2", b"other image", "copy")
    assert place.names() == [".2.old", "2"]


def test_it_stays_for_a_version_that_was_renamed_by_hand(place: Place) -> None:
    place.install("1", b"image")
    (place.software / "1").rename(place.software / "aside")
    place.install("2", b"other image", "copy")
    assert place.image("aside").read_bytes() == b"image"


def test_who_has_it_open_goes_on(place: Place) -> None:
    place.install("1", b"image")
    with place.image("1").open("rb") as file:
        place.install("1", b"newer image")
        assert file.read() == b"image"


def test_one_that_is_damaged_is_replaced_for_all_versions(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("1", "2"):
        place.install(version, b"image")
    place.image("1").chmod(0o644)
    place.image("1").write_bytes(b"egami")
    place.install("2", b"image")
    assert [place.image(version).read_bytes() for version in ("1", "2")] == [b"image", b"image"]
    assert stat.S_IMODE(place.image("1").stat().st_mode) == 0o444
    assert "or is damaged: it gets replaced" in capsys.readouterr().err


def test_what_is_not_the_image_of_the_easyconfig_never_gets_among_them(place: Place) -> None:
    with pytest.raises(EasyBuildError, match=r"Checksum verification for .* failed"):
        place.install("1", b"image", stated=[sha256(b"another")])
    assert place.names() == []


@pytest.mark.parametrize("stated", [[], [sha256(b"another")]], ids=["no checksum", "another that is ignored"])
def test_it_lies_by_its_own_sha256(place: Place, stated: List[Any]) -> None:
    update_build_option("ignore_checksums", True)
    place.install("1", b"image", stated=stated)
    assert place.image("1").resolve().parent.name == sha256(b"image")
    assert [path.name for path in (place.software / ".images").iterdir()] == [sha256(b"image")]


def test_a_frozen_image_that_is_a_link_is_shared_by_its_bytes(place: Place) -> None:
    (place.prefix / "target").write_bytes(b"image")
    (place.prefix / NAME).symlink_to("target")
    place.install("1", b"image")
    (place.prefix / "target").unlink()
    assert place.shared() == [b"image"]


def test_it_is_not_for_one_group_alone(place: Place) -> None:
    update_build_option("group", "root")
    with pytest.raises(EasyBuildError, match="an image that versions share cannot be for the group root alone"):
        place.install("1", b"image")


# What changes something of shared images; test_publishing.py has all else that an installation changes.
STEPS = [(sifimage, "lead_to"), (sifimage, "share"), (os, "symlink"), (stagedeasyblock, "exchange"),
         (sifimage, "remove_unused")]  # fmt: skip


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("step", STEPS, ids=[name for _, name in STEPS])
def test_killed_at_any_step_versions_have_their_image_and_the_next_installation_leaves_no_other(
    place: Place, step: Tuple[Any, str], late: bool
) -> None:
    for version in ("1", "2"):
        place.install(version, b"old")
    assert is_killed(lambda: place.install("1", b"new"), *step, late=late)
    assert place.image("1").read_bytes() in (b"old", b"new")
    assert place.image("2").read_bytes() == b"old"
    for version in ("1", "2"):
        place.install(version, b"newest")
    assert place.shared() == [b"newest"]


def is_killed(work: Callable[[], Any], owner: Any, name: str, *, late: bool) -> bool:
    """Work in another process, which is killed when it first calls a function; return whether it was."""
    child = os.fork()
    if child == 0:
        function = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> None:
            if late:
                function(*arguments, **options)
            be_killed()

        setattr(owner, name, call)
        try:
            work()
        finally:
            os._exit(1)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_one_that_could_not_be_copied_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.install("1", b"old")
    monkeypatch.setattr(sifimage, "share", lambda *_: have_no_space())
    with pytest.raises(OSError, match="No space left"):
        place.install("2", b"new")
    assert place.names() == [".images", "1"]
    assert place.shared() == [b"old"]


def test_another_installation_leaves_an_image_that_a_new_version_is_about_to_use(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install("1", b"image")
    shutil.rmtree(str(place.software / "1"))
    found = sifimage.compute_checksum

    def meanwhile(path: str, **options: Any) -> Any:
        monkeypatch.setattr(sifimage, "compute_checksum", found)
        place.install("2", b"other image", "copy")
        (place.prefix / NAME).write_bytes(b"image")
        return found(path, **options)

    monkeypatch.setattr(sifimage, "compute_checksum", meanwhile)
    place.install("3", b"image")
    assert place.image("3").read_bytes() == b"image"


@pytest.fixture
def project(place: Place) -> Place:
    """The folder of a group."""
    for name in ("modules/all", "modules", "software", "."):
        folder = place.prefix / name
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(str(folder), -1, GROUP)
        folder.chmod(0o2770)
    place.prefix.chmod(0o2775)
    Path(tempfile.gettempdir()).chmod(0o777)
    return place


@only_root
@pytest.mark.parametrize("umask", [0o002, 0o007])
def test_who_shares_what_a_colleague_has_brought_keeps_it_when_they_leave(project: Place, umask: int) -> None:
    with being(ANNA, umask, project.prefix):
        project.install("1", b"image")
        (project.prefix / NAME).unlink()
    with being(BERT, umask, project.prefix):
        project.install("2", b"image")
        (project.prefix / NAME).unlink()
    with being(ANNA, umask, project.prefix):
        project.install("1", b"newer image")
        (project.prefix / NAME).unlink()
    assert project.shared() == [b"image", b"newer image"]
    with being(BERT, umask, project.prefix):
        assert project.image("2").read_bytes() == b"image"
        project.install("2", b"newer image")
    assert project.shared() == [b"newer image"]


@only_root
def test_where_images_come_is_looked_at_before_anything_is_done(project: Place) -> None:
    with being(ANNA, 0o002, project.prefix):
        project.install("1", b"image")
        (project.software / ".images").chmod(0o755)
        (project.prefix / NAME).unlink()
    refusal = "You may not change %s, which belongs to user %d" % (project.software / ".images", ANNA)
    with being(BERT, 0o002, project.prefix), pytest.raises(EasyBuildError, match=refusal):
        project.install("2", b"other image")
    assert project.names() == [".images", "1"]
