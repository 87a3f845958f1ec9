"""A pack holds all that an easyconfig needs, and is unpacked whole and right, or not at all."""

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ebsif.cli import main
from ebsif.console import Console
from ebsif.easyconfig.read import read_container
from ebsif.errors import EbsifError, FileError
from ebsif.pack import collect, write
from ebsif.unpack import unpack
from tests.support.easyconfigs import easyconfig_text
from tests.support.wheels import Wheel, make_wheel

QUIET = Console(quiet=True)
IMAGE = b"an image"
NAME = "Demo-1.0-bare.eb"
CHECKSUMS = "SHA256SUMS"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which EasyBuild looks for files, with those of two packages."""
    top = tmp_path / "easybuild"
    folder = top / "d" / "Demo" / "extensions"
    folder.mkdir(parents=True)
    for name in ("two", "one"):
        make_wheel(folder, name)
    monkeypatch.setenv("EASYBUILD_SOURCEPATH", str(top))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("EBSIF_IMAGES", str(tmp_path / "images"))
    monkeypatch.setenv("EASYBUILD_INSTALLPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def easyconfig(sources: Path, tmp_path: Path) -> Path:
    """An easyconfig with its recipe and its image beside it."""
    wheels = [Wheel(path.name.split("-")[0], "1.0", path) for path in sorted(sources.iterdir(), reverse=True)]
    image = tmp_path / "x.sif"
    image.write_bytes(IMAGE)
    path = tmp_path / NAME
    path.write_text(easyconfig_text("bare", image, wheels, checksums=[hashlib.sha256(IMAGE).hexdigest()]))
    path.with_suffix(".yml").write_text("name: Demo\n")
    return path


@pytest.fixture
def pack(easyconfig: Path, tmp_path: Path) -> Path:
    assert main(["--quiet", "pack", str(easyconfig), "--with-image", "-o", str(tmp_path / "x.tar")]) == 0
    return tmp_path / "x.tar"


WHEELS = [f"sources/{name}-1.0-py3-none-any.whl" for name in ("one", "two")]
MEMBERS = [NAME, "Demo-1.0-bare.yml", *WHEELS, "sources/x.sif"]


def test_it_begins_with_the_list_of_what_follows(pack: Path) -> None:
    with tarfile.open(pack) as archive:
        assert archive.getnames() == [CHECKSUMS, *MEMBERS]
        listed = archive.extractfile(CHECKSUMS)
        assert listed
        lines = listed.read().decode().splitlines()
    assert [line.split("  ")[1] for line in lines] == MEMBERS
    assert lines[-1].startswith(hashlib.sha256(IMAGE).hexdigest())


def test_other_tools_unpack_and_verify_it(pack: Path, tmp_path: Path) -> None:
    script = "tar -xf ../x.tar && sha256sum --check --strict --quiet SHA256SUMS"
    (tmp_path / "by-hand").mkdir()
    subprocess.run(["sh", "-c", script], cwd=tmp_path / "by-hand", check=True)


def test_the_same_gives_the_same_bytes(pack: Path, easyconfig: Path, sources: Path) -> None:
    for path in (easyconfig, *sources.iterdir()):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    assert main(["--quiet", "pack", str(easyconfig), "--with-image", "-o", "again.tar"]) == 0
    assert Path("again.tar").read_bytes() == pack.read_bytes()


def test_the_image_is_left_out_unless_it_is_asked_for(easyconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(easyconfig), "-o", "x.tar"]) == 0
    assert "without the image x.sif, which --with-image packs, too" in capsys.readouterr().err
    assert main(["unpack", "x.tar"]) == 0
    said = capsys.readouterr()
    assert "the image x.sif was not packed" in said.err
    assert f"--sourcepath={Path('x').absolute()}/sources:{os.environ['EASYBUILD_SOURCEPATH']} x/{NAME}" in said.out


def test_a_file_that_is_missing_or_another_one_is_named(easyconfig: Path, sources: Path) -> None:
    (sources / "one-1.0-py3-none-any.whl").write_bytes(b"another one")
    (sources / "two-1.0-py3-none-any.whl").unlink()
    message = "nowhere among the sources, or have another SHA256: two-1.0-py3-none-any.whl, one-1.0-py3-none-any.whl"
    with pytest.raises(EbsifError, match=message):
        collect(read_container(easyconfig), QUIET)


def test_files_are_also_looked_for_in_a_folder_that_is_named(easyconfig: Path, sources: Path, tmp_path: Path) -> None:
    away = sources.rename(tmp_path / "away")
    members = collect(read_container(easyconfig), QUIET, sources=away)
    assert [member.name for member in members] == MEMBERS[:-1]


def test_another_image_than_that_of_the_easyconfig_is_refused(easyconfig: Path, tmp_path: Path) -> None:
    (tmp_path / "x.sif").write_bytes(b"another one")
    assert main(["pack", str(easyconfig), "--with-image", "-o", "x.tar"]) == 2
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("place", ["frozen", "easybuild", "easybuild/d/Demo", "software/Demo/1.0-bare"])
def test_the_image_is_found_where_a_module_or_easybuild_finds_it(
    place: str, easyconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYBUILD_INSTALLPATH_SOFTWARE", str(tmp_path / "software"))
    monkeypatch.setenv("OURS", str(tmp_path))
    easyconfig.write_text(easyconfig.read_text() + "frozen_images = ['$OURS/frozen']\n")
    (tmp_path / place / "runscripts").mkdir(parents=True)
    (tmp_path / place / "runscripts" / "container.conf").write_text("image x.sif\n")
    (tmp_path / "x.sif").rename(tmp_path / place / "x.sif")
    assert main(["--quiet", "pack", str(easyconfig), "--with-image", "-o", "x.tar"]) == 0


def test_an_image_that_is_nowhere_is_named(easyconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (easyconfig.parent / "x.sif").unlink()
    assert main(["--quiet", "pack", str(easyconfig), "--with-image", "-o", "x.tar"]) == 2
    assert "the image x.sif is not at hand" in capsys.readouterr().err


def test_a_file_that_changes_meanwhile_is_named(easyconfig: Path, sources: Path, tmp_path: Path) -> None:
    members = collect(read_container(easyconfig), QUIET)
    (sources / "one-1.0-py3-none-any.whl").write_bytes(b"another one")
    with pytest.raises(EbsifError, match=r"one-1\.0-py3-none-any\.whl was changed while it was packed"):
        write(tmp_path / "x.tar", members, QUIET)
    assert not (tmp_path / "x.tar").exists()


def test_it_is_unpacked_with_the_command_that_installs_from_it(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--quiet", "unpack", str(pack), "--to", "with space"]) == 0
    folder = tmp_path / "with space"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(MEMBERS)
    assert capsys.readouterr().out == f"eb '--sourcepath={folder}/sources' 'with space/{NAME}'\n"
    assert folder.stat().st_mode & 0o777 == 0o755


def refuse(pack: Path, message: str) -> None:
    """Have a pack refused, which leaves nothing behind."""
    before = sorted(pack.parent.iterdir())
    with pytest.raises(FileError, match=message):
        unpack(pack, pack.parent / "made", QUIET)
    assert sorted(pack.parent.iterdir()) == before


@pytest.mark.parametrize("where", ["nothing", "a header", "the list", "half", "the last file", "the end"])
def test_a_pack_that_is_cut_off_is_named(pack: Path, where: str) -> None:
    content = pack.read_bytes()
    end = len(content.rstrip(b"\0"))
    sizes = {
        "nothing": 0,
        "a header": 300,
        "the list": 600,
        "half": end // 2,
        "the last file": end - 1,
        "the end": end - end % 512 + 512,
    }
    pack.write_bytes(content[: sizes[where]])
    refuse(pack, "is cut off")


@pytest.mark.parametrize("part", ["header", "content"])
@pytest.mark.parametrize("name", [CHECKSUMS, *MEMBERS])
def test_a_changed_byte_is_named(pack: Path, name: str, part: str) -> None:
    with tarfile.open(pack) as archive:
        found = archive.getmember(name)
    content = bytearray(pack.read_bytes())
    content[found.offset if part == "header" else found.offset_data + found.size - 1] ^= 1
    pack.write_bytes(content)
    refuse(pack, f"{pack} (is damaged|lists|holds|does not begin)")


def tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], listed: str | None = None) -> Path:
    """Write an archive with a list that fits."""
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {info.name}\n" for info, content in members)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in [(tarfile.TarInfo(CHECKSUMS), (listed or lines).encode()), *members]:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def named(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), b"easyblock = 'SifVenv'\n"


def kind(sort: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("sources/x")
    info.type, info.linkname = sort, "/etc/passwd"
    return info, b""


@pytest.mark.parametrize(
    "name",
    ["../x.eb", "/x.eb", "sources/../../x", "sources//x", "sources/a/b",
     "x", "SHA256SUMS", ".x.eb", "sources/.x", "x.eb\t"],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    refuse(tar(tmp_path / "x.tar", [named("a.eb"), named(name)]), "no file that a pack has once")


@pytest.mark.parametrize("sort", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_refused(sort: bytes, tmp_path: Path) -> None:
    refuse(tar(tmp_path / "x.tar", [named("a.eb"), kind(sort)]), "which is a link, a folder or another thing")


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    refuse(tar(tmp_path / "x.tar", [named("a.eb"), named("a.eb")]), "no file that a pack has once")


def test_a_file_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    listed = f"{hashlib.sha256(named('a.eb')[1]).hexdigest()}  a.eb\n"
    pack = tar(tmp_path / "x.tar", [named("a.eb"), named("sources/more")], listed)
    refuse(pack, "holds other files .* 'sources/more'")


def test_an_archive_without_easyconfig_is_refused(tmp_path: Path) -> None:
    refuse(tar(tmp_path / "x.tar", [named("sources/x")]), "has no easyconfig")


def header(**changes: object) -> Callable[[Path], None]:
    """Return what writes a header, of a size that no archive has, to a file."""

    def write_header(path: Path) -> None:
        info = tarfile.TarInfo(CHECKSUMS)
        for name, value in changes.items():
            setattr(info, name, value)
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10240))

    return write_header


@pytest.mark.parametrize(
    ("write_it", "message"),
    [
        (header(size=1 << 60), "ends within 'SHA256SUMS'"),
        (header(size=-512), "ends within 'SHA256SUMS'"),
        (header(type=tarfile.GNUTYPE_LONGNAME, size=4096), "another thing that no pack has"),
        (header(type=tarfile.XHDTYPE, size=512), "another thing that no pack has"),
        (header(type=tarfile.GNUTYPE_SPARSE, size=512), "another thing that no pack has"),
        (lambda path: path.write_bytes(b"no archive" * 100), "is damaged, or no pack"),
        (lambda path: path.write_bytes(b""), "is cut off"),
    ],
)
def test_headers_that_ask_for_too_much_are_refused(
    write_it: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    write_it(tmp_path / "x.tar")
    refuse(tmp_path / "x.tar", message)


def test_a_long_name_arrives(easyconfig: Path, sources: Path, tmp_path: Path) -> None:
    long = sources / f"one-1.0-py3-none-{'manylinux_2_17_x86_64.' * 7}manylinux2014_x86_64.whl"
    (sources / "one-1.0-py3-none-any.whl").rename(long)
    easyconfig.write_text(easyconfig.read_text().replace("one-1.0-py3-none-any.whl", long.name))
    assert main(["--quiet", "pack", str(easyconfig), "-o", "x.tar"]) == 0
    assert (unpack(tmp_path / "x.tar", tmp_path / "made", QUIET).sources / long.name).read_bytes() == long.read_bytes()


def test_what_is_there_already_is_not_replaced(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    refuse(pack, "is there already: give another folder with --to")
