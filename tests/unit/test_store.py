"""Where manifests are kept: beside an image counts, the cache only helps."""

import json
from pathlib import Path

import pytest

from ebsif.base.manifest import FORMAT, read_manifest
from ebsif.base.store import manifest_path, stored_manifest
from ebsif.errors import EbsifError, FileError, OutdatedError
from ebsif.files import cache_path
from tests.support.manifests import image_header, make_manifest


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "x.sif"
    path.write_bytes(image_header(make_manifest()))
    return path


def keep(path: Path, image: Path, **changes: object) -> None:
    manifest = make_manifest().model_copy(update={"size": image.stat().st_size})
    content = {**json.loads(manifest.to_json()), **changes}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: value for name, value in content.items() if value != "absent"}))


def cached(image: Path) -> Path:
    return cache_path("manifests", f"{make_manifest().id}.manifest.json")


def test_a_manifest_in_the_cache_is_taken(image: Path) -> None:
    assert stored_manifest(image) is None
    keep(cached(image), image)
    assert stored_manifest(image) is not None


@pytest.mark.parametrize("changes", [{"machine": "absent"}, {"more": 1}, {"size": 5}])
def test_what_another_version_or_image_has_left_in_the_cache_does_not_count(
    image: Path, changes: dict[str, object]
) -> None:
    keep(cached(image), image, **changes)
    assert stored_manifest(image) is None


def test_a_manifest_of_another_version_beside_an_image_is_an_error(image: Path) -> None:
    keep(manifest_path(image), image, machine="absent")
    with pytest.raises(EbsifError, match="is not a manifest of this version of ebsif"):
        stored_manifest(image)


def test_a_manifest_of_an_older_ebsif_is_looked_for_anew(image: Path) -> None:
    """The folder of frozen images belongs to others: their manifest stays, and the cache has the newer one."""
    keep(manifest_path(image), image, format=FORMAT - 1, commands="absent")
    assert stored_manifest(image) is None
    keep(cached(image), image)
    assert stored_manifest(image) is not None


def test_a_manifest_of_an_older_ebsif_says_what_to_run(image: Path) -> None:
    keep(manifest_path(image), image, format=FORMAT - 1)
    with pytest.raises(OutdatedError, match="of an older ebsif, and this one reads format 3: run `ebsif freeze`"):
        read_manifest(manifest_path(image))


def test_a_manifest_of_a_newer_ebsif_is_refused(image: Path) -> None:
    keep(manifest_path(image), image, format=FORMAT + 1, more={})
    with pytest.raises(FileError, match="has the format 4 of a newer ebsif"):
        stored_manifest(image)
