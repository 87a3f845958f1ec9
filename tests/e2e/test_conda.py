"""A conda layer, installed by eb and used through its module."""

import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.activation import unexpected, variables
from tests.support.conda import HOOKED_VALUE, Channel
from tests.support.conda_layer import PARAMETERS, RATTLER, STACKED, conda_files, rattler_wheel
from tests.support.conda_packages import corrupted, make_package, make_python_package
from tests.support.download import fetch_wheel
from tests.support.easyconfigs import KINDS
from tests.support.records import files_of, packages_of
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

SQUASHFS = "user-software.squashfs"
# Where pip only installs the wheels.
WITH_PIP = PARAMETERS | {"build_packages": ["py-rattler", "pip"]}
PREFIX = "/user-software/conda/envs/demo"
BASES = ["bare", "venv", "conda", "conda-active"]

# Run by pytest, a command of the base, in a process that it starts.
CHECK = f"""
import sys

import greet, six

def test_layer_and_base_are_seen():
    assert sys.prefix == "{PREFIX}"
    assert six.__file__.startswith("/opt/")
"""


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild for most: what the easyblocks need of it, those of the venv layer test with all."""
    return easybuild.DEFAULT


@pytest.fixture(scope="session")
def rattler(wheelhouse: Path) -> Wheel:
    fetch_wheel(RATTLER[1], RATTLER[0], wheelhouse)
    return rattler_wheel(wheelhouse)


@pytest.fixture(scope="session")
def conda(channel: Channel, rattler: Wheel) -> list[Wheel]:
    """A small conda layer, with a Python."""
    return [rattler, *conda_files(channel)]


@pytest.fixture(params=BASES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def with_pip(conda: list[Wheel], pip_wheel: Wheel) -> list[Wheel]:
    """The small layer, with pip on top."""
    return [*conda, pip_wheel]


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], with_pip: list[Wheel]) -> Site:
    """An installation of the small layer on each kind of base; it stays as it is."""
    place = make_site()
    done = place.eb(*(place.write(kind, with_pip, **PARAMETERS) for kind in BASES))
    assert done.returncode == 0, done.stdout
    return place


def inside(place: Site, kind: str, script: str) -> str:
    """Return what a script prints in the container of the loaded module, started by hand."""
    verb = KINDS[kind].get("start_with", "exec")
    return place.output(kind, f"$SIFRUNTIMEDEMO {verb} --cleanenv $SIF bash -c {shlex.quote(script)}")


def test_command_of_a_conda_package(place: Site, kind: str) -> None:
    assert place.output(kind, "tool 'two words' '*'") == "tool\ntwo words\n*\n"


def test_prefix_in_files_is_that_in_the_container(place: Site, kind: str) -> None:
    assert place.output(kind, "prefixed") == f"data = {PREFIX}/share/prefixed/data.bin\n"
    assert place.output(kind, "prefixed-tool") == f"{PREFIX}/share/prefixed\n"


def test_noarch_package_is_imported_by_the_layers_python(place: Site, kind: str) -> None:
    program = "import greet, sys; print(greet.__version__, greet.__file__, sys.prefix)"
    expected = f"2.0 {PREFIX}/lib/python3.11/site-packages/greet.py {PREFIX}\n"
    assert place.output(kind, f"python -c '{program}'") == expected


def test_entry_point_of_a_noarch_package(place: Site, kind: str) -> None:
    assert json.loads(place.output(kind, "greet you")) == {"argv": ["you"], "version": "2.0"}


def test_variables_of_hooks_are_there_without_activating(place: Site, kind: str) -> None:
    assert inside(place, kind, 'printf %s "$HOOKED_VALUE"') == HOOKED_VALUE
    assert inside(place, kind, 'printf %s "$HOOKED_HOME"') == f"{PREFIX}/share/hooked"


def test_what_hooks_extend_is_extended(place: Site, kind: str) -> None:
    hooked = f"{PREFIX}/share/hooked"
    path = inside(place, kind, 'printf %s "$PATH"').split(":")
    assert path.index(f"{hooked}/bin") < path.index(f"{PREFIX}/bin")
    assert path[-1] == "/opt/behind"
    assert inside(place, kind, 'printf %s "$PYTHONPATH"') == f"{hooked}/python"
    assert place.output(kind, "python -c 'import hooked_python; print(hooked_python.HOOKED)'") == "True\n"
    assert inside(place, kind, 'printf %s "$LD_LIBRARY_PATH"') == f"{PREFIX}/lib:/.singularity.d/libs"


def test_a_folder_of_ones_own_goes_before_what_hooks_put_into_pythonpath(place: Site, kind: str) -> None:
    own = 'export APPTAINERENV_PYTHONPATH="/own:$APPTAINERENV_PYTHONPATH"'
    out = place.output(kind, f"""{own}; python -c 'import os; print(os.environ["PYTHONPATH"])'""")
    assert out == f"/own:{PREFIX}/share/hooked/python\n"


def test_what_hooks_write_when_they_run_first_is_in_the_layer(place: Site, kind: str) -> None:
    assert inside(place, kind, f"cat {PREFIX}/share/hooked/first") == "of the first time\n"


def test_link_script_has_run_in_the_container(place: Site, kind: str) -> None:
    assert inside(place, kind, f"cat {PREFIX}/share/linked/made.txt") == f"{PREFIX}\nlinked\n1.0\n"


def check_equality(place: Site, kind: str, below: str = ":") -> dict[str, str]:
    """Compare activating by hand, the loaded module, and a command by its path; return the variables."""
    verb = KINDS[kind].get("start_with", "exec")
    image, layer = place.machine.bases[kind], place.installation(kind) / SQUASHFS
    by_hand = place.login(
        f"apptainer {verb} --cleanenv --bind {layer}:/user-software:image-src=/,ro {image} "
        f"bash -c '{below} && source /user-software/conda/bin/activate demo >&2 && exec env -0'"
    )
    assert by_hand.returncode == 0, by_hand.stderr
    loaded = variables(place.output(kind, f"$SIFRUNTIMEDEMO {verb} --cleanenv $SIF env -0"))
    by_path = variables(place.alone(kind, "start-shell -c 'exec env -0'", env="APPTAINER_CLEANENV=1 TERM=dumb"))
    assert unexpected(variables(by_hand.stdout), loaded) == {}
    assert unexpected(variables(by_hand.stdout), by_path) == {}
    return loaded


def test_loading_the_module_or_calling_a_command_by_its_path_is_activating(place: Site, kind: str) -> None:
    loaded = check_equality(place, kind)
    assert loaded["CONDA_PREFIX"] == PREFIX
    assert loaded["CONDA_SHLVL"] == ("2" if kind == "conda-active" else "1")


def test_old_activation_command_does_no_harm(place: Site, kind: str) -> None:
    # SHLVL and others belong to the shell.
    script = 'env | grep -E "^(CONDA|PATH|HOOKED)" | sort'
    assert inside(place, kind, f"$WITH_CONDA && {script}") == inside(place, kind, script)


def test_layer_is_the_same_on_every_base(place: Site) -> None:
    assert len({(place.installation(kind) / SQUASHFS).read_bytes() for kind in BASES}) == 1


def test_no_path_of_the_build_is_in_the_layer(place: Site, channel: Channel, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run(["unsquashfs", "-no-progress", "-quiet", "-dest", tree, place.installation("bare") / SQUASHFS],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    names = [str(folder).encode() for folder in (place.folder, channel.path)] + [b"/ebsif/"]
    found = [path for path in tree.rglob("*") if path.is_file() and any(name in path.read_bytes() for name in names)]
    assert found == []
    assert sorted(path.name for path in (tree / "conda").iterdir()) == ["bin", "envs"]


def test_the_base_and_the_layer_do_not_interfere(place: Site) -> None:
    assert inside(place, "conda", "type -P python") == f"{PREFIX}/bin/python\n"
    assert inside(place, "conda", "python -c 'import importlib.util as u; print(u.find_spec(\"six\"))'") == "None\n"
    # The base's own environment can still be activated by hand, on top.
    script = "source /opt/miniconda3/bin/activate pytorch; type -P python; python -c 'import six'; echo $CONDA_SHLVL"
    assert inside(place, "conda", script) == "/opt/miniconda3/envs/pytorch/bin/python\n2\n"


# With the environment of the base active underneath.


@pytest.fixture(scope="module")
def stacked(make_site: Callable[..., Site], conda: list[Wheel]) -> Site:
    """An installation of the small layer, stacked, on each kind of base that it can be stacked on."""
    stacked = make_site()
    done = stacked.eb(*(stacked.write(kind, conda, **parameters) for kind, parameters in STACKED.items()))
    assert done.returncode == 0, done.stdout
    return stacked


@pytest.mark.parametrize("kind", STACKED)
def test_stacked_environment_sees_the_packages_of_the_base(stacked: Site, kind: str) -> None:
    program = "import greet, six, sys; print(sys.prefix, six.__file__.startswith('/opt/'), greet.__version__)"
    assert stacked.output(kind, f"python -c \"{program}\"") == f"{PREFIX} True 2.0\n"


@pytest.mark.parametrize("kind", STACKED)
def test_commands_of_the_base_run_with_the_python_of_a_stacked_environment(stacked: Site, kind: str) -> None:
    (stacked.folder / "test_check.py").write_text(CHECK)
    command = f"cd {stacked.folder} && type -P pytest && pytest -q -p no:cacheprovider -n 1 test_check.py"
    out = inside(stacked, kind, command)
    assert out.startswith(f"{PREFIX}/bin/pytest\n")
    assert "1 passed" in out


@pytest.mark.parametrize("kind", STACKED)
def test_the_module_of_a_stacked_environment_or_the_path_of_a_command_is_activating(stacked: Site, kind: str) -> None:
    check_equality(stacked, kind, KINDS[kind].get("activation", ":"))


@pytest.mark.parametrize("kind", STACKED)
def test_a_personal_venv_sees_layer_and_base(stacked: Site, kind: str) -> None:
    venv = stacked.folder / f"mine-{kind}"
    stacked.output(kind, f"python -m venv --system-site-packages --without-pip {venv}")
    program = "import greet, six, sys; print(sys.prefix, greet.__file__, six.__file__.startswith('/opt/'))"
    seen = f"{venv} {PREFIX}/lib/python3.11/site-packages/greet.py True\n"
    done = stacked.login(f"env -i {venv}/bin/python -c \"{program}\"")
    assert done.stdout == seen, done.stderr


def test_stacked_environment_is_active_on_top_of_that_of_the_base(stacked: Site) -> None:
    script = 'printf "%s\n" "$CONDA_SHLVL" "$CONDA_PREFIX_1" "$DEMO_HOOK_PREFIX"'
    below = "/opt/miniconda3/envs/pytorch"
    assert inside(stacked, "conda", script).splitlines() == ["2", below, f"{below}/share/demo data"]


# With Python packages on top.


@pytest.fixture(scope="module", params=[version for version in easybuild.VERSIONS if version != easybuild.DEFAULT])
def with_wheels(
    request: pytest.FixtureRequest, make_site: Callable[..., Site], conda: list[Wheel],
    pip_wheel: Wheel, hello_wheel: Wheel,
) -> Site:  # fmt: skip
    """An installation with a wheel, and pip only to install it, by another EasyBuild than that of the other tests."""
    site = make_site()
    files = [*conda, pip_wheel, hello_wheel]
    out = site.using(version=request.param).install("bare", files, **WITH_PIP, command_packages=["tool"])
    assert "installing 1 packages into" in out
    return site


def test_python_packages_on_top_of_conda_packages(with_wheels: Site) -> None:
    assert with_wheels.output("bare", "hello you; tool") == "hello ['you']\ntool\n"


def test_record_of_what_is_in_the_layer(with_wheels: Site) -> None:
    record = json.loads((with_wheels.installation("bare") / "layer.json").read_text())
    assert packages_of(record)["hello"] == "1.0"
    assert packages_of(record, build_only=True) == {"pip": "26.3", "py-rattler": "0.28.0"}
    assert "greet-2.0-py_0.conda" in [file["name"] for file in files_of(record)]


def test_commands_of_the_packages_that_were_asked_for(with_wheels: Site) -> None:
    names = {path.name for path in (with_wheels.installation("bare") / "bin").iterdir()}
    assert {"tool", "greet", "hello", "python"} <= names
    assert not {"prefixed", "python3.11"} & names


# With packages that are odd.


@pytest.fixture(scope="module")
def odd(make_site: Callable[..., Site], rattler: Wheel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str]:
    """An installation of a package with odd commands and a link script, and what `eb` says of it."""
    scripts = {
        "bin/.odd-post-link.sh": 'pwd >"$PREFIX/where"; printf "not all is well\\n\\033[31m" >"$PREFIX/.messages.txt"',
        "bin/needy": "#!/usr/bin/env not-there\n",
        "bin/eraser": '#!/bin/sh\ntouch "$HOME/erased" /tmp/erased-by-odd\n',
        **{f"bin/{name}": f"#!/bin/sh\necho {name} of conda\n" for name in ("apptainer", "singularity", "id", "sed")},
    }
    links = {"bin/gone": "../lib/gone", "bin/folder": "../share", "bin/alias": "eraser"}
    files = {**scripts, "share/odd": ""}
    package = make_package(
        tmp_path_factory.mktemp("odd"), "odd", files=files, executable=list(scripts), links=links
    )
    site = make_site()
    return site, site.install("bare", [rattler, Wheel("odd", "1.0", package)], **PARAMETERS)


def test_a_command_that_cannot_start_gets_no_wrapper(odd: tuple[Site, str]) -> None:
    out = " ".join(odd[1].split())
    assert "that cannot start on this image: needy does not start: its interpreter not-there is not there" in out
    names = {path.name for path in (odd[0].installation("bare") / "bin").iterdir()}
    assert {"eraser", "alias"} <= names
    assert not names & {"needy", "gone", "folder"}


def test_a_command_that_was_asked_for_must_start(site: Site, rattler: Wheel, tmp_path: Path) -> None:
    files = {"bin/needy": "#!/not/there\n"}
    package = Wheel("needy", "1.0", make_package(tmp_path, "needy", files=files, executable=list(files)))
    out = site.refuse("bare", [rattler, package], **PARAMETERS | {"commands": ["needy"]})
    assert "the command needy does not start: its interpreter /not/there is not there" in " ".join(out.split())


def test_commands_that_the_host_needs_get_no_wrapper(odd: tuple[Site, str]) -> None:
    site, out = odd
    assert "'apptainer', 'id', 'sed', 'singularity'" in " ".join(out.split())
    assert not {path.name for path in (site.installation("bare") / "bin").iterdir()} & {"apptainer", "id", "sed"}
    assert site.output("bare", "start-shell -c 'echo inside'") == "inside\n"
    assert "of conda" not in site.output("bare", "id")


def test_no_command_is_run_by_an_installation(odd: tuple[Site, str]) -> None:
    assert not list(Path(odd[0].settings["HOME"]).rglob("erased"))
    assert not Path("/tmp/erased-by-odd").exists()


def test_a_hook_that_replaces_path_is_refused(site: Site, rattler: Wheel, tmp_path: Path) -> None:
    hook = {"etc/conda/activate.d/x.sh": "export PATH=/opt/other/bin:/usr/bin\n"}
    package = Wheel("hooks", "1.0", make_package(tmp_path, "hooks", files=hook))
    out = " ".join(site.refuse("bare", [rattler, package], **PARAMETERS).split())
    assert "to '/opt/other/bin:/usr/bin', which is more than absolute folders put before and behind it" in out
    assert "Say in 'container_env' what a variable other than PATH should be instead" in out


def test_link_scripts_run_beside_the_commands_and_their_messages_are_shown(odd: tuple[Site, str]) -> None:
    assert "the link script of odd says: not all is well '\\x1b[31m'" in " ".join(odd[1].split())
    assert inside(odd[0], "bare", f"cat {PREFIX}/where") == f"{PREFIX}/bin\n"


def test_environment_without_python(site: Site, channel: Channel, rattler: Wheel) -> None:
    site.install("bare", [rattler, *conda_files(channel, [("prefixed", "1.0"), ("tool", "1.0")])], **PARAMETERS)
    assert site.output("bare", "tool x") == "tool\nx\n"
    assert not (site.installation("bare") / "bin" / "python").exists()


def test_the_same_bytes_whoever_builds_where_with_how_many_processors(
    make_site: Callable[..., Site], machine: Machine, place: Site, with_pip: list[Wheel]
) -> None:
    other = make_site(user=machine.user, name="another name")
    eb = other.write("bare", with_pip, **PARAMETERS)
    done = other.eb(eb, "--parallel=1", "--buildpath", other.folder / "elsewhere")
    assert done.returncode == 0, done.stdout
    for name in (SQUASHFS, "layer.json"):
        assert (place.installation("bare") / name).read_bytes() == (other.installation("bare") / name).read_bytes()


def test_pip_says_that_the_layer_is_read_only(place: Site) -> None:
    assert f"pip: {PREFIX} is read-only in this container" in place.loaded("bare", "pip install six").stderr


def test_layer_can_be_unpacked_changed_and_packed(place: Site, hello_wheel: Wheel) -> None:
    shutil.copy(hello_wheel.path, place.sources)
    image = place.installation("bare") / SQUASHFS
    original = image.read_bytes()
    place.output("bare", "unmake-squashfs")
    install = f"pip install --quiet --no-index --no-deps {place.sources / hello_wheel.path.name}"
    place.output("bare", f"export APPTAINER_BIND={place.sources}; {install}; make-squashfs")
    shutil.rmtree(place.installation("bare") / "user-software")
    out = inside(place, "bare", "hello you")
    image.write_bytes(original)
    assert out == "hello ['you']\n"


def test_module_in_tcl(place: Site, with_pip: list[Wheel]) -> None:
    tcl = place.using(tool="EnvironmentModules")
    done = tcl.eb(tcl.write("bare", with_pip, **PARAMETERS), "--module-only")
    assert done.returncode == 0, done.stdout
    assert inside(tcl, "bare", 'printf %s "$HOOKED_VALUE"') == HOOKED_VALUE
    ours = "env | grep -E '^(APPTAINER|SINGULARITY|SIF|CONTAINERROOT|RUNSCRIPTS|__EBSIF|PATH)' | sort"
    there_and_back = "module load Demo/1.0-bare; module unload Demo/1.0-bare"
    script = f"{ours} > before; {there_and_back}; {ours} | diff before - && echo same"
    assert tcl.login(script, cwd=tcl.folder).stdout == "same\n"
    tcl.module_file("bare").unlink()


# Options of EasyBuild.


def write_with_checksum(place: Site, files: list[Wheel]) -> Path:
    """Write an easyconfig that also has the checksum of the image, of which EasyBuild would complain otherwise."""
    digest = hashlib.sha256(place.machine.bases["bare"].read_bytes()).hexdigest()
    return place.write("bare", files, **PARAMETERS, checksums=[digest])


def test_dry_run(site: Site, conda: list[Wheel]) -> None:
    done = site.eb(write_with_checksum(site, conda), "--extended-dry-run")
    assert done.returncode == 0, done.stdout
    assert "installing 6 conda packages into /user-software/conda/envs/demo" in done.stdout
    assert "(no ignored errors during dry run)" in done.stdout
    assert site.leftovers() == []


@pytest.mark.parametrize("options", [["--module-only"], ["--sanity-check-only"], ["--skip", "--rebuild"]], ids=" ".join)
def test_options_that_leave_the_layer_as_it_is(place: Site, with_pip: list[Wheel], options: list[str]) -> None:
    kept = [place.installation("bare") / SQUASHFS, place.module_file("bare")]
    before = [path.read_bytes() for path in kept]
    if options == ["--module-only"]:
        place.module_file("bare").unlink()
    done = place.eb(write_with_checksum(place, with_pip), *options)
    assert done.returncode == 0, done.stdout
    assert [path.read_bytes() for path in kept] == before
    assert ("the layer is installed already" in done.stdout) == ("--skip" in options)


# What is refused, before anything is installed.


def test_script_that_would_run_before_installation_is_refused(site: Site, channel: Channel, rattler: Wheel) -> None:
    out = site.refuse("bare", [rattler, *conda_files(channel, [("prelinked", "1.0")])], **PARAMETERS)
    assert "the conda package prelinked has a script to be run before it is installed (pre-link)" in out


def test_failing_link_script_is_named(site: Site, channel: Channel, rattler: Wheel, tmp_path: Path) -> None:
    script = "bin/.failing-post-link.sh"
    path = make_package(tmp_path, "failing", files={script: "echo not today >&2; exit 3\n"}, executable=[script])
    out = site.refuse("bare", [rattler, Wheel("failing", "1.0", path)], **PARAMETERS)
    assert "The link script of the conda package failing in the container failed: not today" in out


def linking(folder: Path, name: str, script: str) -> Wheel:
    """Make a conda package with a link script."""
    path = f"bin/.{name}-post-link.sh"
    return Wheel(name, "1.0", make_package(folder, name, files={path: script}, executable=[path]))


@pytest.mark.parametrize(
    ("name", "script", "reason"),
    [
        ("piping", 'mkfifo "$PREFIX/pipe"', "neither a file nor a folder nor a link: 'conda/envs/demo/pipe'"),
        ("leading", 'ln -s /etc/hostname "$PREFIX/.messages.txt"', "/.messages.txt leads out of the layer, to /etc/"),
    ],
)
def test_what_a_link_script_must_not_leave_in_the_layer(
    site: Site, rattler: Wheel, tmp_path: Path, name: str, script: str, reason: str
) -> None:
    out = " ".join(site.refuse("bare", [rattler, linking(tmp_path, name, script)], **PARAMETERS).split())
    assert reason in out


def test_a_link_script_that_hangs_is_ended_with_all_that_it_has_started(
    site: Site, rattler: Wheel, tmp_path: Path
) -> None:
    hooks = site.folder / "hooks.py"
    hooks.write_text(
        "def pre_build_hook(*args, **kwargs):\n"
        "    from easybuild.easyblocks.generic import sifconda\n"
        "    sifconda.LINK_SCRIPT_SECONDS = 2\n"
    )
    mark = f"{tmp_path.name}{os.getpid()}"
    script = f"echo nearly done >&2; exec -a {mark} tail -f /dev/null & exec -a {mark} tail -f /dev/null"
    easyconfig = site.write("bare", [rattler, linking(tmp_path, "hanging", script)], **PARAMETERS)
    done = site.eb(easyconfig, "--hooks", hooks)
    assert done.returncode != 0
    reason = "The link script of the conda package hanging in the container has not ended in 2 seconds. It said: nearly"
    assert reason in " ".join(done.stdout.split())
    assert mark not in subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("old", ["3.7.13", "2.7.18"])
def test_a_python_that_is_too_old_is_refused(site: Site, rattler: Wheel, tmp_path: Path, old: str) -> None:
    python = Wheel("python", old, make_package(tmp_path, "python", old, subdir="linux-64"))
    out = " ".join(site.refuse("bare", [rattler, python], **PARAMETERS).split())
    assert f"Python {old.rpartition('.')[0]} of the environment is too old: SifConda needs 3.8 or newer" in out


def test_package_for_another_platform_is_refused(site: Site, channel: Channel, rattler: Wheel) -> None:
    out = site.refuse("bare", [rattler, *conda_files(channel, [("foreign", "1.0")])], **PARAMETERS)
    assert "The conda package foreign is for linux-aarch64" in out


def test_damaged_package_is_refused(site: Site, channel: Channel, rattler: Wheel, tmp_path: Path) -> None:
    damaged = tmp_path / channel.package("tool").name
    damaged.write_bytes(channel.package("tool").read_bytes()[:200])
    out = site.refuse("bare", [rattler, Wheel("tool", "1.0", damaged)], **PARAMETERS)
    assert f"{damaged.name} is not a conda package, or is damaged" in out


def test_package_with_damaged_content_is_refused(site: Site, rattler: Wheel, tmp_path: Path) -> None:
    # Large, so that the damage in the middle is not in what the package says of itself.
    whole = make_package(tmp_path / "channel", "large", files={"share/large": random.Random(0).randbytes(100_000)})
    damaged = corrupted(whole, tmp_path)
    out = site.refuse("bare", [rattler, Wheel("large", "1.0", damaged)], **PARAMETERS)
    assert "large-1.0-0" in out[out.index("(install of conda packages) failed") :]


def test_file_of_another_version_is_refused(site: Site, channel: Channel, rattler: Wheel) -> None:
    out = site.refuse("bare", [rattler, Wheel("greet", "3.0", channel.package("greet", "1.0"))], **PARAMETERS)
    assert "greet-1.0-py_0.conda holds greet 1.0, which is not what exts_list says" in out


def test_package_of_the_base_below_is_refused(
    site: Site, channel: Channel, conda: list[Wheel], tmp_path: Path
) -> None:
    six = Wheel("six", "1.0", make_python_package(tmp_path, "six", "1.0", "VERSION = '1.0'\n"))
    out = site.refuse("venv", [*conda, six], **STACKED["venv"])
    assert "six 1.0 is in exts_list, but the image has six 1.17.0" in out


def test_python_package_that_conda_has_is_refused(
    site: Site, conda: list[Wheel], pip_wheel: Wheel, wheelhouse: Path
) -> None:
    greet = make_wheel(wheelhouse, "greet", "1.0")
    out = site.refuse("bare", [*conda, pip_wheel, greet], **WITH_PIP)
    assert "greet 1.0 is in exts_list as a wheel, but a conda package there brings greet 2.0" in out


def test_parameter_that_cannot_work_is_refused(site: Site, conda: list[Wheel]) -> None:
    out = site.refuse("bare", conda, **PARAMETERS | {"command_packages": ["ffmpeg"]})
    assert "'command_packages': 'ffmpeg' is no conda package in exts_list" in out
