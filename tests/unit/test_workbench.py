"""What prepares a machine: the rules that need neither root nor network to be tested."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from workbench import fuzz, pythons, store
from workbench.machine import export_lines

PROJECT = Path(__file__).parents[2]


# --- the cache's place and keys ---


def test_key_depends_on_each_part_and_on_where_parts_end() -> None:
    assert store.key("ab", "c") == store.key("ab", "c")
    assert len({store.key(*parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""])}) == 5


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "script").write_text("text")
    (tmp_path / "link").symlink_to("folder/script")
    return tmp_path


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


def test_exported_values_arrive_unchanged_in_a_shell() -> None:
    value = "a b'c \"x\" $HOME `id` back\\slash\ntwo lines * [x]"
    lines = export_lines([Path("/with a space/it's"), Path("/second")], {"EBSIF_TEST": value})
    script = f'{lines}printf "%s\\0" "$PATH" "$EBSIF_TEST"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": "/there before"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\0") == ["/with a space/it's:/second:/there before", value, ""]


# --- other Pythons ---


def make_python(path: Path, version: str, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("version", "status"), [("9.9", 127), ("9.8", 0)], ids=["fails", "is another"])
def test_a_python_that_is_not_what_it_is_called_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, status: int
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    make_python(tmp_path / "python9.9", version, status)
    assert pythons.find_original("9.9") is None


@pytest.mark.parametrize(("status", "said"), [(0, "9 passed"), (1, "failed\n1 failed\n9 passed\n")])
def test_a_run_says_what_pytest_says_last_and_all_if_it_fails(tmp_path: Path, status: int, said: str) -> None:
    python = make_python(tmp_path / "python", "1 failed; echo 9 passed", status)
    outcome = pythons.Run("Python 9.9", python, ["tests/easyblocks"]).outcome()
    assert outcome == (status == 0, f"Python 9.9: tests/easyblocks: {said}")


def test_one_run_that_fails_fails_all_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = (make_python(tmp_path / f"python{status}", "the last line", status) for status in (1, 0))
    runs = [pythons.Run("Python 9.8", bad, ["tests/unit"]), pythons.Run("Python 9.9", good, ["tests/unit"])]
    monkeypatch.setattr(pythons, "_runs", lambda cache: runs)
    assert not pythons.run_tests(tmp_path)
    told = capsys.readouterr().out
    assert told.startswith("Python 9.8: tests/unit: failed\nthe last line\n")
    assert told.endswith("Python 9.9: tests/unit: the last line\n")


def test_tests_that_need_no_other_python_are_there() -> None:
    left_out = [option.partition("=")[2] for option in pythons._OPTIONS if option.startswith("--ignore=")]
    assert left_out
    assert all((PROJECT / path).is_file() for path in left_out)


# --- fuzzing ---


@pytest.fixture
def property_test(tmp_path: Path) -> str:
    """A test that holds for most numbers."""
    path = tmp_path / "test_numbers.py"
    path.write_text(
        "from hypothesis import given, strategies as st\n\n"
        "@given(st.integers())\ndef test_numbers(number):\n    assert number < LIMIT\n\nLIMIT = float('inf')\n"
    )
    return str(path)


def test_fuzzing_goes_on_with_new_seeds_until_the_time_is_over(
    property_test: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.0, 500.0, 600.0])  # the beginning, and before each round
    monkeypatch.setattr(fuzz, "monotonic", lambda: next(clock))
    assert fuzz.fuzz(600, [property_test])
    told = capsys.readouterr().out.splitlines()
    seeds = [re.fullmatch(r"seed (\d+): 100 examples, well", line) for line in told[:2]]
    assert len({seed[1] for seed in seeds if seed}) == 2
    assert told[2:] == ["200 examples in 600 s; seeds with a failure: none"]


def test_fuzzing_goes_on_after_a_failure_and_tells_of_it(
    property_test: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(property_test).read_text().replace("float('inf')", "100")
    Path(property_test).write_text(text)
    clock = iter([0.0, 0.0, 500.0, 600.0])
    monkeypatch.setattr(fuzz, "monotonic", lambda: next(clock))
    assert not fuzz.fuzz(600, [property_test])
    told = capsys.readouterr().out
    assert told.count(", status 1\n  ") == 2
    assert "number=100" in told
    assert "again: python -m pytest --hypothesis-seed=" in told


@pytest.mark.parametrize(("left", "well", "said"), [(0.5, True, "cut at the end"), (600, False, "not done in 1 s")])
def test_a_round_of_fuzzing_that_hangs_is_ended(
    property_test: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    left: float, well: bool, said: str,
) -> None:  # fmt: skip
    Path(property_test).write_text("def test_endless():\n    while True:\n        pass\n")
    clock = iter([0.0, 0.0, 1000.0])
    monkeypatch.setattr(fuzz, "monotonic", lambda: next(clock))
    assert fuzz.fuzz(left, [property_test], round_seconds=1) is well
    assert said in capsys.readouterr().out
