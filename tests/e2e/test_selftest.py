"""`ebsif selftest` of a real installation: what works is told, and what does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """An installation for the venv base."""
    place = make_site()
    place.install("venv", layer)
    return place


def told(place: Site, *words: str) -> tuple[int, dict[str, str]]:
    done = place.login(" ".join(["ebsif", "--quiet", "selftest", *words]))
    rows = [line.strip().split(": ", 1) for line in done.stdout.splitlines() if line.startswith("  ") and ": " in line]
    return done.returncode, {row[0]: row[1] for row in rows}


def test_an_installation_is_tried_from_all_sides(place: Site) -> None:
    status, found = told(place, "Demo/1.0-venv")
    assert status == 0, found
    assert "squash" in found["ok      mounts"]
    assert found["ok      start without module"].endswith("the median of 3")
    assert found["ok      sanity check"] == "eb --sanity-check-only passes"
    assert found["ok      GPUs"].startswith("0 on this node")
    assert found["warning steps of Slurm"] == "not tried: this is no job"


def test_what_does_not_work_is_told(place: Site) -> None:
    image = place.installation("venv") / "user-software.squashfs"
    away = image.rename(Path(f"{image}.away"))
    try:
        status, found = told(place, "Demo/1.0-venv")
    finally:
        away.rename(image)
    assert status == 1
    assert found["error   mounts"] == "the layer is not mounted"
