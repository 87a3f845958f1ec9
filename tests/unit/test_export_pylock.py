"""`ebsif export pylock`: a lock for pip, uv and others, valid by the library that knows the format."""

from pathlib import Path

import pytest
from packaging.pylock import Pylock

from ebsif.cli import main
from ebsif.lock.pip.toml import parse_toml
from tests.support.locked import LOCKED
from tests.support.manifests import freeze, make_manifest

OWN = "own-1.0-py3-none-any.whl"
MORE = "version = '1.0'\nversionsuffix = '-x'\neasyblock = 'SifVenv'\nsources = ['x.sif']\nchecksums = [None]\n"
FROM_PYPI = """\
    ('Pretty.Tool', '2.0', {{
        'sources': ['pretty_tool-2.0-cp311-cp311-manylinux_2_17_x86_64.whl'],
        'checksums': ['{}'],
    }}),
    ('older', '3.0', {{
        'sources': ['older-3.0.tar.gz'],
        'checksums': ['{}'],
    }}),
]
""".format("4" * 64, "5" * 64)


@pytest.fixture
def easyconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An easyconfig with a wheel of another place than PyPI, a wheel of PyPI, and a source package of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EBSIF_IMAGES", str(tmp_path))
    path = tmp_path / "demo.eb"
    path.write_text(LOCKED.removesuffix("]\n") + FROM_PYPI + MORE)
    return path


def export(*words: str | Path) -> Pylock:
    assert main(["export", "pylock", *map(str, words), "-o", "pylock.toml"]) == 0
    return Pylock.from_dict(parse_toml(Path("pylock.toml").read_text(), Path("pylock.toml")).data)


def test_it_has_each_file_of_the_layer_with_address_and_sha256(easyconfig: Path) -> None:
    lock = export(easyconfig)
    assert [(package.name, str(package.version), package.index) for package in lock.packages] == [
        ("older", "3.0", "https://pypi.org/simple"),
        ("own", "1.0", None),
        ("pretty-tool", "2.0", "https://pypi.org/simple"),
    ]
    older, own, pretty = lock.packages
    assert own.wheels
    assert pretty.wheels
    assert older.sdist
    assert own.wheels[0].url == f"https://example.org/wheels/{OWN}"
    assert own.wheels[0].hashes == {"sha256": "2" * 64}
    place = "https://files.pythonhosted.org/packages"
    wheel = "pretty_tool-2.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    assert pretty.wheels[0].url == f"{place}/cp311/p/pretty-tool/{wheel}"
    assert older.sdist.url == f"{place}/source/o/older/older-3.0.tar.gz"


def test_it_says_which_base_and_python_it_is_for(easyconfig: Path, tmp_path: Path) -> None:
    assert export(easyconfig).requires_python is None
    freeze(tmp_path, make_manifest(file="x.sif", python="3.11.2"))
    lock = export(easyconfig)
    assert str(lock.requires_python) == "==3.11.*"
    assert lock.tool
    assert lock.tool["ebsif"]["base"] == "x.sif"


def test_files_that_lie_somewhere_are_named_by_their_paths(easyconfig: Path, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / OWN).touch()
    own = next(package for package in export(easyconfig, "--files", "sources").packages if package.name == "own")
    assert own.wheels
    assert (own.wheels[0].path, own.wheels[0].url) == (f"sources/{OWN}", None)


def test_without_a_file_it_is_printed(easyconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "pylock", str(easyconfig)]) == 0
    assert Pylock.from_dict(parse_toml(capsys.readouterr().out, Path("printed")).data)


@pytest.mark.parametrize("name", ["lock.toml", "pylock.txt", "pylock.a.b.toml"])
def test_a_name_that_no_tool_looks_for_is_refused(
    easyconfig: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["export", "pylock", str(easyconfig), "-o", name]) == 2
    assert f"{name} is no name for such a file" in capsys.readouterr().err
    assert not Path(name).exists()


def test_packages_of_conda_are_left_out_with_a_warning(easyconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = easyconfig.read_text().replace("    ('own', '1.0', {", f"""    ('zlib', '1.3', {{
        'source_urls': ['https://example.org/main/linux-64'],
        'sources': ['zlib-1.3-h1_0.conda'],
        'checksums': ['{"6" * 64}'],
    }}),
    ('own', '1.0', {{""")  # fmt: skip
    easyconfig.write_text(text)
    assert "zlib" not in {package.name for package in export(easyconfig).packages}
    assert "packages of conda are not in it: zlib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# Lock:", "# By hand:", "demo.eb has no lock: `ebsif generate` makes an easyconfig with one"),
        ("'own', '1.0'", "'own', '1.0 or so'", "own 1.0 or so cannot stand in a pylock.toml"),
        ("'own', '1.0'", "'_own_', '1.0'", "_own_ 1.0 cannot stand in a pylock.toml"),
    ],
)
def test_what_cannot_be_written_is_refused(
    easyconfig: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    easyconfig.write_text(easyconfig.read_text().replace(old, new))
    assert main(["export", "pylock", str(easyconfig), "-o", "pylock.toml"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("pylock.toml").exists()


def test_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "tarball", "x.eb"])
    assert ended.value.code == 2
    assert "tarball" in capsys.readouterr().err
