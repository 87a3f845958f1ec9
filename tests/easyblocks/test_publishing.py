"""An installation and its module take their place together, whatever fails, and at whatever moment it is killed."""

import shutil
from pathlib import Path
from typing import Callable, List, Optional, Tuple

import pytest
from easybuild.easyblocks.generic import stagedeasyblock
from easybuild.easyblocks.generic.stagedeasyblock import StagedEasyBlock
from easybuild.framework.easyconfig.easyconfig import EasyConfig
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import update_build_option

from tests.easyblocks.faults import happened, have_a_broken_disk, have_no_space, lose_power
from tests.easyblocks.staged import install

EASYCONFIG = """
easyblock = 'StagedEasyBlock'
name = 'demo'
version = '1.0'
homepage = 'https://example.org'
description = 'A demo'
toolchain = SYSTEM
sources = []
modluafooter = '-- module of %s'
"""
# A flag that no file system knows.
UNKNOWN_FLAG = 1 << 20


class Demo(StagedEasyBlock):  # type: ignore[misc]
    """An installation with a folder for its user, and one that processes look into."""

    def user_data(self) -> List[str]:
        return ["filled"]

    def kept_folders(self) -> List[str]:
        return ["runscripts"]


class Place:
    """A prefix of EasyBuild, in which an installation of a kind of content is tried."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.software = prefix / "software" / "demo"
        self.installation = self.software / "1.0"

    def install(self, content: str) -> None:
        """Do what `eb --rebuild` does."""
        path = self.prefix / "demo.eb"
        path.write_text(EASYCONFIG % content)
        block = Demo(EasyConfig(str(path)))

        def steps() -> None:
            block.make_installdir()
            for name in ("bin/hello", "runscripts/start.sh", "what", "filled/by-eb"):
                target = Path(block.installdir, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content)
            block.make_module_step()

        install(block, steps)

    def seen(self) -> Tuple[Optional[str], Optional[str]]:
        """Return whose module somebody finds who loads it, and whose installation; None where there is none."""
        among_all, in_its_class = (whose(self.prefix / "modules" / folder / "demo") for folder in ("all", "base"))
        assert among_all == in_its_class
        what = self.installation / "what"
        return among_all, what.read_text() if what.exists() else None


def whose(modules: Path) -> Optional[str]:
    """Return whose module is in a folder; None where there is none."""
    found = [path for path in modules.glob("[!.]*") if path.exists()]
    return found[0].read_text().rstrip("\n").split("-- module of ")[-1] if found else None


@pytest.fixture(params=["at once", "one by one"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    configure: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """A file system that exchanges folders, and one that does not."""
    if request.param == "one by one":
        monkeypatch.setattr(stagedeasyblock, "RENAME_EXCHANGE", UNKNOWN_FLAG)
    configure()
    update_build_option("generate_devel_module", False)
    return Place(tmp_path)


@pytest.mark.parametrize("end", [lose_power, have_no_space, have_a_broken_disk])
def test_whoever_loads_the_module_has_the_old_or_the_new_one_with_its_installation(
    place: Place, end: Callable[[], None]
) -> None:
    place.install("old")
    (place.installation / "filled" / "by-user").write_text("mine")
    before = place.prefix / "before"
    for name in ("software", "modules"):
        shutil.copytree(str(place.prefix / name), str(before / name), symlinks=True)
    seen = []
    number = 1
    while happened(lambda: place.install("new"), end, number, EasyBuildError, (stagedeasyblock, "exchange")):
        # The file system may need two renames for it.
        between = place.seen() == (None, None) and stagedeasyblock.RENAME_EXCHANGE == UNKNOWN_FLAG
        assert between or place.seen() in {("old", "old"), ("new", "new")}, number
        seen.append(place.seen())
        place.install("next")
        assert place.seen() == ("next", "next")
        assert (place.installation / "filled" / "by-user").read_text() == "mine"
        assert {path.name for path in place.software.iterdir()} == {".1.0.old", "1.0"}
        assert [path.name for path in (place.software / ".1.0.old").iterdir()] == ["runscripts"]
        for name in ("software", "modules"):
            shutil.rmtree(str(place.prefix / name))
            shutil.copytree(str(before / name), str(place.prefix / name), symlinks=True)
        number += 1
    assert place.seen() == ("new", "new")
    assert {("old", "old"), ("new", "new")} <= set(seen)
