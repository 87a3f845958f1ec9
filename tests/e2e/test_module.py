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
    site.install("conda", layer)
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
