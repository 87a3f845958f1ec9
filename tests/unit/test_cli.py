"""The command line: quick help, an example for each command, and exit statuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from ebsif import cli
from ebsif.commands import COMMANDS, deploy
from ebsif.errors import EbsifError
from ebsif.site import site_names
from tests.support.installations import make_installation

# None of them is needed to say what commands there are.
SLOW_TO_IMPORT = {"cyclonedx", "jinja2", "packaging", "pydantic", "rich", "shtab", "yaml"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: ebsif {command}" in capsys.readouterr().out


def test_help_names_every_command_and_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert set(COMMANDS) <= set(out.split())
    assert "130  interrupted" in out


def test_help_imports_no_library() -> None:
    script = "import sys\nfrom ebsif import parser\nparser.make_parser().format_help()\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "ebsif.parser" in done.stdout.splitlines()
    assert not SLOW_TO_IMPORT & set(done.stdout.splitlines())


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["freez"])
    assert ended.value.code == 2
    assert "freez" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (EbsifError("this is wrong\nand this"), 2, "ebsif: this is wrong\nebsif: and this\n"),
        (PermissionError(13, "Permission denied", "/x"), 2, "ebsif: cannot use /x: Permission denied\n"),
        (OSError(28, "No space left on device"), 2, "ebsif: No space left on device\n"),
        (KeyboardInterrupt(), 130, "ebsif: interrupted\n"),
    ],
)
def test_an_end_without_result_has_a_status_and_a_message(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(deploy, "run", fail)
    assert cli.main(["deploy", "folder"]) == status
    assert capsys.readouterr().err == said


# Begins a file, starts another program, and says so.
WORK = """
import subprocess, sys
from pathlib import Path
from ebsif import cli
from ebsif.commands import deploy
from ebsif.files import unfinished

def run(*_):
    with unfinished(Path("wanted")) as temporary:
        temporary.write_text("half")
        subprocess.run(["sh", "-c", "echo $$; exec sleep 1000"])

deploy.run = run
sys.argv[1:] = ["deploy", "folder"]
cli.run()
"""


@pytest.mark.parametrize(
    ("option", "sent", "status"),
    [
        ("--default-signal=INT,HUP,TERM", [signal.SIGINT], 130),
        ("--default-signal=INT,HUP,TERM", [signal.SIGHUP], 129),
        ("--default-signal=INT,HUP,TERM", [signal.SIGTERM], 143),
        # As nohup does.
        ("--ignore-signal=HUP", [signal.SIGHUP, signal.SIGTERM], 143),
    ],
)
def test_a_signal_ends_what_was_begun(option: str, sent: list[signal.Signals], status: int, tmp_path: Path) -> None:
    command = ["env", option, sys.executable, "-c", WORK]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        started = int(process.stdout.readline())
        assert len(list(tmp_path.iterdir())) == 1
        for number in sent:
            process.send_signal(number)
        assert process.communicate(timeout=60)[1] == "ebsif: interrupted\n"
    assert process.returncode == status
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{started}").exists()


STARTING = WORK.replace(
    """subprocess.run(["sh", "-c", "echo $$; exec sleep 1000"])""",
    """
        with subprocess.Popen(["sleep", "1000"]) as process:
            print(process.pid, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            unreached
    """.strip(),
).replace("import subprocess, sys", "import os, signal, subprocess, sys")


def test_a_signal_ends_a_program_that_has_just_been_started(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["env", "--default-signal=TERM", sys.executable, "-c", STARTING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (143, "ebsif: interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{int(ended.stdout)}").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)


def completed(word: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return how bash completes a word behind `ebsif show`, in a folder where modules are installed, too."""
    assert cli.main(["completion", "bash"]) == 0
    script = f"{capsys.readouterr().out}\nCOMP_WORDS=(ebsif show {word}) COMP_CWORD=2\n_shtab_ebsif\n"
    script += "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    program = folder / "bin" / "ebsif"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -m ebsif \"$@\"\n")
    program.chmod(0o755)
    env = {"PATH": f"{program.parent}:/usr/bin:/bin", "EASYBUILD_INSTALLPATH_SOFTWARE": str(folder / "sw")}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return sorted(done.stdout.split())


def test_what_is_installed_is_completed_by_modules_easyconfigs_and_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = make_installation(tmp_path / "sw", tmp_path)
    shutil.copytree(installed, installed.with_name("$(touch x)"), symlinks=True)
    (tmp_path / "Demo-1.0.eb").write_text("")
    (tmp_path / "Demo-1.0.yml").write_text("")
    (tmp_path / "Demolition").mkdir()
    assert completed("Demo", tmp_path, capsys) == ["Demo-1.0.eb", "Demo/$(touch", "Demo/1.0", "Demolition", "x)"]
    assert not (tmp_path / "x").exists()


def test_completion_for_bash_is_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", "bash"])
    subprocess.run(["bash", "-n"], input=capsys.readouterr().out, text=True, check=True)


@pytest.mark.parametrize("name", site_names())
def test_the_schema_of_sites_accepts_those_that_come_with_ebsif(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["schema", "site"])
    written = resources.files("ebsif").joinpath("sites").joinpath(f"{name}.yml").read_text()
    jsonschema.validate(yaml.load(written, yaml.BaseLoader), json.loads(capsys.readouterr().out))


def test_the_schema_of_recipes_tells_what_each_key_means(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["schema", "recipe"])
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all("description" in value for value in schema["properties"].values())
    with pytest.raises(jsonschema.ValidationError, match="pakages"):
        jsonschema.validate({"name": "x", "version": "1", "base": "x.sif", "pakages": []}, schema)


@pytest.mark.parametrize(
    ("environment", "good"),
    [
        ("environment.yml", True),
        ({"channels": ["x"], "dependencies": ["a", {"pip": ["b"]}]}, True),
        ({"channels": ["x"], "dependencies": [{"pips": ["b"]}]}, False),
        ({"chanels": ["x"]}, False),
        (["a"], False),
    ],
)
def test_the_schema_of_recipes_knows_environments(
    capsys: pytest.CaptureFixture[str], environment: object, good: bool
) -> None:
    cli.main(["schema", "recipe"])
    schema = json.loads(capsys.readouterr().out)
    recipe = {"name": "x", "version": "1", "base": "x.sif", "layer": "conda", "environment": environment}
    assert jsonschema.Draft202012Validator(schema).is_valid(recipe) is good


def test_a_reader_that_goes_away_gives_no_traceback(tmp_path: Path) -> None:
    script = f"{sys.executable} -m ebsif schema recipe | head -c 1 > /dev/null"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["recipe", "site", "manifest"])
def test_a_schema_has_a_name_with_the_format(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["schema", kind])
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:ebsif:{kind}:{3 if kind == 'manifest' else 1}"


def test_the_schema_of_recipes_takes_the_format_as_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["schema", "recipe"])
    recipe = {"format": 1, "name": "Demo", "version": "1.0", "base": "x.sif"}
    jsonschema.validate(recipe, json.loads(capsys.readouterr().out))
