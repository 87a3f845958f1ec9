"""From nothing to use, as a person does it: an image, `ebsif`, `eb`, `module load`."""

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ebsif.easyconfig.read import read_easyconfig
from tests.support.easyconfigs import HOOK_VALUE
from tests.support.generator import Desk, contents, make_desk, module_of
from tests.support.index import serve
from tests.support.publisher import publish
from tests.support.runtime import counted_runtime
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

NAMESPACE = "unshare" if os.geteuid() == 0 else "unshare --user --map-root-user"
LAYERS = ["venv", "venv-pythonpath", "conda", "conda-active"]
SITE_PACKAGES = {
    "venv": "/opt/venv/lib/python3.11/site-packages",
    "conda": "/opt/miniconda3/envs/pytorch/lib/python3.11/site-packages",
}


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


@dataclass(frozen=True)
class Installed:
    """What a person has after the whole way."""

    desk: Desk
    kind: str
    recipe: Path

    @property
    def easyconfig(self) -> Path:
        return self.recipe.with_suffix(".eb")

    def output(self, script: str) -> str:
        return self.desk.loaded(module_of(self.easyconfig), script)


@pytest.fixture(scope="module", params=[*((kind, "root") for kind in LAYERS), ("conda", "user")], ids="-".join)
def installed(
    request: pytest.FixtureRequest,
    machine: Machine,
    make_site: Callable[..., Site],
    pip_wheel: Wheel,
    hello_wheel: Wheel,
) -> Installed:
    """A module with a layer on top of a base."""
    kind, who = request.param
    desk = make_desk(make_site, pip_wheel, user=machine.user if who == "user" else None)
    base = desk.freeze(machine.bases[kind])
    recipe = desk.new(base, "-r", desk.require(hello_wheel))
    desk.run("generate", recipe)
    desk.eb(recipe.with_suffix(".eb"))
    return Installed(desk, kind, recipe)


@pytest.fixture(scope="module")
def bare(machine: Machine, make_site: Callable[..., Site], pip_wheel: Wheel) -> Installed:
    """A module of a base without Python."""
    desk = make_desk(make_site, pip_wheel)
    recipe = desk.new(desk.freeze(machine.bases["bare"]))
    recipe.write_text(recipe.read_text() + "commands: [rocminfo]\n")
    desk.run("generate", recipe)
    desk.eb(recipe.with_suffix(".eb"))
    return Installed(desk, "bare", recipe)


@pytest.fixture
def desk(make_site: Callable[..., Site], pip_wheel: Wheel) -> Desk:
    return make_desk(make_site, pip_wheel)


@pytest.fixture(scope="module")
def locked(make_site: Callable[..., Site], pip_wheel: Wheel, hello_wheel: Wheel) -> Installed:
    """A recipe with its easyconfig, not installed."""
    desk = make_desk(make_site, pip_wheel)
    recipe = desk.new(desk.freeze(desk.site.machine.bases["venv"]), "-r", desk.require(hello_wheel))
    desk.run("generate", recipe)
    return Installed(desk, "venv", recipe)


def test_packages_of_the_layer_and_of_the_base_are_imported(installed: Installed) -> None:
    base = SITE_PACKAGES[installed.kind.split("-")[0]]
    out = installed.output("python3 -c 'import sys, hello, six; print(sys.prefix, hello.__file__, six.__file__)'")
    layer = "/user-software/venv/demo"
    assert out.split() == [layer, f"{layer}/lib/python3.11/site-packages/hello.py", f"{base}/six.py"]


def test_what_the_base_sets_is_there_though_nobody_has_listed_it(installed: Installed) -> None:
    conda = installed.kind.startswith("conda")
    name, value = ("DEMO_HOOK_VALUE", HOOK_VALUE) if conda else ("DEMO_RUNSCRIPT", "set by the runscript")
    assert name not in installed.recipe.read_text()
    assert installed.output(f"python3 -c 'import os; print(os.environ[\"{name}\"])'") == f"{value}\n"


def test_a_base_without_python_is_used_as_it_is(bare: Installed) -> None:
    assert read_easyconfig(bare.easyconfig).parameters["easyblock"] == "SifContainer"
    assert bare.output("rocminfo") == "ROCk module is NOT loaded (a stand-in of the demo base)\n"


def easybuild_agrees(made: Installed) -> None:
    assert "All contribution checks PASSed!" in made.desk.eb("--check-contrib", made.easyconfig)
    assert "(no ignored errors during dry run)" in made.desk.eb("-x", made.easyconfig)


def test_easybuild_has_nothing_to_say_against_the_easyconfig(installed: Installed) -> None:
    easybuild_agrees(installed)


def test_easybuild_has_nothing_to_say_against_one_without_layer(bare: Installed) -> None:
    easybuild_agrees(bare)


def test_ebsif_finds_nothing_wrong(installed: Installed) -> None:
    for file in (installed.recipe, installed.easyconfig):
        found = json.loads(installed.desk.run("check", file, "--json"))
        assert {finding["level"] for finding in found} == {"ok"}, found


def test_generating_twice_gives_the_same_bytes_and_starts_no_container(installed: Installed) -> None:
    desk, before = installed.desk, contents(installed.desk.recipes)
    counted = counted_runtime(desk.site.folder, desk.site.machine.runtime)
    done = desk.login(f'export PATH={counted.folder}:"$PATH"\nebsif generate {installed.recipe}\napptainer --version')
    assert done.stdout.splitlines()[0] == f"{installed.easyconfig}: unchanged"
    assert contents(desk.recipes) == before
    assert counted.starts() == ["--version"]


def test_generating_elsewhere_gives_the_same_bytes(locked: Installed) -> None:
    locked.desk.run("generate", locked.recipe, "--output", "elsewhere")
    assert (locked.desk.recipes / "elsewhere" / locked.easyconfig.name).read_bytes() == locked.easyconfig.read_bytes()


def test_check_tells_that_an_easyconfig_is_up_to_date(locked: Installed) -> None:
    done = locked.desk.ebsif("generate", "--check", locked.recipe)
    assert (done.returncode, done.stdout) == (0, f"{locked.easyconfig}: up to date\n")


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [
        (".yml", "python3.11", "pip3.11"),
        (".yml", "requirements:", "packages: [six>=2]\nrequirements:"),
        (".eb", "moduleclass = 'ai'", "moduleclass = 'lib'"),
        (".eb", "# Lock: ", "# Lock: 0"),
    ],
    ids=["recipe", "packages", "easyconfig", "lock"],
)
def test_check_tells_that_an_easyconfig_is_out_of_date(locked: Installed, suffix: str, old: str, new: str) -> None:
    file = locked.recipe.with_suffix(suffix)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    try:
        before = contents(locked.desk.site.folder)
        done = locked.desk.ebsif("generate", "--check", locked.recipe)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == f"{locked.easyconfig}: out of date; run `ebsif generate` again\n"
        assert contents(locked.desk.site.folder) == before
    finally:
        file.write_text(text)


def test_a_dry_run_prints_and_writes_nothing(desk: Desk) -> None:
    recipe = desk.new(desk.link(desk.site.machine.bases["venv"]))
    before = contents(desk.site.folder)
    out = desk.run("generate", "--dry-run", recipe)
    assert contents(desk.site.folder) == before
    desk.run("generate", recipe)
    assert recipe.with_suffix(".eb").read_text() == out


def test_build_does_it_all(desk: Desk, hello_wheel: Wheel) -> None:
    base = desk.link(desk.site.machine.bases["venv"])
    recipe = desk.new(base, "-r", desk.require(hello_wheel))
    last = desk.run("build", recipe).splitlines()[-1]
    assert last == f"module load {module_of(recipe)}"
    assert desk.login(f"{last} && hello 'two words'").stdout == "hello ['two words']\n"


def test_nothing_is_written_on_the_way_but_into_the_scratch(desk: Desk, hello_wheel: Wheel) -> None:
    recipe = desk.new(desk.link(desk.site.machine.bases["venv"]), "-r", desk.require(hello_wheel))
    scratch, elsewhere = desk.site.folder / "scratch", desk.site.folder / "elsewhere"
    elsewhere.mkdir()
    before = elsewhere.stat().st_mtime_ns
    names = ("TMPDIR", "XDG_CACHE_HOME", "EASYBUILD_TMPDIR", "EASYBUILD_BUILDPATH")
    variables = {**dict.fromkeys(names, str(elsewhere)), "EBSIF_SCRATCH": str(scratch)}
    replace(desk, variables={**desk.variables, **variables}).run("build", recipe)
    # A file that comes and goes would show as well.
    assert (list(elsewhere.iterdir()), elsewhere.stat().st_mtime_ns) == ([], before)
    assert sorted(path.name for path in scratch.iterdir()) == ["build", "cache", "tmp"]
    assert list((scratch / "tmp").iterdir()) == []


def test_an_easybuild_that_is_only_asked_leaves_nothing_behind(desk: Desk) -> None:
    temporary = desk.site.folder / "temporary"
    temporary.mkdir()
    unset = "unset EASYBUILD_INSTALLPATH EASYBUILD_INSTALLPATH_SOFTWARE"
    done = desk.login(f"{unset}; TMPDIR={temporary} ebsif list --installations --names")
    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("tmp", "there is no room to download big-1.0-py3-none-any.whl: 8.4 MB are needed in /"),
        ("sources", "there is no room: about 4.2 MB are needed in /"),
    ],
)
def test_missing_room_is_told_before_files_arrive(
    desk: Desk, pip_wheel: Wheel, tmp_path: Path, folder: str, message: str
) -> None:
    big = make_wheel(tmp_path, "big", files={"big.bin": os.urandom(4_194_304)})
    recipe = desk.new(desk.link(desk.site.machine.bases["venv"]), "big")
    small = desk.site.folder / "small"
    small.mkdir()
    with serve(big.path.parent, states=("sha256", "metadata")) as index:
        recipe.write_text(recipe.read_text() + f"index: {index.url}\n")
        script = {
            "tmp": f"TMPDIR={small} ebsif generate {recipe}",
            "sources": f"cp {pip_wheel.path} {small} && ebsif generate {recipe} --sources {small}",
        }
        inside = f"mount -t tmpfs -o size=5m tmpfs {small} && {script[folder]}"
        done = desk.login(f"{NAMESPACE} --mount sh -c {shlex.quote(inside)}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"ebsif: {message}")
    assert not recipe.with_suffix(".eb").exists()


def test_what_was_locked_without_the_image_installs_where_that_is(desk: Desk, hello_wheel: Wheel) -> None:
    image = desk.site.machine.bases["venv"]
    found = json.loads(desk.run("inspect", image, "--json"))
    listing = publish(desk.recipes, image=image.stem, apt={}, pip=found["packages"], sha256=found["sha256"])
    facts = {name: found[name] for name in ("kind", "machine", "glibc", "start_with")}
    facts |= {"python": found["python"]["path"], "python_version": found["python"]["version"]}
    told = [word for name, value in facts.items() for word in ("--fact", f"{name}={value}")]
    desk.run("inspect", listing, *told, "--output", f"{image.name}.manifest.json")
    recipe = desk.new(image.name, "-r", desk.require(hello_wheel))
    desk.run("generate", recipe)
    desk.freeze(image)
    desk.eb(recipe.with_suffix(".eb"))
    script = 'hello x && python3 -c "import os; print(os.environ[\'DEMO_RUNSCRIPT\'])"'
    assert desk.loaded(module_of(recipe), script) == "hello ['x']\nset by the runscript\n"


def test_build_tells_when_easybuild_fails(desk: Desk) -> None:
    recipe = desk.new(desk.link(desk.site.machine.bases["venv"]))
    recipe.write_text(recipe.read_text().replace("python3.11", "no-such-command"))
    done = desk.ebsif("build", recipe)
    assert done.returncode == 2
    assert "no-such-command" in done.stdout
    assert "module load" not in done.stdout
    assert re.search(r"^ebsif: eb ended with status \d+: what it printed says why$", done.stderr, re.MULTILINE)


def test_options_for_eb_are_passed_on(desk: Desk) -> None:
    recipe = desk.new(desk.link(desk.site.machine.bases["venv"]))
    out = desk.run("build", recipe, "--", "--extended-dry-run")
    assert "(no ignored errors during dry run)" in out
    assert desk.site.leftovers() == []


def test_torch_comes_from_the_base_and_is_not_in_the_lock(desk: Desk, tmp_path: Path) -> None:
    code = "import torch\nprint(torch.__file__)\n"
    trainer = make_wheel(tmp_path, "trainer", files={"trainer.py": code}, requires=["torch>=2"])
    base = desk.link(desk.site.machine.bases["venv-torch"])
    recipe = desk.new(base, "-r", desk.require(trainer))
    recipe.write_text(recipe.read_text() + "image_install: link\n")
    done = desk.ebsif("build", recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from the base: torch 2.13.0" in done.stderr
    assert list(read_easyconfig(recipe.with_suffix(".eb")).packages) == ["pip", "trainer"]
    out = desk.loaded(module_of(recipe), "python3 -c 'import trainer'")
    assert out == "/opt/venv/lib/python3.11/site-packages/torch/__init__.py\n"


def test_packages_of_the_index_are_locked_downloaded_and_installed(
    make_site: Callable[..., Site], pip_wheel: Wheel, tmp_path: Path
) -> None:
    make_wheel(tmp_path, "tabulate", "0.9.0")
    with serve(tmp_path) as index:
        desk = make_desk(make_site, pip_wheel, PIP_INDEX_URL=index.url)
        recipe = desk.new(desk.link(desk.site.machine.bases["venv"]), "tabulate", "six")
        done = desk.ebsif("build", recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from the base: six 1.17.0" in done.stderr
    easyconfig = read_easyconfig(recipe.with_suffix(".eb"))
    assert easyconfig.packages == {"pip": "26.3", "tabulate": "0.9.0"}
    assert easyconfig.parameters["exts_default_options"]["source_urls"]
    assert not any("source_urls" in options for _, _, options in easyconfig.parameters["exts_list"])
    program = shlex.quote("import tabulate; print(tabulate.__file__)")
    out = desk.loaded(module_of(recipe), f"python3 -c {program}")
    assert out.startswith("/user-software/venv/demo/")
