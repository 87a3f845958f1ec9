"""Locks of other tools, from an index and from files beside them to an installed module, and a lock for others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from ebsif.lock.pip.toml import parse_toml
from tests.support.generator import Desk, make_desk, module_of
from tests.support.index import serve
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e

UV = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "project"
version = "1.0"
source = {{ editable = "." }}
dependencies = [{{ name = "first" }}, {{ name = "six" }}]

[[package]]
name = "first"
version = "1.0"
source = {{ registry = "{index}" }}
dependencies = [{{ name = "second" }}, {{ name = "third", marker = "sys_platform == 'win32'" }}]
wheels = [{{ url = "{files}/first-1.0-py3-none-any.whl", hash = "sha256:{first}" }}]

[[package]]
name = "second"
version = "1.0"
source = {{ registry = "{index}" }}
wheels = [{{ url = "{files}/second-1.0-py3-none-any.whl", hash = "sha256:{second}" }}]

[[package]]
name = "six"
version = "1.17.0"
source = {{ registry = "https://pypi.org/simple" }}
wheels = [{{ url = "https://files.pythonhosted.org/six-1.17.0-py2.py3-none-any.whl", hash = "sha256:{first}" }}]

[[package]]
name = "third"
version = "1.0"
source = {{ registry = "{index}" }}
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "a person"

[[packages]]
name = "beside"
version = "1.0"
wheels = [{{ path = "wheels/{file}", hashes = {{ sha256 = "{sha256}" }} }}]
"""


@pytest.fixture(scope="module")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


@dataclass(frozen=True)
class Made:
    """A module that was made of two locks, while newer versions are on the index."""

    desk: Desk
    recipe: Path
    told: str

    @property
    def easyconfig(self) -> Path:
        return self.recipe.with_suffix(".eb")


@pytest.fixture(scope="module")
def made(
    make_site: Callable[..., Site], pip_wheel: Wheel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    files = tmp_path_factory.mktemp("index")
    first = make_wheel(files, "first", requires=["second", "third; sys_platform == 'win32'"])
    second = make_wheel(files, "second")
    for name in ("first", "second"):
        make_wheel(files, name, "2.0")
    with serve(files) as index, serve(tmp_path_factory.mktemp("nothing")) as default:
        desk = make_desk(make_site, pip_wheel, PIP_INDEX_URL=default.url)
        (desk.recipes / "wheels").mkdir()
        beside = make_wheel(desk.recipes / "wheels", "beside")
        values = {"index": index.url, "files": index.files_url, "first": first.sha256, "second": second.sha256}
        (desk.recipes / "uv.lock").write_text(UV.format(**values))
        (desk.recipes / "pylock.toml").write_text(PYLOCK.format(file=beside.path.name, sha256=beside.sha256))
        base = desk.link(desk.site.machine.bases["venv"])
        recipe = desk.new(base, "-r", "uv.lock", "-r", "pylock.toml")
        done = desk.ebsif("build", recipe)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Made(desk, recipe, done.stderr)


def test_the_versions_of_the_locks_are_installed(made: Made) -> None:
    there = {"beside": "1.0", "first": "1.0", "pip": "26.3", "second": "1.0"}
    assert read_easyconfig(made.easyconfig).packages == there
    script = "python3 -c 'import beside, first, second, six; print(first.VERSION, second.VERSION, six.__file__)'"
    out = made.desk.loaded(module_of(made.easyconfig), script)
    assert out == "1.0 1.0 /opt/venv/lib/python3.11/site-packages/six.py\n"


def test_what_came_of_the_locks_was_told(made: Made) -> None:
    told = dict(line.split(": ", 1) for line in made.told.splitlines() if ": " in line)
    assert told["asked for"] == "first==1.0, six==1.17.0, beside @ beside-1.0-py3-none-any.whl"
    assert told["from the base"] == "six 1.17.0"
    assert told["in the layer (3)"] == "beside 1.0, first 1.0, second 1.0"
    assert "project itself: of the project, only what it needs is taken" in told["ignored"]


def test_what_is_exported_gives_the_same_lock_again(made: Made) -> None:
    desk = made.desk
    desk.run("export", "pylock", made.easyconfig, "-o", "pylock.again.toml", "--files", "wheels")
    file = desk.recipes / "pylock.again.toml"
    lock = parse_toml(file.read_text(), file)
    assert [package["name"] for package, _ in lock.tables("packages")] == ["beside", "first", "second"]
    again = desk.recipes / "again.yml"
    again.write_text(made.recipe.read_text().replace("uv.lock", "pylock.again.toml").replace("  - pylock.toml\n", ""))
    desk.run("generate", again, "--output", desk.recipes / "again")
    (found,) = (desk.recipes / "again").glob("*.eb")
    assert read_easyconfig(found).files == read_easyconfig(made.easyconfig).files
