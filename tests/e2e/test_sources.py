"""Packages that must be built, as a person uses them: from git, from an archive of a forge, and from a folder."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from tests.support import git
from tests.support.generator import Desk, make_desk, module_of
from tests.support.git import Forge, Repository, forge, make_repository, package_files
from tests.support.index import Index, serve
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine, easybuild, store

pytestmark = pytest.mark.e2e

# Its version is known to git alone.
FROM_GIT = """\
import os
from setuptools import setup
setup(name="tagged", version=os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"], py_modules=["tagged"])
"""
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "my-lib"
version = "1.0"
[project.scripts]
my-command = "my_lib:main"
[tool.setuptools]
package-dir = {"" = "src"}
"""


@dataclass(frozen=True)
class Place:
    """A module with packages that were built, and what they came from.

    Parameters
    ----------
    asked
        What the forge and the index were asked for while `eb` installed it.
    """

    desk: Desk
    forge: Forge
    tool: Repository
    recipe: Path
    asked: list[str]

    @property
    def easyconfig(self) -> Path:
        return self.recipe.with_suffix(".eb")

    @property
    def sources(self) -> Path:
        return self.desk.site.sources / "d" / "Demo" / "extensions"

    def python(self, code: str, before: str = "") -> str:
        return self.desk.loaded(module_of(self.easyconfig), f"{before}python3 -c '{code}'")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """What stands for the public index."""
    folder = tmp_path_factory.mktemp("index")
    (wheel,) = store.cache_root().glob("wheels-small-*/setuptools-*.whl")
    shutil.copy(wheel, folder)
    make_wheel(folder, "plain")
    with serve(folder) as index:
        yield index


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    folder = tmp_path_factory.mktemp("forge")
    folder.chmod(0o755)
    with forge(folder) as served:
        yield served


@pytest.fixture(scope="module")
def place(
    machine: Machine, make_site: Callable[..., Site], pip_wheel: Wheel, index: Index, served: Forge
) -> Place:
    tool = make_repository(served.folder, "course-tool")
    tool.commit(package_files("course-tool", requires=("plain",)))
    tagged = make_repository(served.folder, "tagged")
    tagged.commit({"python/setup.py": FROM_GIT, "python/tagged.py": ""}, tag="v2.5")
    zipped = make_repository(served.folder, "zipped")
    zipped.commit(package_files("zipped", "1.2"), tag="v1.2")
    desk = make_desk(make_site, pip_wheel, PIP_INDEX_URL=index.url, NO_PROXY="127.0.0.1")
    for name, text in {
        "pyproject.toml": PROJECT,
        "src/my_lib.py": "VALUE = 'built'\n\ndef main():\n    print(VALUE)\n",
    }.items():
        (desk.recipes / "my-lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (desk.recipes / "my-lib" / name).write_text(text)
    (desk.recipes / "requirements.txt").write_text(
        f"course-tool @ git+{served.url}/course-tool.git\n"
        f"git+{served.url}/tagged.git@v2.5#subdirectory=python\n"
        f"{served.url}/zipped/archive/v1.2.zip\n"
        "-e ./my-lib\n"
    )
    recipe = desk.new(desk.freeze(machine.bases["venv"]), "-r", "requirements.txt")
    desk.run("generate", recipe)
    before = len(served.requests), len(index.requests)
    desk.eb(recipe.with_suffix(".eb"))
    asked = [*served.requests[before[0] :], *index.requests[before[1] :]]
    return Place(desk, served, tool, recipe, asked)


def test_all_of_them_are_in_the_layer(place: Place) -> None:
    code = "import course_tool, tagged, zipped, my_lib, plain; print(course_tool.__file__, my_lib.VALUE)"
    out = place.python(code)
    assert out.startswith("/user-software/venv/demo/")
    assert out.endswith("course_tool.py built\n")
    assert place.desk.loaded(module_of(place.easyconfig), "my-command") == "built\n"
    packages = read_easyconfig(place.easyconfig).packages
    del packages["pip"]
    assert packages == {"course-tool": "1.0", "my-lib": "1.0", "plain": "1.0", "tagged": "2.5", "zipped": "1.2"}


def test_nothing_was_fetched_to_install_them(place: Place) -> None:
    assert place.asked == []


def test_a_folder_before_the_layer_is_seen_without_a_build(place: Place) -> None:
    checkout = place.desk.recipes / "checkout"
    checkout.mkdir()
    (checkout / "my_lib.py").write_text("VALUE = 'changed'\n")
    assert place.python("import my_lib; print(my_lib.VALUE)", f"export PYTHONPATH={checkout}\n") == "changed\n"


@pytest.fixture(scope="module", params=easybuild.VERSIONS)
def elsewhere(request: pytest.FixtureRequest, place: Place, make_site: Callable[..., Site]) -> Desk:
    """Somebody else, with the easyconfig, the image, and the wheels that nobody can fetch."""
    desk = Desk(make_site().using(version=request.param), place.desk.variables)
    desk.recipes.mkdir()
    shutil.copy(place.easyconfig, desk.recipes)
    (image,) = place.desk.images.glob("*.sif")
    (desk.site.sources / image.name).symlink_to(image)
    for wheel in place.sources.glob("*.whl"):
        shutil.copy(wheel, desk.site.sources)
    return desk


def test_easybuild_fetches_the_very_same_files(place: Place, elsewhere: Desk) -> None:
    elsewhere.eb("--fetch", place.easyconfig.name)
    fetched = {path.name: path for path in elsewhere.site.sources.rglob("*") if path.suffix not in (".whl", ".sif")}
    files = [file for file in read_easyconfig(place.easyconfig).files if not file.filename.endswith(".whl")]
    assert len(files) == 3
    for file in files:
        assert hashlib.sha256(fetched[file.filename].read_bytes()).hexdigest() == file.sha256
        fetched[file.filename].unlink()


def test_a_wheel_that_nobody_else_has_is_named_with_where_it_is(place: Place, elsewhere: Desk) -> None:
    (wheel,) = elsewhere.site.sources.glob("my_lib-*.whl")
    kept = wheel.rename(wheel.with_suffix(".kept"))
    done = elsewhere.login(f"eb --fetch {place.easyconfig.name} 2>&1")
    kept.rename(wheel)
    assert done.returncode != 0
    assert "nowhere else to be had: copy it from their folder of sources" in " ".join(done.stdout.split())


def test_what_has_moved_is_named_with_what_to_do(place: Place, elsewhere: Desk) -> None:
    zipped = Repository(place.forge.folder / "trees" / "zipped", place.forge.folder / "zipped.git")
    before = {moved: git.git(moved.tree, "rev-parse", "HEAD") for moved in (zipped, place.tool)}

    def fetch() -> str:
        return " ".join(elsewhere.login(f"eb --fetch {place.easyconfig.name} 2>&1").stdout.split())

    def forget(name: str) -> None:
        for path in elsewhere.site.sources.rglob(f"{name}-*"):
            path.unlink()

    forget("zipped")
    zipped.commit({"more.py": ""})
    git.git(zipped.tree, "tag", "--force", "v1.2")
    zipped.push()
    assert "its tag was moved, or its forge packs it in another way" in fetch()
    forget("course-tool")
    git.git(place.tool.tree, "commit", "--quiet", "--amend", "--message", "Rewritten")
    place.tool.push()
    address = f"{place.forge.url}/course-tool.git"
    assert f"The commit {before[place.tool]} of {address} cannot be had" in fetch()
    # As it was, for the next version of EasyBuild.
    for moved, commit in before.items():
        git.git(moved.tree, "reset", "--quiet", "--hard", commit)
    git.git(zipped.tree, "tag", "--force", "v1.2")
    for moved in before:
        moved.push()
