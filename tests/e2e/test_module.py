"""What a module decides when it is loaded, in Lua and in Tcl."""

from collections.abc import Callable

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e

BINDS = ["/does/not/exist", "/srv:/bound:ro", "/etc/debian_version:/a file", "/dev/null:/nothing"]


@pytest.fixture(scope="module")
def installed(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """Two installations, with modules in Lua and in Tcl."""
    site = make_site()
    site.install("venv", layer, binds=BINDS, conflicts=["other-container"])
    site.install("conda", layer, gpu="nvidia")
    for kind in ["venv", "conda"]:
        site.using(tool="EnvironmentModules").make_module(kind)
    return site


@pytest.fixture(params=["Lmod", "EnvironmentModules"])
def place(request: pytest.FixtureRequest, installed: Site) -> Site:
    """The installations, for people with a module tool."""
    return installed.using(tool=request.param)


def test_binds_whose_source_does_not_exist_are_left_out(place: Site) -> None:
    assert place.output("venv", "start-shell -c 'test -d /bound && cat \"/a file\" && ls -d /does'; true").strip()
    assert "/does/not/exist" not in place.output("venv", "echo $APPTAINER_BINDPATH")


def test_a_bind_that_the_user_has_already_is_not_made_twice(place: Site) -> None:
    done = place.login("export APPTAINER_BIND=/srv:/bound:ro; module load Demo/1.0-venv; python -c 'print(1)'")
    assert (done.stdout, done.stderr) == ("1\n", "")


def bindings(place: Site, variable: str) -> None:
    """Make a module that only binds, as sites have it, to places where ours does too, but written otherwise."""
    folder = place.folder / "modules" / "all" / "bindings"
    folder.mkdir(exist_ok=True)
    (folder / "1.0").write_text(f"#%Module\nsetenv {variable} /usr/share:/bound/,/etc/debian_version:/a\\ file,/srv\n")


@pytest.mark.parametrize("variable", ["SINGULARITY_BIND", "APPTAINER_BIND"])
@pytest.mark.parametrize("modules", ["bindings/1.0 Demo/1.0-venv", "Demo/1.0-venv bindings/1.0"])
def test_a_module_that_binds_to_the_same_places_can_be_loaded_too(place: Site, modules: str, variable: str) -> None:
    bindings(place, variable)
    look = "test -d /bound/zoneinfo && test -e /user-software/venv && grep -c ' /bound ' /proc/self/mountinfo"
    done = place.login(f'module load {modules}; start-shell -c "{look}"')
    assert done.stdout == "1\n"
    assert [line for line in done.stderr.splitlines() if "is preferred" not in line] == []


def test_what_another_module_has_bound_before_is_not_bound_again_by_hand(place: Site) -> None:
    bindings(place, "APPTAINER_BIND")
    done = place.login("module load bindings/1.0 Demo/1.0-venv; $SIFRUNTIMEDEMO exec $SIF test -d /bound/zoneinfo")
    assert (done.returncode, done.stderr) == (0, "")


GPU_SETUP = "APPTAINER_DEBUG=1 {} 2>&1 | grep -o 'for nv GPU setup'"


def test_the_runtime_brings_in_the_gpu_by_module_by_hand_and_by_path(place: Site) -> None:
    wrapper, by_hand = "start-shell -c true", "$SIFRUNTIMEDEMO exec $SIF true"
    alone = f"env -i APPTAINER_DEBUG=1 {place.installation('conda')}/bin/{wrapper} 2>&1 | grep -o 'for nv GPU setup'"
    loaded = place.loaded("conda", f"{GPU_SETUP.format(wrapper)}; {GPU_SETUP.format(by_hand)}; {wrapper}")
    assert (loaded.stdout, loaded.stderr) == ("for nv GPU setup\n" * 2, "")
    assert place.login(alone).stdout == "for nv GPU setup\n"
    assert place.output("venv", f"{GPU_SETUP.format(wrapper)}; true") == ""


@pytest.mark.parametrize("own", ["APPTAINER_NV=0", "SINGULARITY_NV=0"])
def test_a_gpu_that_the_user_has_switched_off_stays_off(place: Site, own: str) -> None:
    show = "env | grep -E '^(APPTAINER|SINGULARITY)_NV=' | sort"
    script = f"export {own}\nmodule load Demo/1.0-conda; {show}; module unload Demo; {show}"
    assert place.login(script).stdout.split() == ["APPTAINER_NV=0", "SINGULARITY_NV=0", own]
    alone = f"env -i {own} APPTAINER_DEBUG=1 {place.installation('conda')}/bin/start-shell -c true 2>&1 | grep -c GPU"
    assert place.login(alone).stdout == "0\n"


def test_a_module_without_gpu_takes_it_away_from_the_one_before(place: Site) -> None:
    show = "env | grep -c -E '^(APPTAINER|SINGULARITY)_NV='"
    script = f"module load Demo/1.0-conda; {show}; module switch Demo/1.0-conda Demo/1.0-venv; {show}"
    assert place.login(script).stdout.split() == ["2", "0"]
    # A command of the other installation, called by its path, does not have it either.
    other = f"{place.installation('venv')}/bin/start-shell -c true"
    assert place.output("conda", f"{GPU_SETUP.format(other)}; true") == ""


def test_singularity_is_spoken_to_where_there_is_no_apptainer(place: Site) -> None:
    folder = place.folder / "singularity-only"
    folder.mkdir(exist_ok=True)
    (folder / "singularity").write_text(f'#!/bin/bash\nexec {place.machine.runtime} "$@"\n')
    (folder / "singularity").chmod(0o755)
    script = f"""
        PATH={folder}:$(echo "$PATH" | sed 's#{place.machine.runtime.parent}:##')
        env | grep -E '^(APPTAINER|SINGULARITY|SIF)' | sort > before
        module load Demo/1.0-venv
        echo $SIFRUNTIMEDEMO $(env | grep -c '^APPTAINER')
        echo $SINGULARITY_BINDPATH | grep -c user-software.squashfs
        hello x 2> /dev/null
        module unload Demo/1.0-venv
        env | grep -E '^(APPTAINER|SINGULARITY|SIF)' | sort | diff before -
    """
    done = place.login(script, cwd=place.folder)
    assert done.stdout == "singularity 0\n1\nhello ['x']\n", done.stderr


def test_without_squashfs_and_folder_nothing_is_mounted(place: Site) -> None:
    squashfs = place.installation("venv") / "user-software.squashfs"
    aside = squashfs.with_name("aside")
    squashfs.rename(aside)
    try:
        assert place.output("venv", "start-shell -c 'test -e /user-software || echo nothing'") == "nothing\n"
    finally:
        aside.rename(squashfs)


def test_what_is_unloaded_is_what_was_loaded_although_the_layer_has_changed(place: Site) -> None:
    squashfs = place.installation("venv") / "user-software.squashfs"
    aside = squashfs.with_name("aside")
    script = f"""
        module load Demo/1.0-venv
        mv {squashfs} {aside}
        module unload Demo/1.0-venv
        mv {aside} {squashfs}
        echo "[$APPTAINER_BINDPATH]"
    """
    assert place.login(script).stdout == "[]\n"


def test_two_containers_cannot_be_loaded_together(place: Site) -> None:
    done = place.login("module load Demo/1.0-venv; module load Demo/1.0-conda; echo $SIF; list-packages layer | wc -l")
    image = done.stdout.split()[0]
    # Lmod swaps the two, Environment Modules refuses the second.
    kind = "conda" if place.tool == "Lmod" else "venv"
    assert image == str(place.installation(kind) / place.machine.bases[kind].name)
    assert done.stdout.split()[1] == "2"


SET_BY_USER = "SIF=mine APPTAINER_BINDPATH=/srv:/b:ro,/usr:/c"
OURS = "^(SIF|APPTAINER|SINGULARITY|CONTAINERROOT|RUNSCRIPTS|__EBSIF)"


@pytest.mark.parametrize("change", ["module switch Demo/1.0-venv Demo/1.0-conda", "module reload", "module load Demo"])
def test_unloading_after_a_change_gives_back_what_was_there(place: Site, change: str) -> None:
    script = f"""
        export {SET_BY_USER}
        env | grep -E '{OURS}' | sort > before
        module load Demo/1.0-venv
        {change}
        hello x
        case $APPTAINER_BINDPATH in *,/srv:/b:ro,/usr:/c) ;; *) echo "$APPTAINER_BINDPATH" ;; esac
        echo "$APPTAINER_BINDPATH" | grep -o /runscripts:ro | wc -l
        module unload Demo
        env | grep -E '{OURS}' | sort | diff before -
    """
    done = place.login(script, cwd=place.folder)
    assert done.stdout == "hello ['x']\n1\n", done.stderr


def test_singularitys_bindpath_of_the_user_works_with_apptainer(place: Site) -> None:
    script = """
        export SINGULARITY_BINDPATH=/usr:/mine
        module load Demo/1.0-venv
        start-shell -c 'test -d /mine && hello x' 2>&1 | grep -v INFO
        module unload Demo/1.0-venv
        env | grep '^[A-Z]*_BINDPATH'
    """
    assert place.login(script).stdout == "hello ['x']\nSINGULARITY_BINDPATH=/usr:/mine\n"


def test_a_device_can_be_bound(place: Site) -> None:
    assert place.output("venv", "start-shell -c 'test -c /nothing && echo there'") == "there\n"


def test_loading_without_a_runtime_warns(place: Site) -> None:
    done = place.login("PATH=/usr/bin:/bin; module load Demo/1.0-venv; echo $SIFRUNTIMEDEMO")
    assert "Neither apptainer nor singularity is on PATH" in done.stderr
    assert done.stdout == "singularity\n"


def test_modules_named_as_conflicts_exclude_each_other(place: Site) -> None:
    other = place.folder / "modules" / "all" / "other-container"
    other.mkdir(exist_ok=True)
    (other / "1.0").write_text("#%Module\nsetenv OTHER 1\n")
    done = place.login("module load other-container/1.0; module load Demo/1.0-venv; echo [$SIF]")
    assert "[]" in done.stdout
    assert "other-container" in done.stderr
