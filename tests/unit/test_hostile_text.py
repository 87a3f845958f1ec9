"""Whatever a text holds: reading gives a result or a reason, and nothing in the output is obeyed by a terminal."""

import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ebsif.base.image import read_name
from ebsif.base.manifest import read_manifest
from ebsif.cli import main
from ebsif.console import Console
from ebsif.document import parse, validate
from ebsif.easyconfig.read import read_container, read_easyconfig
from ebsif.errors import EbsifError
from ebsif.inside.conda import PackageError, read_record, unpack
from ebsif.listing import easyconfigs
from ebsif.lock.conda import request as conda
from ebsif.lock.conda.foreign import read_explicit
from ebsif.lock.model import LockedFile
from ebsif.lock.pip import request as pip
from ebsif.lock.pip.fit import Surroundings, misfits
from ebsif.markdown import code, word
from ebsif.recipe import read_recipe
from ebsif.site import Family, read_site, site_names
from tests.support.conda_packages import make_package
from tests.support.examples import at_most
from tests.support.manifests import freeze, make_manifest
from tests.support.pixi import pixi_lock
from tests.support.wheels import make_wheel

LOCKS = Path(__file__).parents[1] / "support" / "locks"
# A colour, a title of the window, a C1 control, marks of direction, and characters that nobody sees.
OBEYED = "\x1b[31m\x1b]0;title\x07\x9b31m\u202e\u2066\u200f\u200b\u2028\x7f\r"
EASYCONFIG = """\
# Lock: 1:{digest}
easyblock = 'SifVenv'
name = 'Demo'
version = '1.0'
versionsuffix = '-cpu'
sources = ['demo.sif']
checksums = ['{digest}']
build_packages = ['flit']
exts_list = [
    ('six', '1.17.0', {{
        'source_urls': ['https://example.org'],
        'sources': ['six-1.17.0-py3-none-any.whl'],
        'checksums': ['{digest}'],
    }}),
]
""".format(digest="0" * 64)
RECIPE = """\
name: Demo
version: 1.0
base: demo.sif
packages: [six, "torch>=2 ; python_version > '3'"]
requirements: [r.txt]
container_env: {A: b}
"""
SITE = """\
name: site
description: A machine.
images: [/images]
host_env: {A: b}
families:
- name: demo
  pattern: "demo-(?P<package>[a-z0-9]+)-(?P<version>[0-9.]+)\\\\.sif"
  software: {pytorch: PyTorch}
"""
REQUIREMENTS = f"""\
six==1.17.0 --hash=sha256:{"0" * 64}
torch>=2 ; python_version > '3'
--extra-index-url https://example.org/simple
x @ https://example.org/x-1.0-py3-none-any.whl
"""
METADATA = """\
Metadata-Version: 2.1
Name: six
Version: 1.0
Requires-Python: >=3.8
Provides-Extra: more
Requires-Dist: torch (>=2) ; python_version > '3'
Requires-Dist: nvidia-nccl-cu12==2.1; extra == 'more'
"""
INDEX = json.dumps({
    "name": "tool", "version": "1.0", "build": "0", "build_number": 0, "subdir": "noarch", "noarch": "generic",
    "depends": ["python >=3.8"], "constrains": ["six <2"], "license": "MIT", "timestamp": 1577836800000,
})  # fmt: skip
PATHS = json.dumps({"paths_version": 1, "paths": [
    {"_path": "share/a", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 1, "file_mode": "text",
     "prefix_placeholder": "/opt/x"},
]})  # fmt: skip
EXPLICIT = f"@EXPLICIT\nhttps://example.org/linux-64/zlib-1.3-0.conda#{'0' * 64}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "EBSIF_IMAGES", "XDG_CACHE_HOME", "EASYBUILD_SOURCEPATH"):
            patch.setenv(name, str(folder))
        patch.setenv("PATH", "")
        patch.chdir(folder)
        yield folder


def read_requirements(path: Path) -> object:
    recipe = path.with_name("asks.yml")
    recipe.write_text("name: Demo\nversion: 1.0\nbase: demo.sif\nrequirements: [r.txt]\n")
    return pip.request(*read_recipe(recipe))


def read_lock(path: Path) -> object:
    """Read a lock of another tool for a base."""
    recipe = path.with_name("takes.yml")
    parts = "" if path.name == "pylock.toml" else ", extras: [plot], groups: [dev]"
    recipe.write_text(f"name: Demo\nversion: 1.0\nbase: demo.sif\nrequirements: [{{file: {path.name}{parts}}}]\n")
    return pip.request(*read_recipe(recipe), base=make_manifest())


def read_pixi_lock(path: Path) -> object:
    recipe = path.with_name("takes.yml")
    recipe.write_text(f"name: Demo\nversion: 1.0\nbase: demo.sif\nlayer: conda\nenvironment: {path.name}\n")
    return conda.request(*read_recipe(recipe), "linux-64")


def read_all(path: Path) -> object:
    """Read an easyconfig, with every property that it has."""
    found = read_container(path)
    return [getattr(found, name) for name in ("name", "version", "image", "checksum", "lock", "packages", "variables")]


def read_wheel(path: Path) -> object:
    """Look for what does not fit in a wheel with such metadata."""
    text = path.read_bytes().decode(errors="replace")
    files = {"six.py": "", "_six.so": "\0libtorch.so\0libmpi.so\0"}
    wheel = make_wheel(path.parent, "six", described=text, files=files)
    around = Surroundings(make_manifest(packages={"torch": "2.13.0+cpu"}), False, frozenset(), frozenset())
    return [misfits([LockedFile("six", "1.0", wheel.path.name, wheel.sha256)], path.parent, around)]


def read_conda_package(path: Path) -> object:
    """Read a conda package with such a file in ``info/``, and unpack it."""
    package = make_package(path.parent, "tool", files={"share/a": "a"}, described={path.name: path.read_bytes()})
    try:
        with tempfile.TemporaryDirectory() as folder:
            unpack(package, Path(folder, "tool"))
            assert {one.name for one in Path(folder).iterdir()} <= {"tool"}
        return asyncio.run(read_record(str(package)))
    except PackageError as error:
        raise EbsifError(str(error)) from error


def read_image_name(path: Path) -> object:
    """Read the names of images, a line for each, as all sites have them."""
    families = [family for name in site_names() for family in read_site(name).families]
    return [read_name(name, families) for name in path.read_text(errors="replace").splitlines()]


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "x.eb": (read_all, EASYCONFIG),
    "x.yml": (read_recipe, RECIPE),
    "site.yml": (lambda path: read_site(str(path)), SITE),
    "x.json": (read_manifest, make_manifest(packages={"six": "1.16.0"}).to_json()),
    "r.txt": (read_requirements, REQUIREMENTS),
    "METADATA": (read_wheel, METADATA),
    "index.json": (read_conda_package, INDEX),
    "paths.json": (read_conda_package, PATHS),
    "images.txt": (read_image_name, "lumi-pytorch-rocm-6.2.4-python-3.12-pytorch-v2.7.1.sif\n"),
    **{name: (read_lock, (LOCKS / name).read_text()) for name in ("uv.lock", "poetry.lock", "pylock.toml")},
    "pixi.lock": (read_pixi_lock, pixi_lock()),
    "explicit.txt": (lambda path: list(read_explicit(path.read_text(errors="replace"), path, "linux-64")), EXPLICIT),
}
PIECES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [*OBEYED, "\0", "\n", "'", '"', "\\", "{", "}", "[", "]", "(", ")", ":", "#", "&a ", "*a", "!!int ", "%(name)s",
         "$(id)", "`id`", "..", "/", "..%2f", "http://[", "git+", "-r r.txt\n", "--index-url ", " @ ", "é" * 200,
         "\ud800", "9" * 5000, "[" * 300, "None", "lambda: 1", "{99999999999}", "(a+)+"]
    ),
)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """Return a text in which some parts are gone, twice there, or something else."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        piece = draw(st.one_of(PIECES, st.just(text[start:end] * 2)))
        text = text[:start] + piece + text[end:]
    return text


@pytest.mark.parametrize("name", KINDS)
@at_most(150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_text_that_is_nearly_right_gives_a_result_or_a_reason(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, data: st.DataObject
) -> None:
    read, text = KINDS[name]
    path = folder / name
    path.write_bytes(data.draw(mutated(text)).encode(errors="surrogatepass"))
    begun = time.process_time()
    try:
        read(path)
    except EbsifError as error:
        Console().warn(str(error))
        told = capsys.readouterr().err
        assert told.strip()
        assert all(char in "\n\t" or char.isprintable() for char in told)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("name", KINDS)
def test_what_is_mutated_can_be_read_at_first(folder: Path, name: str) -> None:
    read, text = KINDS[name]
    (folder / "r.txt").write_text(REQUIREMENTS)
    (folder / name).write_text(text)
    assert read(folder / name)


@pytest.mark.parametrize("line", ["-r r.txt", "-c r.txt", "-r r.txt\n-r r.txt", "-c ./r.txt\n-c r.txt"])
def test_a_requirements_file_that_includes_itself_is_refused_at_once(folder: Path, line: str) -> None:
    (folder / "r.txt").write_text(f"six\n{line}\n")
    with pytest.raises(EbsifError, match=r"r\.txt:2: the file includes itself"):
        read_requirements(folder / "r.txt")


def test_requirements_files_that_include_more_and_more_are_refused(folder: Path) -> None:
    for number in range(30):
        (folder / f"r{number}.txt").write_text(f"-r r{number + 1}.txt\n-r r{number + 1}.txt\n")
    (folder / "r30.txt").write_text("six\n")
    (folder / "r.txt").write_text("-r r0.txt\n")
    with pytest.raises(EbsifError, match=r"r\d+\.txt:\d: more than 100 files are included"):
        read_requirements(folder / "r.txt")


# --- output ---


def hostile_easyconfig() -> str:
    return EASYCONFIG + f"description = {'x' + OBEYED!r}\nhomepage = {'|' + OBEYED!r}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["diff", "x.eb", "y.eb"],
        ["diff", "--markdown", "x.eb", "y.eb"],
        ["diff", "--json", "x.eb", "y.eb"],
        ["diff", "--markdown", "x.json", "y.json"],
        ["diff", "--json", "x.json", "y.json"],
        ["sbom", "x.eb", "-o", f"{OBEYED}/x"],
        ["check", f"{OBEYED}.eb"],
        ["check", f"{OBEYED}.yml"],
        ["list"],
        ["list", "--json"],
        ["generate", f"{OBEYED}.yml"],
    ],
)
def test_nothing_that_is_read_reaches_the_terminal_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EBSIF_IMAGES", str(tmp_path))
    manifest = make_manifest(packages={"six": "1.16.0"})
    # Names of packages with marks of direction are no control characters to a manifest.
    strange = manifest.model_copy(
        update={"mpi": OBEYED, "packages": {"six\u202e\x9b": "1\u2066"}, "rocm": OBEYED, "glibc": OBEYED}
    )
    Path("x.json").write_text(manifest.to_json())
    Path("y.json").write_text(strange.to_json())
    Path("x.eb").write_text(EASYCONFIG)
    Path("y.eb").write_text(hostile_easyconfig())
    Path(f"a{OBEYED}.eb").write_text(hostile_easyconfig())
    freeze(tmp_path, strange.model_copy(update={"file": "demo.sif"}))
    assert main(words) in (0, 1, 2)
    told = capsys.readouterr()
    assert told.out + told.err
    assert all(char in "\n\t" or char.isprintable() for char in told.out + told.err)
    if "--json" in words:
        assert json.loads(told.out)


@pytest.mark.parametrize(
    "value", ["a|b\n# title", "<img src=x>", "[x](http://x)", "@all", f"x{OBEYED}", "*x*", "a`*b*", "``x"]
)
def test_a_name_in_markdown_is_only_a_name(value: str) -> None:
    for cell in (code(value), word(value)):
        beginning, *inside, end = re.findall("`+", cell)
        assert (cell.startswith("`"), cell.endswith("`"), end) == (True, True, beginning)
        assert beginning not in inside
        assert cell.isprintable()


# --- names of recipes ---


@pytest.mark.parametrize(
    "name",
    ["x\nimport os; os.system('touch pwned')\n.yml", 'x"""\'\'\'.yml', "x\r\nname = 'y'\r.yml", "$(touch pwned).yml",
     "x\\\n.yml", "%(name)s.yml", "\u2028name = 1.yml"],
)  # fmt: skip
def test_the_name_of_a_recipe_is_data_in_its_easyconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("EBSIF_IMAGES", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    freeze(tmp_path, make_manifest(file="demo.sif"))
    for recipe in ("plain.yml", name):
        Path(recipe).write_text("name: Demo\nversion: 1.0\nbase: demo.sif\nlayer: none\nvariant: " + (
            "plain" if recipe == "plain.yml" else "odd") + "\n")  # fmt: skip
        assert main(["generate", recipe]) == 0
    plain, odd = sorted(Path().glob("Demo-*.eb"), key=lambda path: "odd" in path.name)
    assert read_easyconfig(odd).parameters.keys() == read_easyconfig(plain).parameters.keys()
    assert len(odd.read_text().splitlines()) == len(plain.read_text().splitlines())
    assert {path.name for path in tmp_path.iterdir()} >= {odd.name, plain.name}
    assert not list(tmp_path.rglob("pwned"))


# --- patterns of a site ---


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a*)*(a*)*(a*)*b", "a{99999999999}", "(.*)(.*)(.*)(.*)x"])
def test_a_pattern_takes_time_in_proportion_to_a_name(pattern: str) -> None:
    document = parse(f"name: demo\npattern: '{pattern}'\ndigest: '{pattern}'\n", Path("site.yml"))
    begun = time.process_time()
    assert read_name("a" * 250, [validate(Family, document)]) is None
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(?<!a)b", r"(a)\1", "((a{900}){900}){900}", "[z-a]"])
def test_a_pattern_that_cannot_be_bounded_is_refused(pattern: str) -> None:
    document = parse(f"name: demo\npattern: '{pattern}'\n", Path("site.yml"))
    with pytest.raises(EbsifError, match=r"site\.yml:2: pattern: .* is not a regular expression of RE2: "):
        validate(Family, document)


def test_a_name_that_is_no_unicode_matches_no_pattern() -> None:
    family = validate(Family, parse("name: demo\npattern: 'demo-[a-z]+'\n", Path("site.yml")))
    assert read_name(os.fsdecode(b"demo-\xff"), [family]) is None


def test_an_easyconfig_whose_lock_names_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.eb").write_text(EASYCONFIG.replace("'six-1", "'../six-1"))
    with pytest.raises(EbsifError, match=r"x\.eb:9: exts_list: the lock lists a file '\.\./six-1"):
        read_all(Path("x.eb"))
    listed: list[Any] = [one for one in easyconfigs(tmp_path) if not one.shipped]
    assert listed == []
