"""When a lock is still that of its recipe: the digest of all that it is made from."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebsif.base.image import Base
from ebsif.base.manifest import Manifest
from ebsif.errors import EbsifError
from ebsif.lock import check_format, digest, is_outdated, request
from ebsif.lock.model import Lock
from ebsif.recipe import read_recipe
from tests.support.manifests import make_manifest
from tests.support.wheels import make_wheel

HEAD = "name: Demo\nversion: 1.0\nbase: x.sif\nrequirements: [r.txt]\n"
BASE = make_manifest(packages={"numpy": "2.1"})

names = st.sampled_from(["numpy", "six", "Torch", "rich", "attrs", "my-pkg"])
requirements = st.dictionaries(names, st.integers(0, 99), min_size=1).map(
    lambda found: [f"{name}=={version}" for name, version in found.items()]
)


def digest_of(text: str, base: Manifest = BASE, more: str = "") -> str:
    """Return the digest of a recipe with a requirements file, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "r.txt").write_text(text)
        (folder / "c.txt").write_text("six<2\n")
        (folder / "recipe.yml").write_text(HEAD + more)
        recipe, document = read_recipe(folder / "recipe.yml")
        layer = request(recipe, document, Base("x.sif", None, base))
        assert layer
        return digest(layer, base)


@given(
    requirements.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))),
    st.sampled_from(["", " ", "\n", " # why\n"]),
)
def test_order_comments_whitespace_and_folder_do_not_matter(orders: tuple[list[str], list[str]], between: str) -> None:
    first, second = orders
    assert digest_of("\n".join(first)) == digest_of("".join(f"{line}{between}\n" for line in second))


@given(requirements, st.data())
def test_any_other_version_matters(lines: list[str], data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, len(lines) - 1))
    others = [f"{line}.1" if at == changed else line for at, line in enumerate(lines)]
    assert digest_of("\n".join(lines)) != digest_of("\n".join(others))


def test_what_the_base_has_matters() -> None:
    assert digest_of("six") != digest_of("six", make_manifest(packages={"numpy": "2.2"}))
    assert digest_of("six") != digest_of("six", make_manifest(packages={"numpy": "2.1"}, python="3.12.1"))


def test_the_same_base_packed_anew_does_not() -> None:
    assert digest_of("six") == digest_of("six", BASE.model_copy(update={"sha256": "1" * 64, "id": "other", "size": 7}))
    assert digest_of("six") == digest_of("six", make_manifest(packages={"NumPy": "2.1"}, python="3.11.9"))


GOLDEN = {
    "packages: [rich]\nextra_indexes: [https://example.org/simple]\nallow_base_packages: [numpy]": (
        "2:296214f5433177fe2a16aa9a2361747db5fe793a474f292311539f40347e9c0c"
    ),
    "layer: conda\nenvironment:\n  channels: [conda-forge]\n  dependencies: [ffmpeg >=7, python]\n": (
        "2:f943d44254259772dabaea5f994d41fcf91ef7514a5597d40e3dfe00f8d9ecb1"
    ),
    "layer: conda\nstack: true\nenvironment:\n  channels: [conda-forge]\n  dependencies: [python, pip: [rich]]\n": (
        "2:b425dcaac88a9b70ec5f16321faaf8ecf7e56f92d63dafdd997f67269ad3d977"
    ),
}


@pytest.mark.parametrize("more", GOLDEN)
def test_locks_of_today_are_those_of_tomorrow(more: str) -> None:
    """Another value makes every lock in every easyconfig anew: count up the format, and say so in the changelog."""
    assert digest_of("six>=1.16\n-c c.txt\n", more=more) == GOLDEN[more]


def test_a_lock_of_another_format_is_known_as_such() -> None:
    older, newer = (Lock(inputs, ()) for inputs in ("a" * 64, f"3:{'a' * 64}"))
    assert is_outdated(older)
    assert not is_outdated(newer)
    check_format(older, Path("x.eb"))
    with pytest.raises(EbsifError, match=r"^x\.eb was locked by a newer ebsif \(format 3, and this one knows 2\): "):
        check_format(newer, Path("x.eb"))


def test_what_the_recipe_allows_and_where_it_looks_matter() -> None:
    more = [
        "",
        "allow_base_packages: [numpy]",
        "allow_source: [numpy]",
        "index: https://example.org",
        "extra_indexes: [https://example.org]",
        "packages: [rich]",
    ]
    assert len({digest_of("six", more=line) for line in more}) == len(more)


def test_the_content_of_a_local_wheel_matters(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "hello").path
    before = digest_of(str(wheel))
    make_wheel(tmp_path, "hello", files={"hello.py": "VERSION = 'another'\n"})
    assert digest_of(str(wheel)) != before
