"""Locking environments of conda from real channels: which files, from where, and what is said when there are none."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

import workbench
from ebsif.base.image import Base
from ebsif.base.store import manifest_of
from ebsif.cli import main
from ebsif.easyconfig.read import read_easyconfig
from ebsif.errors import ConflictError
from ebsif.lock.tools import rattler
from ebsif.runtime import Runtime
from tests.support.conda import Channel, add_fillers, make_small_channel
from tests.support.conda_bench import QUIET, CondaBench, explicit, files, inline
from tests.support.conda_packages import corrupted, make_package, make_python_package
from tests.support.conda_server import Server, serve
from tests.support.download import fetch_wheel
from tests.support.generator import contents
from tests.support.index import serve as serve_wheels
from tests.support.manifests import image_for
from tests.support.pixi import package, pixi_lock
from tests.support.wheels import Wheel, make_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("environment")]

PYTHON = "python-3.11.2-debian_0.conda"


@pytest.fixture(scope="session")
def tool() -> str:
    """The file name of the installer of conda layers."""
    return rattler("x86_64").filename


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory, tool: str, pip_wheel: Wheel) -> Path:
    """A folder with the tools that installations bring along."""
    folder = tmp_path_factory.mktemp("tools")
    locked = rattler("x86_64")
    fetch_wheel(tool, f"{locked.name}=={locked.version} --hash=sha256:{locked.sha256}", folder)
    (folder / pip_wheel.path.name).write_bytes(pip_wheel.path.read_bytes())
    return folder


@pytest.fixture
def make_bench(
    machine: workbench.Machine, tmp_path: Path, tools: Path, environment: None
) -> Callable[[str], CondaBench]:
    def make(name: str) -> CondaBench:
        image = machine.bases[name]
        bench = CondaBench(tmp_path, Base(image.name, image, manifest_of(image, QUIET)), Runtime(machine.runtime))
        bench.sources.mkdir()
        for file in tools.iterdir():
            (bench.sources / file.name).symlink_to(file)
        return bench

    return make


@pytest.fixture
def bench(make_bench: Callable[[str], CondaBench]) -> CondaBench:
    """On the base that has no Python."""
    return make_bench("bare")


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """A channel without a Python."""
    return make_small_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture
def small(unchanged: Channel, tmp_path: Path) -> Channel:
    """A copy of it, to be changed at will."""
    return unchanged.copy(tmp_path / "channel")


@pytest.fixture
def server(small: Channel) -> Iterator[Server]:
    with serve(small.path) as served:
        yield served


def test_what_is_asked_for_comes_with_what_it_depends_on(bench: CondaBench, channel: Channel, tool: str) -> None:
    lock = bench.lock(inline(channel.url, "greet", "tool")).lock
    expected = {
        "greet": "greet-2.0-py_0.conda",
        "prefixed": "prefixed-1.0-0.conda",
        "python": PYTHON,
        "tool": "tool-1.0-0.conda",
    }
    assert files(lock) == expected
    assert [file.name for file in lock.files] == ["py-rattler", *sorted(expected)]
    assert lock.build_packages == ("py-rattler",)
    assert {file.source_url for file in lock.conda} == {f"{channel.url}/noarch", f"{channel.url}/linux-64"}
    assert bench.stored() >= {tool, *expected.values()}
    for file in lock.conda:
        assert hashlib.sha256((bench.sources / file.filename).read_bytes()).hexdigest() == file.sha256


def test_a_channel_may_be_served_over_http(bench: CondaBench, server: Server) -> None:
    lock = bench.lock(inline(server.url, "left")).lock
    assert files(lock) == {"left": "left-1.0-0.conda", "shared": "shared-1.0-0.conda"}
    assert {file.source_url for file in lock.conda} == {f"{server.url}/noarch"}
    assert "/noarch/left-1.0-0.conda" in server.requests


def test_the_first_channel_that_has_a_package_is_the_one(bench: CondaBench, small: Channel, tmp_path: Path) -> None:
    make_package(tmp_path / "other", "shared", "9.0")
    other = Channel(tmp_path / "other")
    other.index()
    both = f"environment: {{channels: ['{small.url}', '{other.url}'], dependencies: [shared]}}\n"
    assert files(bench.lock(both).lock) == {"shared": "shared-2.0-0.conda"}
    named = both.replace("[shared]", f"['{other.url}::shared']")
    assert files(bench.lock(named).lock) == {"shared": "shared-9.0-0.conda"}


@pytest.mark.parametrize("package", ["shared >=9", "shared=9.0=0"])
def test_a_package_is_never_taken_from_a_later_channel(
    bench: CondaBench, small: Channel, tmp_path: Path, package: str
) -> None:
    make_package(tmp_path / "other", "shared", "9.0")
    make_package(tmp_path / "other", "needy", depends=["shared >=9"])
    make_package(tmp_path / "other", "only")
    other = Channel(tmp_path / "other")
    other.index()

    def both(*packages: str) -> str:
        return f"environment: {{channels: ['{small.url}', '{other.url}'], dependencies: {json.dumps(packages)}}}\n"

    said = bench.refuse(both(package), ConflictError)
    assert said == (
        f"{package} (recipe.yml:5): the channel file://channel has shared, but nothing that fits (it has 1.0, 2.0), "
        f"and file://other comes behind it: write file://other::{package} to take it from there, or put "
        "file://other first"
    )
    assert files(bench.lock(both(f"{other.url}::{package}")).lock) == {"shared": "shared-9.0-0.conda"}
    assert files(bench.lock(both("only")).lock) == {"only": "only-1.0-0.conda"}
    assert "shared" in bench.refuse(both("needy"), ConflictError)


def test_packages_of_pip_in_an_explicit_file_are_on_top(bench: CondaBench, channel: Channel) -> None:
    (bench.folder / "index").mkdir()
    wheel = make_wheel(bench.folder / "index", "mine")
    with serve_wheels(wheel.path.parent) as index:
        line = f"# pip mine @ {index.files_url}/{wheel.path.name}#sha256={wheel.sha256}\n"
        (bench.folder / "e.txt").write_text(explicit(channel.package("python", "3.11.2")) + line)
        assert files(bench.lock("environment: e.txt\n").lock) == {"python": PYTHON, "mine": wheel.path.name}
        (bench.folder / "e.txt").write_text((bench.folder / "e.txt").read_text().replace(wheel.sha256, "a" * 64))
        assert "mine" in bench.refuse("environment: e.txt\n")


def test_packages_that_contradict_each_other_are_named_with_their_lines(bench: CondaBench, small: Channel) -> None:
    said = bench.refuse(inline(small.url, "left", "right"), ConflictError)
    assert said.startswith("packages conflict: ")
    assert "left 1.0 would require" in said
    assert "shared 1.*" in said
    assert said.endswith("Asked for: left (recipe.yml:8), right (recipe.yml:9)")


def test_a_newer_c_library_than_the_base_has_is_named(bench: CondaBench, small: Channel) -> None:
    said = bench.refuse(inline(small.url, "newglibc"), ConflictError)
    assert said == "newglibc 1.0 needs glibc >=2.99, and the base has glibc 2.36"


def test_a_package_for_another_platform_is_named(bench: CondaBench, small: Channel) -> None:
    said = bench.refuse(inline(small.url, "foreign"), ConflictError)
    assert said == "foreign (recipe.yml:8) is only there for linux-aarch64, and the base is linux-64"


@pytest.fixture
def foreign(bench: CondaBench, tmp_path: Path) -> CondaBench:
    """On a base for another machine, whose manifest is there."""
    assert bench.base.path
    image = image_for("aarch64", bench.base.path, tmp_path)
    manifest = bench.base.known().model_copy(update={"machine": "aarch64"})
    return replace(bench, base=replace(bench.base, path=image, manifest=manifest))


def test_an_environment_is_locked_for_the_machine_of_the_base(foreign: CondaBench, small: Channel) -> None:
    locked = rattler("aarch64")
    fetch_wheel(locked.filename, f"py-rattler=={locked.version} --hash=sha256:{locked.sha256}", foreign.sources)
    lock = foreign.lock(inline(small.url, "foreign")).lock
    assert [file.filename for file in lock.files] == [locked.filename, "foreign-1.0-0.conda"]
    assert lock.conda[0].source_url == f"{small.url}/linux-aarch64"


def test_packages_of_pip_on_top_are_refused_where_that_machine_is_not(foreign: CondaBench, channel: Channel) -> None:
    said = foreign.refuse(inline(channel.url, "shared", pip="six"))
    assert re.fullmatch("this host is .*, and .*sif is for aarch64: lock its packages on a host of that kind: .*", said)


@pytest.mark.parametrize(
    ("package", "end"),
    [
        ("nosuch", "have no nosuch (recipe.yml:8): is the name right?"),
        ("shared >2", "have no shared >2 (recipe.yml:8); the newest are: 1.0, 2.0"),
        ("shared=2.0=h9", "(recipe.yml:8); the newest are: 2.0=0; leave the build out to take any"),
    ],
)
def test_a_package_that_is_not_there_is_named(bench: CondaBench, small: Channel, package: str, end: str) -> None:
    assert bench.refuse(inline(small.url, package), ConflictError).endswith(end)


def test_what_the_recipe_tells_of_the_machine_counts(bench: CondaBench, small: Channel) -> None:
    make_package(small.path, "gpu", depends=["__cuda >=12"])
    small.index()
    assert "add it to `virtual_packages`" in bench.refuse(inline(small.url, "gpu"), ConflictError)
    lines = inline(small.url, "gpu") + "virtual_packages: {__cuda: 12.4}\n"
    assert set(files(bench.lock(lines).lock)) == {"gpu"}


def test_the_machine_that_solves_is_never_asked(
    bench: CondaBench, small: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "3.0")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "13")
    make_package(small.path, "gpu", depends=["__cuda"])
    small.index()
    assert "the base has glibc 2.36" in bench.refuse(inline(small.url, "newglibc"))
    assert "__cuda" in bench.refuse(inline(small.url, "gpu"))


def test_a_package_without_a_sha256_is_named_with_the_remedy(bench: CondaBench, small: Channel) -> None:
    for kind in ("repodata.json.zst", "repodata_shards.msgpack.zst"):
        (small.path / "noarch" / kind).unlink()
    listed = small.path / "noarch" / "repodata.json"
    content = json.loads(listed.read_text())
    for record in content["packages.conda"].values():
        del record["sha256"]
    listed.write_text(json.dumps(content))
    said = bench.refuse(inline(small.url, "shared"))
    assert said.startswith("shared-2.0-0.conda has no SHA256 in the channel ")
    assert "indexing it again" in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/channel", "file:///nosuch/channel"])
def test_a_channel_that_cannot_be_reached_is_named(bench: CondaBench, url: str) -> None:
    assert url in bench.refuse(inline(url, "left"))


def test_a_channel_that_does_not_work_is_asked_three_times(bench: CondaBench, server: Server) -> None:
    server.refused["*"] = HTTPStatus.SERVICE_UNAVAILABLE
    assert server.url in bench.refuse(inline(server.url, "left"))
    assert max(Counter(server.requests).values()) == 3


def test_a_download_that_breaks_off_leaves_nothing(bench: CondaBench, server: Server) -> None:
    server.truncated.add("*/left-1.0-0.conda")
    assert "left-1.0-0.conda" in bench.refuse(inline(server.url, "left"))


def test_a_file_that_cannot_be_had_leaves_nothing(bench: CondaBench, server: Server) -> None:
    server.refused["*/left-1.0-0.conda"] = HTTPStatus.FORBIDDEN
    said = bench.refuse(inline(server.url, "left"))
    assert said.startswith(f"cannot download left-1.0-0.conda from {server.url}/noarch: ")
    assert "403" in said


def test_a_file_that_was_changed_after_it_was_listed_is_refused(bench: CondaBench, small: Channel) -> None:
    small.package("left").write_bytes(b"something else")
    assert "the file was changed" in bench.refuse(inline(small.url, "left"))


@pytest.mark.parametrize("folder", ["/proc/ebsif", "/sys/kernel"])
def test_sources_that_cannot_be_written_are_named(
    bench: CondaBench, small: Channel, folder: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.write(inline(small.url, "left"))
    assert main(["generate", str(bench.recipe), "--sources", folder]) == 2
    assert "choose another one with --sources" in capfd.readouterr().err


def test_an_explicit_file_is_taken_as_it_is(bench: CondaBench, small: Channel) -> None:
    (bench.folder / "e.txt").write_text(explicit(small.package("left"), small.package("shared", "2.0")))
    lock = bench.lock("environment: e.txt\n").lock
    # Nothing is solved: another version of `shared` than `left` depends on stays.
    assert files(lock) == {"left": "left-1.0-0.conda", "shared": "shared-2.0-0.conda"}
    assert set(files(lock).values()) < bench.stored()


def test_a_conda_lock_is_taken_as_it_is(bench: CondaBench, small: Channel) -> None:
    package = small.package("left")
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    (bench.folder / "conda-lock.yml").write_text(
        "version: 1\nmetadata: {}\npackage:\n- name: left\n  version: '1.0'\n  manager: conda\n  platform: linux-64\n"
        f"  url: {package.as_uri()}\n  hash: {{sha256: {digest}}}\n  category: main\n"
    )
    assert files(bench.lock("environment: conda-lock.yml\n").lock) == {"left": "left-1.0-0.conda"}


def test_a_lock_of_pixi_is_taken_as_it_is(
    bench: CondaBench, small: Channel, capfd: pytest.CaptureFixture[str]
) -> None:
    found = small.package("left")
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    record = package("left", found.parent.as_uri(), digest, "0")
    (bench.folder / "pixi.lock").write_text(pixi_lock({"default": [record]}, pypi=None))
    bench.write("environment: pixi.lock\n")
    assert main(bench.command) == 0
    lock = read_easyconfig(bench.easyconfig).lock
    assert lock
    assert files(lock) == {"left": "left-1.0-0.conda"}
    assert capfd.readouterr().err.startswith("in the layer (1): left 1.0\n")


def test_files_of_a_lock_must_fit_the_base(bench: CondaBench, small: Channel, tmp_path: Path) -> None:
    (bench.folder / "e.txt").write_text(explicit(small.package("left"), small.package("newglibc")))
    said = bench.refuse("environment: e.txt\n")
    assert said == "e.txt:3: newglibc 1.0 needs glibc >=2.99, and the base has glibc 2.36"
    # Of a folder that does not say so, the file itself does.
    (tmp_path / "flat").mkdir()
    flat = tmp_path / "flat" / small.package("foreign").name
    flat.write_bytes(small.package("foreign").read_bytes())
    (bench.folder / "e.txt").write_text(explicit(flat))
    said = bench.refuse("environment: e.txt\n")
    assert said == "e.txt:2: foreign-1.0-0.conda is for linux-aarch64, and the base is linux-64"


def test_a_package_that_a_lock_has_twice_is_named(bench: CondaBench, small: Channel) -> None:
    (bench.folder / "e.txt").write_text(explicit(small.package("shared", "1.0"), small.package("shared", "2.0")))
    assert bench.refuse("environment: e.txt\n").startswith("e.txt:3: shared is there twice")


def test_a_corrupt_package_is_named(bench: CondaBench, small: Channel, tmp_path: Path) -> None:
    (tmp_path / "noarch").mkdir()
    (bench.folder / "e.txt").write_text(explicit(corrupted(small.package("left"), tmp_path / "noarch")))
    said = bench.refuse("environment: e.txt\n")
    assert said.startswith("e.txt:2: left-1.0-0.conda is not a conda package, or is damaged: ")


def test_an_added_package_keeps_the_other_versions(bench: CondaBench, small: Channel) -> None:
    first = bench.lock(inline(small.url, "shared")).lock
    make_package(small.path, "shared", "3.0")
    small.index()
    second = bench.lock(inline(small.url, "shared", "hooked"), previous=first).lock
    assert files(second) == {"hooked": "hooked-1.0-0.conda", "shared": "shared-2.0-0.conda"}


def test_a_kept_version_gives_way_where_it_must(bench: CondaBench, small: Channel) -> None:
    first = bench.lock(inline(small.url, "shared")).lock
    second = bench.lock(inline(small.url, "shared", "left"), previous=first).lock
    assert files(second) == {"left": "left-1.0-0.conda", "shared": "shared-1.0-0.conda"}


def test_one_package_is_upgraded_alone(bench: CondaBench, small: Channel) -> None:
    lines = inline(small.url, "shared", "hooked")
    first = bench.lock(lines).lock
    for name in ("shared", "hooked"):
        make_package(small.path, name, "3.0")
    small.index()
    one = bench.lock(lines, previous=first, upgrade=("Shared",)).lock
    assert files(one) == {"hooked": "hooked-1.0-0.conda", "shared": "shared-3.0-0.conda"}
    assert set(files(bench.lock(lines).lock).values()) == {"hooked-3.0-0.conda", "shared-3.0-0.conda"}


@pytest.mark.parametrize("base", ["bare", "venv", "conda"])
def test_wheels_are_found_for_the_python_of_the_environment(
    make_bench: Callable[[str], CondaBench], channel: Channel, base: str
) -> None:
    bench = make_bench(base)
    wheel = make_wheel(bench.folder, "mine", requires=["numbers>=1"])
    lock = bench.lock(inline(channel.url, "numbers", pip=f"./{wheel.path.name}")).lock
    assert files(lock) == {"numbers": "numbers-2.0-py_0.conda", "python": PYTHON, "mine": wheel.path.name}
    assert [file.name for file in lock.files] == ["py-rattler", "pip", "numbers", "python", "mine"]
    assert lock.build_packages == ("pip", "py-rattler")
    assert set(files(lock).values()) < bench.stored()


def test_a_project_that_needs_another_python_is_refused(bench: CondaBench, channel: Channel) -> None:
    text = '[project]\nname = "x"\ndependencies = ["six"]\nrequires-python = ">=3.99"\n'
    (bench.folder / "pyproject.toml").write_text(text)
    said = bench.refuse(inline(channel.url, "python") + "pyproject: {}\n")
    assert said.startswith("pyproject.toml:4: the project needs Python >=3.99, and the environment has 3.")


def test_what_the_recipe_asks_pip_for_is_added_to_the_pip_section(bench: CondaBench, channel: Channel) -> None:
    (bench.folder / "index").mkdir()
    make_wheel(bench.folder / "index", "more")
    wheel = make_wheel(bench.folder, "mine")
    with serve_wheels(bench.folder / "index") as index:
        lines = inline(channel.url, "python", pip=f"./{wheel.path.name}") + f"packages: [more]\nindex: {index.url}\n"
        lock = bench.lock(lines).lock
    assert set(files(lock)) == {"python", "mine", "more"}
    assert lock.files[-1].source_url == index.files_url


def test_a_pip_section_may_name_an_index_and_a_local_version_from_there(
    bench: CondaBench, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bench.folder / "index" / "other"
    other.mkdir(parents=True)
    wheel = make_wheel(other, "torch", "2.4.1+rocm6.0")
    with serve_wheels(other.parent) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        section = f"--extra-index-url {index.other_url}, torch==2.4.1+rocm6.0"
        lock = bench.lock(inline(channel.url, "python", pip=section)).lock
    (file,) = (file for file in lock.pip if file.name == "torch")
    assert (file.filename, file.source_url) == (wheel.path.name, f"{index.files_url}/other")


def test_a_wheel_that_contradicts_a_package_of_conda_is_named_with_both_sides(
    bench: CondaBench, channel: Channel
) -> None:
    wheel = make_wheel(bench.folder, "mine", requires=["numbers<2"])
    said = bench.refuse(inline(channel.url, "numbers", pip=f"./{wheel.path.name}"), ConflictError)
    assert said == "packages conflict: mine 1.0 needs numbers<2, conda has numbers 2.0"


def test_scripts_that_packages_bring_are_run_or_refused_as_in_the_layer(
    bench: CondaBench, channel: Channel, tmp_path: Path
) -> None:
    own = channel.copy(tmp_path / "own")
    script = "bin/.failing-post-link.sh"
    make_package(own.path, "failing", files={script: "echo not today >&2; exit 3\n"}, executable=[script])
    own.index()
    wheel = make_wheel(bench.folder, "mine")

    def lines(name: str) -> str:
        return inline(own.url, "python", name, pip=f"./{wheel.path.name}")

    assert "linked" in files(bench.lock(lines("linked")).lock)
    assert bench.refuse(lines("failing")) == "the link script of the conda package failing failed: not today"
    assert "prelinked has a script to be run before it is installed (pre-link)" in bench.refuse(lines("prelinked"))


def test_wheels_need_a_python_in_the_environment(bench: CondaBench, small: Channel) -> None:
    said = bench.refuse(inline(small.url, "shared", pip="mine"))
    assert said == "recipe.yml:9: packages of pip need a Python: add python to the environment"


def test_on_a_stack_the_packages_of_the_base_are_seen(
    make_bench: Callable[[str], CondaBench], channel: Channel
) -> None:
    bench = make_bench("venv")
    wheel = make_wheel(bench.folder, "mine", requires=["six>=1.17", "numbers"])
    lines = inline(channel.url, "numbers", pip=f"./{wheel.path.name}")
    resolved = bench.lock(lines + "stack: true\n")
    assert set(files(resolved.lock)) == {"numbers", "python", "mine"}
    assert resolved.summary.from_base == {"six": "1.17.0"}
    old = make_wheel(bench.folder, "old", requires=["six<1.17"])
    said = bench.refuse(inline(channel.url, "python", pip=f"./{old.path.name}") + "stack: true\n", ConflictError)
    assert "old 1.0 needs six<1.17, the base has six 1.17.0; to replace it in the layer, add six" in said


def test_on_a_stack_no_package_of_conda_replaces_one_of_the_base(
    make_bench: Callable[[str], CondaBench], channel: Channel, tmp_path: Path
) -> None:
    own = channel.copy(tmp_path / "own")
    make_python_package(own.path, "six", "1.16.0", "VERSION = '1.16.0'\n")
    own.index()
    bench = make_bench("venv")
    lines = inline(own.url, "six") + "stack: true\n"
    said = bench.refuse(lines, ConflictError)
    assert "would replace those of the base: six (conda has 1.16.0, the base 1.17.0)" in said
    assert set(files(bench.lock(lines + "allow_base_packages: [six]\n").lock)) == {"python", "six"}
    assert set(files(bench.lock(inline(own.url, "six")).lock)) == {"python", "six"}


def test_on_a_stack_python_is_that_of_the_base(make_bench: Callable[[str], CondaBench], tmp_path: Path) -> None:
    bench, channel = make_bench("venv"), Channel(tmp_path / "pythons")
    for version in ("3.11.9", "3.12.1"):
        make_package(channel.path, "python", version, subdir="linux-64")
    make_package(channel.path, "young", depends=["python >=3.12"])
    channel.index()
    assert files(bench.lock(inline(channel.url, "young")).lock)["python"] == "python-3.12.1-0.conda"
    said = bench.refuse(inline(channel.url, "python 3.12.*") + "stack: true\n", ConflictError)
    assert said == (
        "with `stack: true`, Python must be that of the base: the base has 3.11, and python 3.12.* is asked for "
        "(recipe.yml:8)"
    )
    said = bench.refuse(inline(channel.url, "young") + "stack: true\n", ConflictError)
    assert said.endswith("the base has 3.11, and the environment needs another one")
    (bench.folder / "e.txt").write_text(explicit(channel.package("python", "3.12.1")))
    said = bench.refuse("environment: e.txt\nstack: true\n")
    assert said.startswith("e.txt:2: with `stack: true`, Python must be that of the base")


def test_a_python_that_is_too_old_is_named_with_its_line(bench: CondaBench, tmp_path: Path) -> None:
    channel = Channel(tmp_path / "pythons")
    make_package(channel.path, "python", "3.7.13", subdir="linux-64")
    make_package(channel.path, "old", depends=["python <3.8"])
    channel.index()
    reason = "Python 3.7.13 is too old: ebsif needs 3.8 or newer"
    assert bench.refuse(inline(channel.url, "old", "python=3.7.13", pip="six")) == f"recipe.yml:9: {reason}"
    assert bench.refuse(inline(channel.url, "old"), ConflictError) == reason
    (bench.folder / "e.txt").write_text(explicit(channel.package("python", "3.7.13")))
    assert bench.refuse("environment: e.txt\n") == f"e.txt:2: {reason}"


def test_the_same_recipe_gives_the_same_bytes_without_a_network(
    bench: CondaBench, small: Channel, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(small.path) as server:
        bench.write(inline(server.url, "left", "hooked"))
        assert main(bench.command) == 0
        text = bench.easyconfig.read_text()
    assert main([*bench.command, "--check"]) == 0
    assert main(bench.command) == 0
    assert bench.easyconfig.read_text() == text
    capfd.readouterr()
    # What is missing is fetched again, so now there must be somebody who has it.
    (bench.sources / "left-1.0-0.conda").unlink()
    assert main(bench.command) == 2
    assert "cannot download left-1.0-0.conda" in capfd.readouterr().err


def test_the_files_of_a_lock_are_fetched_again(bench: CondaBench, channel: Channel) -> None:
    wheel = make_wheel(bench.folder, "mine")
    bench.write(inline(channel.url, "numbers", pip=f"./{wheel.path.name}"))
    assert main(bench.command) == 0
    text = bench.easyconfig.read_text()
    (bench.sources / "numbers-2.0-py_0.conda").write_bytes(b"something else")
    (bench.sources / wheel.path.name).unlink()
    assert main(bench.command) == 0
    assert bench.easyconfig.read_text() == text
    for file in read_easyconfig(bench.easyconfig).lock.files:  # type: ignore[union-attr]
        assert hashlib.sha256((bench.sources / file.filename).read_bytes()).hexdigest() == file.sha256


def test_the_command_line_upgrades_what_is_named(bench: CondaBench, small: Channel) -> None:
    bench.write(inline(small.url, "shared"))
    assert main(bench.command) == 0
    make_package(small.path, "shared", "3.0")
    small.index()
    assert main(bench.command) == 0
    assert read_easyconfig(bench.easyconfig).packages == {"shared": "2.0=0"}
    assert main([*bench.command, "--upgrade", "shared"]) == 0
    assert read_easyconfig(bench.easyconfig).packages == {"shared": "3.0=0"}


def test_a_preview_leaves_nothing_behind(
    bench: CondaBench,
    small: Channel,
    tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench.write(inline(small.url, "left"))
    before = contents(bench.folder)
    # A preview fetches the tools, which it does not look for among the sources.
    with serve_wheels(tools) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert main([*bench.command, "--dry-run"]) == 0
    assert "('left', '1.0', {" in capfd.readouterr().out
    assert contents(bench.folder) == before


def test_the_next_version_has_newer_packages_and_says_so(
    bench: CondaBench, small: Channel, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.write(inline(small.url, "shared"))
    assert main(bench.command) == 0
    make_package(small.path, "shared", "3.0")
    small.index()
    bump = ["bump", str(bench.recipe), "--date", "20261124", "--sources", str(bench.sources), "--json"]
    capfd.readouterr()
    assert main(bump) == 0
    made = json.loads(capfd.readouterr().out)
    assert made["changes"]["layer"] == {"shared": ["2.0=0", "3.0=0"]}
    assert Path(made["easyconfig"]).name == "Demo-1.0-rocm-6.2.4-singularity-20261124.eb"


@pytest.mark.parametrize("written", ["-f", "--from-env"])
def test_an_environment_file_becomes_a_recipe_and_its_easyconfig(
    bench: CondaBench, small: Channel, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)
    exported = f"name: mine\nchannels:\n- {small.url}\ndependencies:\n- shared=1.0=0\nprefix: /home/me/mine\n"
    (bench.folder / "environment.yml").write_text(exported)
    base = ["--version", "1.0", "--base", str(bench.base.path)]
    assert main(["new", "Demo", *base, written, "environment.yml", "-o", "recipe.yml"]) == 0
    if written == "--from-env":
        (bench.folder / "environment.yml").unlink()
        assert "mine" not in bench.recipe.read_text()
    assert main(bench.command) == 0
    assert read_easyconfig(bench.easyconfig).packages == {"shared": "1.0=0"}


def test_three_hundred_packages_are_each_asked_for_once_and_then_no_more(bench: CondaBench, small: Channel) -> None:
    add_fillers(small)
    with serve(small.path) as server:
        bench.write(inline(server.url, "fillers"))
        assert main(bench.command) == 0
    assert len(read_easyconfig(bench.easyconfig).packages) == 301
    packages = [path for path in server.requests if path.endswith(".conda")]
    assert len(packages) == len(set(packages)) == 301
    # Now nobody would answer.
    assert main(bench.command) == 0
