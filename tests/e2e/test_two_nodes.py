"""A module that is loaded on one node, and its commands on another where things lie elsewhere: two mount namespaces."""

import os
import shlex
import shutil
from collections.abc import Callable

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e

# Somebody who is not root is root in a namespace of users, and may mount there.
OTHER_NODE = "unshare --mount" if os.geteuid() == 0 else "unshare --user --map-root-user --mount"


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation whose image is a link into a folder, with another one among the frozen images."""
    place = make_site()
    folder = place.folder
    for name in ("images", "frozen", "scratch/login", "bin"):
        (folder / name).mkdir(parents=True)
    base = place.machine.bases["venv"]
    shutil.copy(base, folder / "images")
    (folder / "frozen" / base.name).symlink_to(base)
    (folder / "bin" / "apptainer").write_text(f'#!/bin/bash\nexec {place.machine.runtime} "$@"\n')
    (folder / "bin" / "apptainer").chmod(0o755)
    binds = [f"{folder}/scratch/login:/login", f"{folder}/scratch/compute:/compute"]
    place.write("venv", layer, image_install="link", frozen_images=["$FROZEN"], binds=binds)
    done = place.eb(place.easyconfig("venv"), env={"EASYBUILD_SOURCEPATH": f"{place.sources}:{folder}/images"})
    assert done.returncode == 0, done.stdout
    return place


def on_other_node(place: Site, mounts: str, script: str, *, load: str = "module load Demo/1.0-venv") -> str:
    """Return what a script prints where something else is mounted, with the module loaded here, as Slurm brings it."""
    there = shlex.quote(f"cd {place.folder} && set -e\n{mounts}\nset +e; cd /; {script}")
    done = place.login(f"export PATH={place.folder}/bin:$PATH\n{load}\n{OTHER_NODE} bash -c {there}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_binds_are_those_whose_source_is_there(place: Site) -> None:
    mounts = "mount -t tmpfs none scratch; mkdir scratch/compute; touch scratch/compute/seen"
    assert on_other_node(place, mounts, "start-shell -c 'ls -d /login /compute/seen 2> /dev/null'; true") == (
        "/compute/seen\n"
    )


def test_the_image_is_one_that_is_there(place: Site) -> None:
    mounts = "mount -t tmpfs none images"
    assert on_other_node(place, mounts, f"export FROZEN={place.folder}/frozen; hello a") == "hello ['a']\n"


def test_the_runtime_is_one_that_is_there(place: Site) -> None:
    script = f"type -P apptainer; {place.installation('venv')}/bin/hello a"
    assert on_other_node(place, "mount -t tmpfs none bin", script) == f"{place.machine.runtime}\nhello ['a']\n"


@pytest.mark.parametrize("load", ["true", "module load Demo/1.0-venv"])
def test_all_of_it_at_once(place: Site, load: str) -> None:
    mounts = """
        for folder in scratch images bin; do mount -t tmpfs none $folder; done
        mkdir scratch/compute; touch scratch/compute/seen
    """
    command = f"{place.installation('venv')}/bin/start-shell -c 'hello a; ls /compute'"
    script = f"export FROZEN={place.folder}/frozen; {command}"
    assert on_other_node(place, mounts, script, load=load) == "hello ['a']\nseen\n"
