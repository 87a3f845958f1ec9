"""Whatever a file holds: a command does what it is for, or says in a sentence why not. No traceback, and no hang."""

import ast
import copy
import json
import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from ebsif.cli import main
from ebsif.lock.pip.toml import parse_toml
from tests.support.examples import at_most
from tests.support.manifests import freeze, make_manifest

LOCKS = Path(__file__).parents[1] / "support" / "locks"
IMAGE = "demo-small-cpu-python-3.11-venv.sif"
EASYCONFIG: dict[str, Any] = {
    "easyblock": "SifVenv",
    "name": "Demo",
    "version": "1.0",
    "versionsuffix": "-cpu",
    "toolchain": {"name": "system", "version": "system"},
    "sources": [IMAGE],
    "checksums": ["0" * 64],
    "binds": ["/scratch"],
    "build_packages": ["flit"],
    "exts_list": [
        (
            "six",
            "1.17.0",
            {
                "source_urls": ["https://example.org"],
                "sources": ["six-1.17.0-py3-none-any.whl"],
                "checksums": ["1" * 64],
            },
        ),
        (
            "zlib",
            "1.3",
            {
                "source_urls": ["https://example.org/main/noarch"],
                "sources": ["zlib-1.3-h1_0.conda"],
                "checksums": ["2" * 64],
            },
        ),
    ],
}
RECIPE: dict[str, Any] = {
    "format": "1",
    "name": "Demo",
    "version": "1.0",
    "site": "local",
    "base": IMAGE,
    "with": ["horovod-0.28.1"],
    "variant": "mine",
    "date": "20261125",
    "expected": {"kind": "venv", "python": "/opt/venv/bin/python", "packages": {"torch": "2.7"}},
    "packages": ["six"],
    "pyproject": {"file": "pyproject.toml", "extras": ["test"]},
    "commands": ["python3"],
    "binds": ["/scratch:/scratch:ro"],
    "container_env": {"A": "b"},
    "user_site": "false",
}
# What a value may be instead: of another type or length, and what breaks names, paths, terminals and encodings.
ODD: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, b"bytes", "", " ", "a b", "a\nb", "a\0b", "\x1b[31m", "\ud800", "é" * 300, "/", "..",
    "-x", "%(name)s", "https://[", "http://x", [], [[]], {}, {"a": "b"}, {"filename": 1}, (), ("a",), ("a", "b"),
    ("a", "b", "c"), ("a", "b", {}), ("a", "b", {"sources": "x.whl"}), ("a", 1, {"sources": [None]}), ["a", ["b"]],
]  # fmt: skip
COMMANDS = {
    ".eb": [["check"], ["diff"], ["sbom"], ["list"]],
    ".yml": [["check"], ["diff"], ["sbom"], ["bump", "--date", "20261126"], ["generate", "--check"]],
    ".json": [["diff"]],
    ".sif": [["diff"], ["sbom"], ["list"], ["inspect"]],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, with an image and its manifest."""
    folder = tmp_path_factory.mktemp("any")
    with pytest.MonkeyPatch.context() as patch:
        # Neither eb nor a runtime is there: nothing but the files matters.
        for name, value in (("PATH", ""), ("HOME", folder), ("EBSIF_IMAGES", folder), ("XDG_CACHE_HOME", folder / "c")):
            patch.setenv(name, str(value))
        patch.chdir(folder)
        freeze(folder, make_manifest(file=IMAGE, packages={"six": "1.16.0"}))
        yield folder


@pytest.fixture
def judge(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str, bytes], None]:
    """Give a file to every command that reads such files."""

    def judge(name: str, content: bytes) -> None:
        file = folder / name
        file.write_bytes(content)
        try:
            run(file)
        finally:
            file.unlink()

    def run(file: Path) -> None:
        for words in COMMANDS[file.suffix]:
            about = [] if words == ["list"] else [file]
            more: dict[str, list[str | Path]] = {"diff": [file], "sbom": ["-o", folder / "bom.xml"]}
            # A traceback would end the test here.
            status = main([*words, *map(str, [*about, *more.get(words[0], [])])])
            told = capsys.readouterr()
            assert status in (0, 1, 2)
            assert (status == 2) == told.err.startswith("ebsif: ") or "ebsif: warning" in told.err
            assert "\x1b" not in told.out + told.err

    return judge


Judge = Callable[[str, bytes], None]
bounded = at_most(60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutated(value: Any, seed: int, times: int) -> Any:
    """Return data in which some values, chosen by a seed, are gone, twice there or something odd."""
    choice = random.Random(seed)
    value = copy.deepcopy(value)
    for _ in range(times):
        holder, key = choice.choice(list(places(value)))
        kind = choice.randrange(4)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[choice.choice([odd for odd in ODD if isinstance(odd, (str, int))])] = holder[key]
        else:
            holder[key] = copy.deepcopy(choice.choice(ODD))
    return value


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all places in data where another value can stand."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)) and item:
            yield from places(item)


def unfrozen(value: Any) -> Any:
    """Return data with lists instead of tuples, so that all of it can be changed."""
    if isinstance(value, dict):
        return {key: unfrozen(item) for key, item in value.items()}
    return [unfrozen(item) for item in value] if isinstance(value, (list, tuple)) else value


def as_easyconfig(parameters: dict[str, Any], *, locked: bool) -> bytes:
    """Return the text of an easyconfig; entries of its list of packages are tuples again."""
    entries = parameters.get("exts_list")
    if isinstance(entries, list):
        parameters["exts_list"] = [tuple(entry) if isinstance(entry, list) else entry for entry in entries]
    lines = [f"# Lock: 1:{'a' * 64}"] if locked else []
    lines += [f"{name} = {value!r}" for name, value in parameters.items() if str(name).isidentifier()]
    return "\n".join(lines).encode()


@bounded
@given(seed=st.integers(0, 2**32), times=st.integers(0, 4), locked=st.booleans())
def test_an_easyconfig_of_which_values_are_odd(judge: Judge, seed: int, times: int, locked: bool) -> None:
    judge("x.eb", as_easyconfig(mutated(unfrozen(EASYCONFIG), seed, times), locked=locked))


@pytest.mark.parametrize("name", EASYCONFIG)
def test_an_easyconfig_without_a_parameter(judge: Judge, name: str) -> None:
    parameters = {key: value for key, value in EASYCONFIG.items() if key != name}
    judge("x.eb", as_easyconfig(parameters, locked=False))


@pytest.mark.parametrize(
    "line",
    [
        "exts_list = ['six', 'numpy']",
        "exts_list = [('six',)]",
        "exts_list = [('six', '1.0', {'sources': [], 'checksums': []})]",
        "exts_list = [('six', '1.0', {'sources': [{'filename': 'six.whl'}], 'checksums': [{'six.whl': None}]})]",
        "exts_list = [('six', '1.0', {'source_urls': [PYPI_SOURCE], 'sources': [SOURCE_WHL]})]",
        "sources = [SOURCELOWER_TAR_GZ]",
        "sources = 'x.sif'",
        "x = {[]: 1}",
        "x = {(): 1}",
        "x = {**{}}",
        "x = {'a': b'b'}",
        "x = " + " + ".join(["1"] * 600),
        "x = " + "(" * 150 + ")" * 150,
        "x = " + "-" * 5000 + "1",
        "x" + ".x" * 5000 + " = 1",
        "x = 0x" + "f" * 5000,
        "x = " + "1" * 5000,
        "x = y = 1",
        "x = '\\ud800'",
        "x = '\\d'",
        "\x00",
        "name = lambda: 1",
        "if True:\n name = 'x'",
    ],
)
@pytest.mark.parametrize("locked", [False, True])
def test_an_easyconfig_with_an_odd_line(judge: Judge, line: str, locked: bool) -> None:
    judge("x.eb", as_easyconfig(EASYCONFIG, locked=locked) + b"\n" + line.encode())


@bounded
@given(seed=st.integers(0, 2**32), times=st.integers(0, 4))
def test_a_recipe_of_which_values_are_odd(judge: Judge, seed: int, times: int) -> None:
    recipe = mutated(unfrozen(RECIPE), seed, times)
    judge("x.yml", yaml.dump(recipe, allow_unicode=True, sort_keys=False).encode(errors="replace"))


def as_toml(value: Any) -> Any:
    """Return data as TOML can hold it."""
    if isinstance(value, dict):
        return {str(key): as_toml(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [as_toml(item) for item in value if item is not None]
    return value.decode() if isinstance(value, bytes) else value


@bounded
@given(st.sampled_from(["uv.lock", "poetry.lock", "pylock.toml"]), st.integers(0, 2**32), st.integers(0, 4))
def test_a_lock_of_another_tool_of_which_values_are_odd(
    judge: Judge, folder: Path, name: str, seed: int, times: int
) -> None:
    lock = parse_toml((LOCKS / name).read_text(), LOCKS / name).data
    text = tomli_w.dumps(as_toml(mutated(lock, seed, times)))
    (folder / name).write_bytes(text.encode(errors="replace"))
    recipe = f"name: Demo\nversion: 1.0\nbase: {IMAGE}\nrequirements: [{name}]\nallow_base_packages: [six]\n"
    judge("x.yml", recipe.encode())


@pytest.mark.parametrize(
    "line",
    [
        "variant: !!int abc",
        "variant: !!float abc",
        "variant: !!timestamp abc",
        "variant: !!bool abc",
        "variant: !!binary abc",
        "variant: !!set {a, b}",
        "variant: !!python/object/apply:os.system [ls]",
        "variant: !own abc",
        "variant: &a b",
        "variant: *a",
        'variant: "\\ud800"',
        'variant: "\\U00110000"',
        'variant: "\\UFFFFFFFF"',
        "<<: {a: b}",
        "[a]: b",
        "? {a: b}\n: c",
        "%YAML 1.2\n---",
        "---\n---",
        "- a",
        "variant: " + "[" * 200 + "]" * 200,
        "variant: " + "- " * 5000,
        "\x00",
        "format: 2",
        "format: {}",
    ],
)
def test_a_recipe_with_an_odd_line(judge: Judge, line: str) -> None:
    judge("x.yml", f"name: Demo\nversion: 1.0\nbase: {IMAGE}\n{line}\n".encode())


@bounded
@given(seed=st.integers(0, 2**32), times=st.integers(0, 3))
def test_a_manifest_of_which_values_are_odd(judge: Judge, folder: Path, seed: int, times: int) -> None:
    manifest = json.loads(make_manifest(packages={"six": "1.16.0"}, commands=["six"]).to_json())
    values = mutated(manifest, seed, times)
    judge("x.json", json.dumps(values, default=str, skipkeys=True).encode())


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"1", b"[" * 100_000, b'{"format": 1}', b'{"format": 9}',
                                     b'{"format": ' + b"1" * 5000 + b"}", b'{"file": "\\ud800"}', b"\xff"])  # fmt: skip
def test_a_file_that_is_no_manifest(judge: Judge, content: bytes) -> None:
    judge("x.json", content)


@bounded
@example(b"\xff\xfe")
@example(b"\x00" * 32 + b"SIF_MAGIC")
@example(b"# -*- coding: utf-7 -*-\nname = 'x'\n")
@given(st.binary(max_size=80))
def test_a_file_of_any_bytes(judge: Judge, content: bytes) -> None:
    for suffix in COMMANDS:
        judge(f"x{suffix}", content)


@pytest.fixture(params=["folder", "FIFO", "endless device", "link to nowhere", "link to itself"])
def no_file(request: pytest.FixtureRequest, folder: Path) -> Iterator[Callable[[str], Path]]:
    """Something that has the name of a file and is none."""
    made = []

    def make(name: str) -> Path:
        path = folder / name
        made.append(path)
        match request.param:
            case "folder":
                path.mkdir()
            case "FIFO":
                os.mkfifo(path)
            case "endless device":
                path.symlink_to("/dev/zero")
            case "link to nowhere":
                path.symlink_to("none")
            case "link to itself":
                path.symlink_to(path.name)
        return path

    yield make
    for path in made:
        path.rmdir() if stat.S_ISDIR(path.lstat().st_mode) else path.unlink()


@pytest.mark.parametrize("suffix", COMMANDS)
def test_what_is_no_file_is_refused(
    no_file: Callable[[str], Path], suffix: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    path = no_file(f"x{suffix}")
    for words in COMMANDS[suffix]:
        if words == ["list"]:
            assert main(["list"]) == 0
            continue
        more: dict[str, list[str | Path]] = {"diff": [path], "sbom": ["-o", folder / "bom.xml"]}
        capsys.readouterr()
        assert main([*words, *map(str, [path, *more.get(words[0], [])])]) == 2
        assert capsys.readouterr().err.startswith("ebsif: ")


def test_a_name_that_is_no_unicode_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"\xff\x1b[31m.eb")
    (folder / name).write_bytes(as_easyconfig(EASYCONFIG, locked=False))
    assert main(["list", "--easyconfigs"]) == 0
    (folder / name).unlink()
    assert "\\udcff\\x1b[31m.eb" in capsys.readouterr().out


def test_what_is_mutated_is_sound_at_first(judge: Judge, folder: Path) -> None:
    """Else all of these tests would end at the first thing that is refused."""
    (folder / "x.eb").write_bytes(as_easyconfig(EASYCONFIG, locked=True))
    assert main(["sbom", str(folder / "x.eb"), "-o", str(folder / "bom.xml")]) == 0
    assert "pkg:conda/zlib@1.3" in (folder / "bom.xml").read_text()
    (folder / "x.eb").unlink()
    assert ast.literal_eval(repr(EASYCONFIG)) == EASYCONFIG
