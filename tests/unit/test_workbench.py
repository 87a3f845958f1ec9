"""What prepares a machine: the rules that need neither root nor network to be tested."""

import io
import os
import pwd
import signal
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import pytest

from workbench import images, pythons, store
from workbench.errors import CommandError, NotPreparedError
from workbench.machine import Prepared, export_lines
from workbench.process import run
from workbench.progress import Progress

HOSTILE = ["a b", "it's", 'say "x"', "$HOME `id` $(id)", "back\\slash", "two\nlines", "*", "", "[x]"]
PROJECT = Path(__file__).parents[2]


# --- the cache's place and keys ---


def test_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EBSIF_CACHE", str(tmp_path / "cache"))
    assert store.cache_root() == tmp_path / "cache"


def test_cache_of_a_user_follows_the_xdg_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EBSIF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert store.cache_root() == tmp_path / "ebsif"


def test_cache_of_root_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EBSIF_CACHE", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert store.cache_root() == Path("/var/cache/ebsif")


def test_key_depends_on_each_part_and_on_where_parts_end() -> None:
    assert store.key("ab", "c") == store.key("ab", "c")
    assert len({store.key(*parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""])}) == 5


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "script").write_text("text")
    (tmp_path / "link").symlink_to("folder/script")
    return tmp_path


def test_tree_key_ignores_times_and_caches(tree: Path) -> None:
    before = store.tree_key(tree, [tree])
    os.utime(tree / "folder" / "script", (0, 0))
    (tree / "folder" / "__pycache__").mkdir()
    (tree / "folder" / "__pycache__" / "script.pyc").touch()
    assert store.tree_key(tree, [tree]) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "folder" / "script").write_text("other"),
        lambda tree: (tree / "folder" / "script").chmod(0o755),
        lambda tree: (tree / "folder" / "script").rename(tree / "folder" / "renamed"),
        lambda tree: (tree / "folder" / "new").touch(),
        lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("folder")),
    ],
    ids=["content", "mode", "name", "new file", "link"],
)
def test_tree_key_sees_every_change(tree: Path, change) -> None:  # type: ignore[no-untyped-def]
    before = store.tree_key(tree, [tree])
    change(tree)
    assert store.tree_key(tree, [tree]) != before


def test_tree_key_of_an_absent_file_is_that_of_nothing(tree: Path) -> None:
    assert store.tree_key(tree, [tree / "absent"]) == store.tree_key(tree, [])


def test_bases_differ_in_names_files_and_keys() -> None:
    for attribute in ("name", "sif", "key"):
        assert len({getattr(base, attribute) for base in images.BASES}) == len(images.BASES)


def test_every_base_is_made_of_parts_that_exist() -> None:
    parts = PROJECT / "workbench" / "bases"
    for base in images.BASES:
        assert all((parts / part / "root").is_dir() for part in base.parts)
        assert (parts / "requirements" / f"{base.requirements}.txt").is_file()


def test_every_requirement_of_a_base_is_pinned() -> None:
    for listed in (PROJECT / "workbench" / "bases" / "requirements").iterdir():
        lines = [line for line in listed.read_text().splitlines() if not line.startswith("#")]
        assert lines
        assert all(line.count("==") == 1 for line in lines)


# --- whole or not at all ---


def test_published_folder_appears_when_the_work_is_done(tmp_path: Path) -> None:
    final = tmp_path / "cache" / "item"
    with store.published(final) as work:
        (work / "file").write_text("complete")
        assert not final.exists()
    assert (final / "file").read_text() == "complete"
    assert [path.name for path in final.parent.iterdir()] == ["item"]


def test_failed_work_publishes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), store.published(tmp_path / "item") as work:
        (work / "file").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_published_folder_is_open_to_other_users(tmp_path: Path) -> None:
    with store.published(tmp_path / "item"):
        pass
    assert (tmp_path / "item").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("number", "left"), [(signal.SIGKILL, 1), (signal.SIGTERM, 0)], ids=["SIGKILL", "SIGTERM"])
def test_killed_work_publishes_nothing_and_is_tidied_up(tmp_path: Path, number: signal.Signals, left: int) -> None:
    work = textwrap.dedent(
        f"""
        import signal, sys
        from pathlib import Path
        from workbench import store
        from workbench.__main__ import stop
        # Blocked and waited for, so that it does not matter when the signal arrives.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        with store.published(Path({str(tmp_path)!r}, "item")) as folder:
            (folder / "half").touch()
            print("half", flush=True)
            stop(signal.sigwait([signal.SIGTERM]), None)
        """
    )
    with subprocess.Popen([sys.executable, "-c", work], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "half\n"
        process.send_signal(number)
    assert not (tmp_path / "item").exists()
    assert len(list(tmp_path.iterdir())) == left
    store.remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lock_makes_the_second_process_wait_and_say_so(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []
    waiting = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        waiting.set()

    def second() -> None:
        with store.locked(tmp_path, say):
            order.append("second")

    other = threading.Thread(target=second)
    with store.locked(tmp_path, said.append):
        other.start()
        assert waiting.wait(10)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]
    assert len(said) == 1
    assert str(tmp_path) in said[0]


def test_lock_is_held_until_the_programs_of_a_killed_process_have_ended(tmp_path: Path) -> None:
    work = textwrap.dedent(
        f"""
        from pathlib import Path
        from workbench import store
        from workbench.process import run
        with store.locked(Path({str(tmp_path)!r}), print):
            run(["sh", "-c", "echo > started; read line < end"], cwd=Path({str(tmp_path)!r}))
        """
    )
    for name in ("started", "end"):
        os.mkfifo(tmp_path / name)
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-c", work], cwd=PROJECT) as process:
        (tmp_path / "started").read_text()
        process.kill()
    end = threading.Thread(target=(tmp_path / "end").write_text, args=("\n",))

    def say(text: str) -> None:
        said.append(text)
        end.start()

    with store.locked(tmp_path, say):
        assert len(said) == 1
    end.join(10)


# --- what is said ---


def test_error_of_a_command_names_it_its_status_and_what_it_printed() -> None:
    with pytest.raises(CommandError, match=r"(?s)`sh -c .*` ended with status 7; .*    out\n    err") as caught:
        run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert caught.value.status == 7


def test_command_without_input_does_not_wait_for_any() -> None:
    assert run(["cat"]) == ""


@pytest.mark.parametrize("value", HOSTILE)
def test_exported_values_arrive_unchanged_in_a_shell(value: str) -> None:
    lines = export_lines([Path("/with a space/it's"), Path("/second")], {"EBSIF_TEST": value})
    script = f'{lines}printf "%s\\0" "$PATH" "$EBSIF_TEST"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": "/there before"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\0") == ["/with a space/it's:/second:/there before", value, ""]


def test_asking_for_what_is_not_prepared_says_how_to_prepare_it() -> None:
    bases = Prepared("The base image", {"there": Path("/there")})
    assert bases["there"] == Path("/there")
    with pytest.raises(NotPreparedError, match=r"The base image 'conda' .*`python3 -m workbench prepare`"):
        bases["conda"]


def test_step_is_one_line_when_nobody_watches() -> None:
    stream = io.StringIO()
    with Progress(stream).step("Building"):
        pass
    assert stream.getvalue() == "Building … done\n"


def test_failed_step_says_so() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Progress(stream).step("Building"):
        raise RuntimeError
    assert stream.getvalue() == "Building … failed\n"


def test_steps_at_the_same_time_have_a_line_each() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.step("Outer"), progress.step("Inner"):
        pass
    assert stream.getvalue() == "Inner … done\nOuter … done\n"


# --- other Pythons ---


@pytest.fixture
def pyenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only place of Pythons on this machine: a folder of pyenv's."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: types.SimpleNamespace(pw_dir=str(tmp_path)))
    return tmp_path / "pyenv" / "versions"


def make_python(path: Path, version: str, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_the_newest_python_of_a_version_is_found(pyenv: Path) -> None:
    for release in ("9.9", "9.10.2", "9.10.10", "9.1.0"):
        make_python(pyenv / release / "bin" / "python", ".".join(release.split(".")[:2]))
    assert pythons.find_original("9.10") == pyenv / "9.10.10" / "bin" / "python"


def test_a_python_on_path_is_found(pyenv: Path, tmp_path: Path) -> None:
    python = make_python(tmp_path / "bin" / "python9.9", "9.9")
    assert pythons.find_original("9.9") == python


@pytest.mark.parametrize(("version", "status"), [("9.9", 127), ("9.8", 0)], ids=["fails", "is another"])
def test_a_python_that_is_not_what_it_is_called_is_none(
    pyenv: Path, tmp_path: Path, version: str, status: int
) -> None:
    make_python(tmp_path / "bin" / "python9.9", version, status)
    assert pythons.find_original("9.9") is None


def test_a_python_that_is_not_there_is_named(pyenv: Path, tmp_path: Path) -> None:
    assert pythons.find(tmp_path, "9.9") is None
    assert pythons.Run("Python 9.9", None, ["tests/unit"]).outcome() == (True, "Python 9.9: not on this machine")


def test_a_python_without_its_virtual_environment_asks_for_preparation(pyenv: Path, tmp_path: Path) -> None:
    make_python(pyenv / "9.9.1" / "bin" / "python", "9.9")
    with pytest.raises(NotPreparedError, match=r"Python 9\.9 .*`python3 -m workbench prepare`"):
        pythons.find(tmp_path, "9.9")


@pytest.mark.parametrize(("status", "said"), [(0, "9 passed"), (1, "failed\n1 failed\n9 passed\n")])
def test_a_run_says_what_pytest_says_last_and_all_if_it_fails(tmp_path: Path, status: int, said: str) -> None:
    python = make_python(tmp_path / "python", "1 failed; echo 9 passed", status)
    outcome = pythons.Run("Python 9.9", python, ["tests/easyblocks"]).outcome()
    assert outcome == (status == 0, f"Python 9.9: tests/easyblocks: {said}")
