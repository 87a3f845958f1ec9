"""The demo's easyconfigs, for the images on this machine."""

import shutil
from pathlib import Path

from ebsif.easyconfig.read import read_easyconfig
from tests.support.site import Site
from workbench import store, wheels

EASYCONFIGS = Path(__file__).parents[2] / "easyconfigs" / "p" / "PyTorch"
# For each kind of base, the version of its module.
VERSIONS = {
    "venv-torch": "2.13.0-cpu-python-3.11-singularity-demo",
    "conda-torch": "2.13.0-cpu-python-3.11-singularity-demo-conda",
}


def add_wheels(place: Site) -> None:
    """Put all wheels of the demo's easyconfigs among a place's sources, so that nothing needs the network."""
    shutil.copytree(wheels.find(store.cache_root(), "demo"), place.sources / "p" / "PyTorch" / "extensions")


def demo_easyconfig(place: Site, kind: str, more: str = "") -> Path:
    """Generate a demo easyconfig with the SHA256 of the image on this machine; its lock stays as it is.

    Parameters
    ----------
    kind
        One of `VERSIONS`.
    more
        What to add to the recipe.
    """
    shipped = EASYCONFIGS / f"PyTorch-{VERSIONS[kind]}.yml"
    recipe = place.folder / shipped.name
    recipe.write_text(shipped.read_text().replace("verify_base: false\n", "") + more)
    easyconfig = recipe.with_suffix(".eb")
    shutil.copy(shipped.with_suffix(".eb"), easyconfig)
    before = read_easyconfig(easyconfig).lock
    for path in (recipe, easyconfig):
        shutil.chown(path, place.folder.stat().st_uid, place.folder.stat().st_gid)
    # Nothing answers at this index.
    env = {"EBSIF_IMAGES": str(place.machine.bases[kind].parent), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    done = place.login(f"ebsif generate {recipe}", env=env)
    assert done.returncode == 0, done.stderr
    after = read_easyconfig(easyconfig)
    assert after.lock == before
    assert after.parameters["checksums"] != [None]
    return easyconfig
