"""A conda layer, installed by eb and used through its module."""

import hashlib
import json
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from easybuild.easyblocks.generic._sifactivation import differences, parse_environment

from tests.support.conda import HOOKED_VALUE, Channel
from tests.support.conda_layer import PARAMETERS, RATTLER, STACKED, conda_files, rattler_wheel
from tests.support.conda_packages import corrupted, make_package, make_python_package
from tests.support.download import fetch_wheel
from tests.support.easyconfigs import KINDS
from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel
from workbench import Machine, easybuild

pytestmark = pytest.mark.e2e

SQUASHFS = "user-software.squashfs"
# Where pip only installs the wheels.
WITH_PIP = PARAMETERS | {"build_packages": ["py-rattler", "pip"]}
PREFIX = "/user-software/conda/envs/demo"


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


@pytest.fixture(scope="module", params=["bare", "venv", "conda", "conda-active"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], kind: str, conda: list[Wheel]) -> Site:
    """An installation of the small layer on each kind of base."""
    place = make_site()
    place.install(kind, conda, **PARAMETERS)
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


def test_link_script_has_run_in_the_container(place: Site, kind: str) -> None:
    assert inside(place, kind, f"cat {PREFIX}/share/linked/made.txt") == f"{PREFIX}\nlinked\n1.0\n"


def test_loading_the_module_is_activating(place: Site, kind: str) -> None:
    verb = KINDS[kind].get("start_with", "exec")
    image, layer = place.machine.bases[kind], place.installation(kind) / SQUASHFS
    by_hand = place.login(
        f"apptainer {verb} --cleanenv --bind {layer}:/user-software:image-src=/,ro {image} "
        "bash -c 'source /user-software/conda/bin/activate demo && exec env -0'"
    )
    assert by_hand.returncode == 0, by_hand.stderr
    loaded = parse_environment(place.output(kind, f"$SIFRUNTIMEDEMO {verb} --cleanenv $SIF env -0"))
    assert differences(parse_environment(by_hand.stdout), loaded) == []
    assert loaded["CONDA_PREFIX"] == PREFIX
    assert loaded["CONDA_SHLVL"] == ("2" if kind == "conda-active" else "1")


def test_old_activation_command_does_no_harm(place: Site, kind: str) -> None:
    # SHLVL and others belong to the shell.
    script = 'env | grep -E "^(CONDA|PATH|HOOKED)" | sort'
    assert inside(place, kind, f"$WITH_CONDA && {script}") == inside(place, kind, script)


def test_no_path_of_the_build_is_in_the_layer(place: Site, kind: str, channel: Channel, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run(["unsquashfs", "-no-progress", "-quiet", "-dest", tree, place.installation(kind) / SQUASHFS],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    names = [str(folder).encode() for folder in (place.folder, channel.path)] + [b"/ebsif/"]
    found = [path for path in tree.rglob("*") if path.is_file() and any(name in path.read_bytes() for name in names)]
    assert found == []
    assert sorted(path.name for path in (tree / "conda").iterdir()) == ["bin", "envs"]


def test_the_base_and_the_layer_do_not_interfere(make_site: Callable[..., Site], conda: list[Wheel]) -> None:
    site = make_site()
    site.install("conda", conda, **PARAMETERS)
    assert inside(site, "conda", "type -P python") == f"{PREFIX}/bin/python\n"
    assert inside(site, "conda", "python -c 'import importlib.util as u; print(u.find_spec(\"six\"))'") == "None\n"
    # The base's own environment can still be activated by hand, on top.
    script = "source /opt/miniconda3/bin/activate pytorch; type -P python; python -c 'import six'; echo $CONDA_SHLVL"
    assert inside(site, "conda", script) == "/opt/miniconda3/envs/pytorch/bin/python\n2\n"


@pytest.mark.parametrize("kind", STACKED)
def test_stacked_environment_sees_the_packages_of_the_base(
    make_site: Callable[..., Site], conda: list[Wheel], kind: str
) -> None:
    site = make_site()
    site.install(kind, conda, **STACKED[kind])
    program = "import greet, six, sys; print(sys.prefix, six.__file__.startswith('/opt/'), greet.__version__)"
    assert site.output(kind, f"python -c \"{program}\"") == f"{PREFIX} True 2.0\n"
    if kind == "conda":
        assert inside(site, kind, "echo $CONDA_SHLVL $CONDA_PREFIX_1") == "2 /opt/miniconda3/envs/pytorch\n"
        assert inside(site, kind, "echo $DEMO_HOOK_PREFIX") == "/opt/miniconda3/envs/pytorch/share/demo data\n"


def test_python_packages_on_top_of_conda_packages(
    site: Site, conda: list[Wheel], pip_wheel: Wheel, hello_wheel: Wheel
) -> None:
    out = site.install("bare", [*conda, pip_wheel, hello_wheel], **WITH_PIP)
    assert "installing 1 packages into" in out
    assert site.output("bare", "hello you") == "hello ['you']\n"
    record = json.loads((site.installation("bare") / "layer.json").read_text())
    assert record["packages"] == {"hello": "1.0"}
    assert record["build_packages"] == {"pip": "26.3", "py-rattler": "0.28.0"}
    assert record["conda_packages"]["greet"] == "greet-2.0-py_0.conda"


@pytest.mark.parametrize("other", [version for version in easybuild.VERSIONS if version != easybuild.DEFAULT])
def test_other_versions_of_easybuild(
    site: Site, conda: list[Wheel], pip_wheel: Wheel, hello_wheel: Wheel, other: str
) -> None:
    files = [*conda, pip_wheel, hello_wheel]
    site.using(version=other).install("bare", files, **WITH_PIP)
    assert site.output("bare", "hello you; tool") == "hello ['you']\ntool\n"


def test_environment_without_python(site: Site, channel: Channel, rattler: Wheel) -> None:
    site.install("bare", [rattler, *conda_files(channel, [("prefixed", "1.0"), ("tool", "1.0")])], **PARAMETERS)
    assert site.output("bare", "tool x") == "tool\nx\n"
    assert not (site.installation("bare") / "bin" / "python").exists()


def test_commands_of_the_packages_that_were_asked_for(site: Site, conda: list[Wheel]) -> None:
    site.install("bare", conda, **PARAMETERS | {"command_packages": ["tool"]})
    names = {path.name for path in (site.installation("bare") / "bin").iterdir()}
    assert {"tool", "greet", "python"} <= names
    assert not {"prefixed", "python3.11"} & names


def test_the_same_bytes_whoever_builds_where_with_how_many_processors(
    make_site: Callable[..., Site], machine: Machine, conda: list[Wheel]
) -> None:
    one, other = make_site(), make_site(user=machine.user, name="another name")
    one.install("bare", conda, **PARAMETERS)
    done = other.eb(other.write("bare", conda, **PARAMETERS), "--parallel=1", "--buildpath", other.folder / "elsewhere")
    assert done.returncode == 0, done.stdout
    images = [place.installation("bare") / SQUASHFS for place in (one, other)]
    assert images[0].read_bytes() == images[1].read_bytes()
    records = [json.loads((place.installation("bare") / "layer.json").read_text()) for place in (one, other)]
    assert records[0] == records[1]


def test_layer_can_be_unpacked_changed_and_packed(
    site: Site, conda: list[Wheel], pip_wheel: Wheel, hello_wheel: Wheel
) -> None:
    site.install("bare", [*conda, pip_wheel], **PARAMETERS)
    refused = site.loaded("bare", f"pip install {hello_wheel.path}")
    assert f"pip: {PREFIX} is read-only in this container" in refused.stderr
    site.output("bare", "unmake-squashfs")
    install = f"pip install --quiet --no-index --no-deps {site.sources / hello_wheel.path.name}"
    site.output("bare", f"export APPTAINER_BIND={site.sources}; {install}; make-squashfs")
    shutil.rmtree(site.installation("bare") / "user-software")
    assert inside(site, "bare", "hello you") == "hello ['you']\n"


def test_module_in_tcl(make_site: Callable[..., Site], conda: list[Wheel]) -> None:
    site = make_site(tool="EnvironmentModules")
    site.install("bare", conda, **PARAMETERS)
    assert inside(site, "bare", 'printf %s "$HOOKED_VALUE"') == HOOKED_VALUE
    ours = "env | grep -E '^(APPTAINER|SINGULARITY|SIF|CONTAINERROOT|RUNSCRIPTS|__EBSIF|PATH)' | sort"
    there_and_back = "module load Demo/1.0-bare; module unload Demo/1.0-bare"
    script = f"{ours} > before; {there_and_back}; {ours} | diff before - && echo same"
    assert site.login(script, cwd=site.folder).stdout == "same\n"


def test_options_of_easybuild(site: Site, conda: list[Wheel]) -> None:
    digest = hashlib.sha256(site.machine.bases["bare"].read_bytes()).hexdigest()
    parameters = PARAMETERS | {"checksums": [digest]}
    eb = site.write("bare", conda, **parameters)
    done = site.eb(eb, "--extended-dry-run")
    assert done.returncode == 0, done.stdout
    assert "installing 6 conda packages into /user-software/conda/envs/demo" in done.stdout
    assert "(no ignored errors during dry run)" in done.stdout
    assert site.leftovers() == []
    site.install("bare", conda, **parameters)
    module = site.module_file("bare").read_text()
    site.module_file("bare").unlink()
    for options in (["--module-only"], ["--sanity-check-only"], ["--skip", "--rebuild"]):
        done = site.eb(eb, *options)
        assert done.returncode == 0, done.stdout
    assert site.module_file("bare").read_text() == module
    assert "the layer is installed already" in done.stdout


# What is refused, before anything is installed.


def test_script_that_would_run_before_installation_is_refused(site: Site, channel: Channel, rattler: Wheel) -> None:
    out = site.refuse("bare", [rattler, *conda_files(channel, [("prelinked", "1.0")])], **PARAMETERS)
    assert "the conda package prelinked has a script to be run before it is installed (pre-link)" in out


def test_failing_link_script_is_named(site: Site, channel: Channel, rattler: Wheel, tmp_path: Path) -> None:
    script = "bin/.failing-post-link.sh"
    path = make_package(tmp_path, "failing", files={script: "echo not today >&2; exit 3\n"}, executable=[script])
    out = site.refuse("bare", [rattler, Wheel("failing", "1.0", path)], **PARAMETERS)
    assert "The link script of the conda package failing in the container failed: not today" in out


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"build_packages": []}, "'build_packages': it must have py-rattler"),
        ({"command_packages": ["ffmpeg"]}, "'command_packages': 'ffmpeg' is no conda package in exts_list"),
        ({"conda_name": "../x"}, "'conda_name': '../x' is not a name for a conda environment"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    site: Site, conda: list[Wheel], changes: dict[str, object], message: str
) -> None:
    assert message in site.refuse("bare", conda, **PARAMETERS | changes)


def test_easyconfig_without_conda_packages_is_refused(site: Site, rattler: Wheel) -> None:
    assert "it has no conda package" in site.refuse("bare", [rattler], **PARAMETERS)


def test_easyconfig_without_the_installer_is_refused(site: Site, channel: Channel) -> None:
    files = conda_files(channel, [("tool", "1.0")])
    out = site.refuse("bare", files, **PARAMETERS | {"build_packages": []})
    assert "it has no wheel of py-rattler, which installs conda packages" in out
