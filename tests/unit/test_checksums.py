"""What files of checksums state of an image: names in them are data, and only those of the image count."""

from pathlib import Path

import pytest

from ebsif.base.checksums import Stated, stated_of, verify
from ebsif.errors import EbsifError

NAME = "lumi-multitorch-torch-u24r64f21m43t29-20260101_000000.sif"
RELEASE = "lumi-multitorch-u24r64f21m43t29-20260101_000000.sha256"
RIGHT, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.mark.parametrize("file", [RELEASE, f"{NAME}.sha256", "SHA256SUMS", "sha256sum.txt", "all.sha256sum"])
@pytest.mark.parametrize(
    "line",
    [
        f"{RIGHT}  {NAME}",
        f"{RIGHT} *{NAME}",
        f"{RIGHT}  ./{NAME}",
        f"{RIGHT}  builds/lumi-multitorch/{NAME}",
        f"{RIGHT.upper()}  {NAME}\r",
        f"SHA256 ({NAME}) = {RIGHT}",
    ],
)
def test_an_image_is_found_among_the_lines(image: Path, file: str, line: str) -> None:
    list_ = image.with_name(file)
    list_.write_text(f"{OTHER}  {NAME}.json\n{line}\n{OTHER}  another.sif\n")
    assert stated_of(image) == [Stated(list_, RIGHT)]


@pytest.mark.parametrize("file", [f"{NAME}.sha256", f"{NAME.removesuffix('.sif')}.sha256"])
def test_a_file_for_one_image_may_hold_nothing_but_its_checksum(image: Path, file: str) -> None:
    image.with_name(file).write_text(f"{RIGHT}\n")
    assert [one.sha256 for one in stated_of(image)] == [RIGHT]


def test_the_description_of_an_image_ends_with_the_checksums_of_its_files(image: Path) -> None:
    lines = f"# Container Image\n\nId: x\n\n## Description\n\nText.\n\n## Files\n\n{OTHER}  x.json\n{RIGHT}  {NAME}\n"
    image.with_suffix(".md").write_text(lines)
    image.with_name("README.md").write_text(f"{OTHER}  {NAME}\n")
    assert [one.sha256 for one in stated_of(image)] == [RIGHT]


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{OTHER}  another.sif\n",
        f"{OTHER}  {NAME}.sha256\n",
        f"{OTHER}  not-{NAME}\n",
        f"{OTHER}  {NAME}/other\n",
        f"{OTHER[:-1]}  {NAME}\n",
        f"{OTHER}\n",
        "$(touch x)  `y`\n",
    ],
)
def test_a_file_that_does_not_list_the_image_states_nothing(image: Path, text: str) -> None:
    image.with_name(RELEASE).write_text(text)
    assert stated_of(image) == []


def test_another_checksum_is_refused_with_the_file_that_says_so(image: Path) -> None:
    image.with_name(RELEASE).write_text(f"{RIGHT}  {NAME}\n")
    verify(image, RIGHT, stated_of(image))
    with pytest.raises(EbsifError, match=f"{NAME} has SHA256 {OTHER}, and .*{RELEASE} says {RIGHT}"):
        verify(image, OTHER, stated_of(image))
