"""The MPI of a machine as a feature: what its library needs, as the real `ldd` tells of real libraries."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from ebsif import document
from ebsif.binaries import glibc_needed
from ebsif.cli import main
from ebsif.errors import EbsifError, ToolError
from ebsif.feature import Feature
from ebsif.hostmpi import FOLDER, interface, look, needed, render

MISSING = "libgone.so.1"


def needs(library: Path) -> list[str]:
    return sorted(needed(library))


@pytest.fixture(scope="module")
def library() -> Path:
    """A library of this machine that needs another one."""
    programs = [Path(program) for program in (shutil.which("ls"), shutil.which("ssh"), sys.executable) if program]
    libraries = (library for program in programs for library in needed(program).values())
    return next(library for library in libraries if needs(library))


def copy_as(library: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(library, target)
    return target


@pytest.fixture
def mpi(library: Path, tmp_path: Path) -> Path:
    """The same, as if it were Debian's MPICH: a link, whose name is not the one that programs ask for."""
    copy_as(library, tmp_path / "libmpich.so.12.2.2")
    link = tmp_path / "libmpich.so"
    link.symlink_to("libmpich.so.12.2.2")
    return link


def test_what_a_library_needs_is_found_without_what_belongs_to_glibc(library: Path) -> None:
    found = needed(library)
    assert all(path.is_file() for path in found.values())
    assert not {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"} & set(found)
    assert not [name for name in found if name.startswith(("ld-", "linux-vdso"))]


def test_each_library_is_bound_by_itself_and_the_mpi_under_both_of_its_names(mpi: Path, library: Path) -> None:
    feature = look(mpi)
    own = [f"{mpi}:{FOLDER}/libmpi.so.12:ro", f"{mpi}:{FOLDER}/libmpich.so.12:ro"]
    others = [f"{path}:{FOLDER}/{name}:ro" for name, path in needed(library).items()]
    assert sorted(feature.binds) == sorted([*own, *others])
    assert feature.library_path == [FOLDER]
    assert feature.srun.mpi == "pmi2"


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("libmpi.so.12", "libmpi.so.12"),
        ("libmpich.so.12.2.2", "libmpich.so.12"),
        ("libmpi_gnu_123.so.12.0.0", "libmpi_gnu_123.so.12"),
        ("libfabric.so.1.27.0", "libfabric.so.1"),
        ("libstdc++.so.6.0.33", "libstdc++.so.6"),
    ],
)
def test_programs_ask_for_a_library_by_the_version_of_its_interface(name: str, asked: str) -> None:
    assert interface(Path("/nowhere") / name) == asked


def test_a_library_that_is_loaded_only_at_run_time_is_given_and_bound_with_what_it_needs(
    mpi: Path, library: Path, tmp_path: Path
) -> None:
    more = copy_as(library, tmp_path / "libplugin.so.3")
    assert f"{more}:{FOLDER}/libplugin.so.3:ro" in look(mpi, [more]).binds


@pytest.mark.parametrize("folder", ["two words", "$(touch made)", "a => b (0x1)", "'\"\\", "-h", "ünï", "; touch made"])
def test_the_path_of_a_library_is_only_a_path(
    library: Path, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = copy_as(library, Path(folder) / "-libmpi.so.12")
    assert needs(odd) == needs(library)
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("folder", ["a,b", "a:b", "a\nb"])
def test_a_path_that_no_bind_can_have_is_refused(library: Path, tmp_path: Path, folder: str) -> None:
    with pytest.raises(EbsifError, match="has a character in its path that no bind can have"):
        look(copy_as(library, tmp_path / folder / "libmpi.so.12"))


def test_a_library_that_is_needed_and_not_there_is_named(library: Path, tmp_path: Path) -> None:
    name = needs(library)[0].encode()
    broken = tmp_path / "libmpi.so.12"
    content = library.read_bytes()
    assert len(MISSING) <= len(name)
    broken.write_bytes(content.replace(b"\0" + name + b"\0", b"\0" + MISSING.encode().ljust(len(name), b"\0") + b"\0"))
    with pytest.raises(EbsifError, match=f"libmpi.so.12 needs {MISSING}, which is not found here: load the modules"):
        look(broken)


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "libmpi.so.12"
    text.write_text("/* GNU ld script */\n")
    with pytest.raises(ToolError, match=r"ldd cannot tell what .*libmpi\.so\.12 needs"):
        look(text)


def test_a_library_that_is_not_there_is_refused(mpi: Path, tmp_path: Path) -> None:
    circle = tmp_path / "libcircle.so.1"
    circle.symlink_to(circle)
    for gone in (tmp_path, tmp_path / "libmpi.so.12", circle):
        with pytest.raises(EbsifError, match=f"there is no library {gone}$"):
            look(gone)
        with pytest.raises(EbsifError, match=f"there is no library {gone}$"):
            look(mpi, [gone])


def test_a_name_without_version_is_refused(library: Path, tmp_path: Path) -> None:
    with pytest.raises(EbsifError, match=r"libmpi.so is not a library whose name has a version, such as libmpi.so.12"):
        look(copy_as(library, tmp_path / "libmpi.so"))


# --- glibc ---


@pytest.mark.parametrize(
    ("names", "oldest"),
    [
        (["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4"], "2.34"),
        (["GLIBC_2.17", "GLIBC_ABI_DT_RELR"], "2.36"),
        (["GLIBC_2.17", "memcpy@GLIBC_2.38", "GLIBCXX_3.4.30", "GLIBC_PRIVATE"], "2.17"),
        (["libc.so.6"], None),
    ],
)
def test_the_oldest_glibc_is_the_newest_that_a_library_names(
    tmp_path: Path, names: list[str], oldest: str | None
) -> None:
    (tmp_path / "x").write_bytes(b"ELF\0" + b"\0".join(map(str.encode, names)) + b"\0")
    assert glibc_needed([tmp_path / "x"]) == oldest


def test_a_library_of_this_machine_needs_no_newer_glibc_than_it_has(mpi: Path) -> None:
    has = str(os.confstr("CS_GNU_LIBC_VERSION")).split()[1]
    oldest = look(mpi).glibc
    assert oldest is not None
    assert int(oldest.split(".")[1]) <= int(has.split(".")[1])


# --- the file ---


def test_the_file_says_the_same_and_what_is_not_known(mpi: Path, tmp_path: Path) -> None:
    feature = look(mpi)
    text = render(feature)
    assert document.validate(Feature, document.parse(text, tmp_path / "mpi.yml")) == feature
    assert "Nobody knows here what these load only when they run" in text


def test_the_command_writes_a_new_file_and_tells_how_to_prove_it(
    mpi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mpi.yml"
    assert main(["feature", str(mpi), "--mpi", "pmix", "-o", str(file)]) == 0
    assert document.validate(Feature, document.read(file)).srun.mpi == "pmix"
    assert "srun --mpi=pmix --nodes=2" in capsys.readouterr().err
    assert main(["feature", str(mpi), "-o", str(file)]) == 2
    assert "is there already, and was not replaced" in capsys.readouterr().err
