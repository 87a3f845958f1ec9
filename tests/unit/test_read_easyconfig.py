"""An easyconfig is read as data, and never run."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebsif.easyconfig.quoting import literal
from ebsif.easyconfig.read import Constant, read_container, read_easyconfig
from ebsif.errors import InputError
from tests.support.locked import DIGEST, LOCKED


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "demo.eb"
        path.write_text(text)
        return path

    return write


def test_the_lock_is_read_back(write: Any) -> None:
    lock = read_easyconfig(write(LOCKED)).lock
    assert lock is not None
    assert lock.inputs == DIGEST
    assert [(file.name, file.version, file.source_url) for file in lock.files] == [
        ("pip", "26.3", None),
        ("own", "1.0", "https://example.org/wheels"),
        ("setuptools", "80.0", None),
    ]
    assert lock.build_packages == ("setuptools",)


def test_a_lock_of_today_tells_its_format_and_one_of_an_older_ebsif_does_not(write: Any) -> None:
    lock = read_easyconfig(write(LOCKED.replace("# Lock: ", "# Lock: 2:"))).lock
    assert lock is not None
    assert lock.inputs == f"2:{DIGEST}"


def test_what_only_serves_to_build_is_not_in_the_layer(write: Any) -> None:
    assert read_easyconfig(write(LOCKED)).packages == {"pip": "26.3", "own": "1.0"}


def test_an_easyconfig_without_the_mark_has_no_lock(write: Any) -> None:
    assert read_easyconfig(write(LOCKED.replace("# Lock:", "# lock:"))).lock is None


def test_constants_of_easybuild_are_kept_as_names(write: Any) -> None:
    assert read_easyconfig(write(LOCKED)).parameters["toolchain"] == Constant("SYSTEM")


@pytest.mark.parametrize(
    "line", ["import os", "x = open('/etc/passwd')", "x = 'a' * 3", "x = f'{1}'", "x += 1", "x, y = 1, 2", "x = {**{}}"]
)
def test_anything_but_data_is_refused_with_its_line(line: str, write: Any) -> None:
    with pytest.raises(InputError, match=r"demo\.eb:2: "):
        read_easyconfig(write(f"name = 'Demo'\n{line}\n"))


def test_a_lock_that_somebody_has_damaged_is_refused(write: Any) -> None:
    with pytest.raises(InputError, match=r"demo\.eb:8: exts_list: pip is not as ebsif writes it"):
        read_easyconfig(write(LOCKED.replace("'checksums': ", "'other': "))).lock  # noqa: B018


def test_no_python_is_refused_with_its_line(write: Any) -> None:
    with pytest.raises(InputError, match=r"demo\.eb:2: not an easyconfig"):
        read_easyconfig(write("name = 'Demo'\nversion = = 1\n"))


@pytest.mark.parametrize("source", ["'x.sif'", "{'filename': 'x.sif'}"])
def test_the_image_is_the_first_source(source: str, write: Any) -> None:
    assert read_easyconfig(write(f"sources = [{source}]\n")).image == "x.sif"


@pytest.mark.parametrize(
    ("checksums", "found"),
    [("", None), ("[]", None), ("[None]", None), (f"['{DIGEST}']", DIGEST), (f"[{{'x.sif': '{DIGEST}'}}]", DIGEST)],
)
def test_the_checksum_of_the_image_may_be_unknown(checksums: str, found: str | None, write: Any) -> None:
    line = f"checksums = {checksums}\n" if checksums else ""
    assert read_easyconfig(write(f"sources = ['x.sif']\n{line}")).checksum == found


def test_build_packages_of_pip_are_not_installed_and_those_of_conda_are(write: Any) -> None:
    conda = "('setuptools', '80.0', {'sources': ['setuptools-80.0-py_0.conda']})"
    easyconfig = read_easyconfig(write(f"build_packages = ['setuptools']\nexts_list = [{conda}]\n"))
    assert easyconfig.packages == {"setuptools": "80.0=py_0"}


@pytest.mark.parametrize(
    ("text", "asked", "message"),
    [
        ("name = 'x'", "image", r"demo\.eb: sources: the first source must be the file name of a container image"),
        ("\nsources = []", "image", r"demo\.eb:2: sources: the first source must be"),
        ("sources = ['a/x.sif']", "image", r"demo\.eb:1: sources: "),
        ("sources = [SOURCE_TAR_GZ]", "image", r"demo\.eb:1: sources: "),
        ("checksums = ['abc']", "checksum", r"demo\.eb:1: checksums: the first checksum must be the SHA256 of the"),
        ("name = ['x']", "name", r"demo\.eb:1: name: it must be a text"),
        ("version = '1'\nversionsuffix = None", "version", r"demo\.eb:2: versionsuffix: it must be a text"),
        ("binds = '/scratch'", "binds", r"demo\.eb:1: binds: it must be a list"),
        ("binds = [1]", "binds", r"demo\.eb:1: binds: it must be a list of texts"),
        ("exts_list = ['six']", "packages", r"demo\.eb:1: exts_list: each entry must be a name, a version, and "),
        ("host_env = ['NCCL_DEBUG']", "variables", r"demo\.eb:1: host_env: it must be a dictionary with names of"),
        ("exts_list = [('six', '1.0', {'checksums': ['md5']})]", "files", "the first checksum of six must be a SHA256"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_with_its_line(text: str, asked: str, message: str, write: Any) -> None:
    easyconfig = read_easyconfig(write(text + "\n"))
    with pytest.raises(InputError, match=message):
        getattr(easyconfig, asked)


def test_an_easyconfig_of_another_easyblock_is_none_for_a_container(write: Any) -> None:
    with pytest.raises(InputError, match=r"demo\.eb:1: it is not for a container: its easyblock is none of SifVenv"):
        read_container(write("easyblock = 'ConfigureMake'\n"))


@given(value=st.text(alphabet=st.sampled_from("%()ns x\n\\'\"[")))
def test_what_was_quoted_is_read_back(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("easyconfig") / "demo.eb"
    path.write_text(f"description = {literal(value)}\n")
    assert read_easyconfig(path).parameters["description"] == value
