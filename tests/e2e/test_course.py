"""A course's exercises: each of its files, unchanged, to an installed module; and a venv that a learner fills."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from ebsif.lock.model import Lock
from tests.support.conda import Channel
from tests.support.conda_layer import RATTLER
from tests.support.course import FILES, HERE, course
from tests.support.download import fetch_wheel
from tests.support.generator import Desk, make_desk, module_of
from tests.support.internet import Internet
from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine
from workbench.easybuild import VERSIONS

pytestmark = pytest.mark.e2e

PYTORCH = "https://download.pytorch.org/files/whl/rocm6.0"
PACKAGES = "/user-software/conda/envs/demo/lib/python3.11/site-packages"

# What a learner tries with the module, and what is printed.
TRIED = {
    "archive": ("import numpy, small_gpt, tqdm; print(small_gpt.__file__)", f"{PACKAGES}/small_gpt.py"),
    "exported": ("import einops, numpy, tqdm; print(numpy.__version__, einops.VERSION)", "2.1.1 0.8.0"),
    "git": ("import numpy, small_gpt, tqdm; print(small_gpt.__file__)", f"{PACKAGES}/small_gpt.py"),
    "pins": ("import einops, jinja2, numpy, tqdm; print(numpy.__version__, tqdm.VERSION)", "2.1.1 4.66.5"),
    "rocm": ("import numpy, torch, torchvision; print(torch.VERSION, torchvision.VERSION)",
             "2.4.1+rocm6.0 0.19.1+rocm6.0"),
    "twice": ("import numpy, sys; print(numpy.__version__, sys.version.split()[0])", "2.1.1 3.11.2"),
}  # fmt: skip


@dataclass(frozen=True)
class Module:
    """An installed module.

    Parameters
    ----------
    told
        What `ebsif generate` has told of it, by the beginning of each line.
    """

    desk: Desk
    recipe: Path
    told: dict[str, str]

    @property
    def easyconfig(self) -> Path:
        return self.recipe.with_suffix(".eb")

    @property
    def lock(self) -> Lock:
        lock = read_easyconfig(self.easyconfig).lock
        assert lock
        return lock

    def python(self, program: str, before: str = "") -> str:
        return self.desk.loaded(module_of(self.easyconfig), f"{before}\npython -c '{program}'").strip()


@pytest.fixture(scope="module")
def online(channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    folder = tmp_path_factory.mktemp("internet")
    with course(folder, channel) as online:
        yield online


@pytest.fixture(scope="module")
def desk(
    machine: Machine, make_site: Callable[..., Site], pip_wheel: Wheel, wheelhouse: Path, online: Internet
) -> Desk:
    """That of a learner, who has frozen two images and downloaded the files of the course."""
    fetch_wheel(RATTLER[1], RATTLER[0], wheelhouse)
    desk = make_desk(make_site, pip_wheel, **online.variables)
    desk.give(wheelhouse / RATTLER[1], desk.site.sources / "d" / "Demo" / "extensions")
    for file in [*HERE.glob("*.yml"), HERE / "requirements.txt"]:
        desk.give(file, desk.recipes)
    for kind in ("bare", "venv"):
        desk.link(machine.bases[kind])
    return desk


def install(desk: Desk, base: Path, *words: str) -> Module:
    """Go the whole way that the course tells."""
    recipe = desk.new(base.name, *words)
    done = desk.ebsif("generate", recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    desk.eb(recipe.with_suffix(".eb"))
    return Module(desk, recipe, dict(line.split(": ", 1) for line in done.stderr.splitlines() if ": " in line))


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    """Those that are installed so far, by file."""
    return {}


@pytest.fixture
def installed(desk: Desk, machine: Machine, modules: dict[str, Module]) -> Callable[[str], Module]:
    """Return the module of a file, installed by the first who needs it."""

    def get(file: str) -> Module:
        if file not in modules:
            modules[file] = install(desk, machine.bases["bare"], "-f", f"{file}.yml", "--variant", file)
        return modules[file]

    return get


@pytest.mark.parametrize("file", FILES)
def test_from_each_file_to_a_module(installed: Callable[[str], Module], file: str) -> None:
    program, printed = TRIED[file]
    assert installed(file).python(program) == printed


def test_check_finds_nothing_wrong_with_them(installed: Callable[[str], Module], desk: Desk) -> None:
    findings = json.loads(desk.run("check", *(installed(file).easyconfig for file in FILES), "--json"))
    assert {finding["level"] for finding in findings} == {"ok"}


def test_exact_pins_are_what_is_installed(installed: Callable[[str], Module]) -> None:
    module = installed("pins")
    pinned = module.told["asked of conda"].split(", ")
    assert len(pinned) == 35
    assert [f"{file.name}={file.version}" for file in module.lock.conda] == sorted(pinned)
    assert module.told["asked of pip"] == "einops==0.8.0, tqdm==4.66.5"
    assert module.told["in the layer, by pip (2)"] == "einops 0.8.0, tqdm 4.66.5"


@pytest.mark.parametrize("easybuild", VERSIONS)
def test_what_only_an_extra_index_has_is_fetched_from_there(
    installed: Callable[[str], Module], online: Internet, easybuild: str
) -> None:
    module = installed("rocm")
    there = {file.name: file.source_url for file in module.lock.pip if file.source_url}
    assert there == dict.fromkeys(("pytorch-triton-rocm", "torch", "torchvision"), PYTORCH)
    (wheel,) = module.desk.site.sources.rglob("torch-2.4.1*.whl")
    content = wheel.read_bytes()
    wheel.unlink()
    online.requests.clear()
    replace(module.desk, site=module.desk.site.using(version=easybuild)).eb("--fetch", module.easyconfig)
    (fetched,) = module.desk.site.sources.rglob("torch-2.4.1*.whl")
    assert fetched.read_bytes() == content
    assert online.requests == [f"GET {PYTORCH}/torch-2.4.1%2Brocm6.0-cp311-cp311-linux_x86_64.whl"]


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("git", "small-gpt @ git+https://github.com/learner/small-gpt.git"),
        ("archive", "small-gpt @ https://github.com/learner/small-gpt/archive/main.zip"),
    ],
)
def test_a_package_that_nobody_has_released_is_told_as_it_was_asked_for(
    installed: Callable[[str], Module], file: str, asked: str
) -> None:
    module = installed(file)
    assert module.told["asked of pip"] == asked.removeprefix("small-gpt @ ")
    assert module.told["in the layer, by pip (2)"] == "small-gpt 0.0.1, tqdm 4.66.5"


def test_what_is_named_twice_is_told(installed: Callable[[str], Module]) -> None:
    told = installed("twice").told
    assert told["asked for"] == "python=3.11.2, numpy=2.1.1, pip=24.2"
    assert "twice.yml:8): it is asked for already" in told["ignored"]


def test_the_builds_of_an_exported_environment_are_installed(installed: Callable[[str], Module]) -> None:
    module = installed("exported")
    assert [f"{file.name}={file.version}={file.build}" for file in module.lock.conda] == sorted(
        module.told["asked of conda"].split(", ")
    )
    assert "`prefix`: the environment is in the layer, not where it was exported from" in module.told["ignored"]


def test_a_learners_changes_to_it_are_seen_without_a_build(installed: Callable[[str], Module]) -> None:
    module = installed("git")
    clone = "git clone --quiet https://github.com/learner/small-gpt.git; cd small-gpt"
    change = f"{clone}; echo 'VERSION = \"of today\"' >small_gpt.py; export PYTHONPATH=$PWD"
    assert module.python("import numpy, small_gpt; print(small_gpt.VERSION)", change) == "of today"


EXERCISE = "import einops, small_gpt, tqdm; print(einops.VERSION, small_gpt.__file__)"


def test_a_venv_is_filled_from_a_list_packed_and_used(desk: Desk, machine: Machine) -> None:
    module = install(desk, machine.bases["venv"], "--variant", "by-hand")
    name = module_of(module.easyconfig)
    desk.loaded(name, "pip install --quiet -r requirements.txt")
    desk.loaded(name, "make-squashfs && rm -r $CONTAINERROOT/user-software")
    assert module.python(EXERCISE) == "0.8.0 /user-software/venv/demo/lib/python3.11/site-packages/small_gpt.py"


def test_the_same_list_gives_a_locked_module(desk: Desk, machine: Machine) -> None:
    module = install(desk, machine.bases["venv"], "--variant", "locked", "-r", "requirements.txt")
    assert module.told["asked for"] == (
        "einops==0.8.0, tqdm>=4.60, https://github.com/learner/small-gpt/archive/main.zip"
    )
    assert module.told["in the layer (4)"] == "einops 0.8.0, numpy 2.1.1, small-gpt 0.0.1, tqdm 4.66.5"
    assert module.python(EXERCISE) == "0.8.0 /user-software/venv/demo/lib/python3.11/site-packages/small_gpt.py"
