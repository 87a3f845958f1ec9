"""What lies over a base sets in a container what the module sets there, whatever it is."""

import subprocess
from pathlib import Path

import pytest

from ebsif.errors import FileError
from ebsif.export.overlay import environment_script, merged, sort_settings
from tests.support.activation import variables

ODD = """two words, 'single' and "double" quotes, $HOME, $(id), `id`, a \\ backslash, \u2028 and \x85"""
SAID = {
    "image": ["x.sif"],
    "frozen": ["/images/x.sif"],
    "runtime": ["/usr/bin/apptainer"],
    "gpu": ["ROCM"],
    "bind": ["/scratch"],
    "path": ["/runscripts", "/user-software/venv/demo/bin"],
    "env": ["EMPTY ", f"ODD {ODD}"],
    "host": ["NCCL_DEBUG INFO"],
    "start": ["MIOPEN_CUSTOM_CACHE_DIR /tmp/$USER"],
    "folder": ["MIOPEN_CUSTOM_CACHE_DIR"],
}
HERE = Path("/software/Demo/1.0")


def with_more(**more: list[str]) -> dict[str, list[str]]:
    """Return the settings with more of a kind."""
    return {kind: [*SAID.get(kind, []), *more.get(kind, [])] for kind in {**SAID, **more}}


def in_container(said: dict[str, list[str]], **env: str) -> dict[str, str]:
    """Return the variables behind the script, as a shell has them."""
    script = environment_script(sort_settings(said, HERE), "Demo-1.0.eb\necho 'no code'")
    words = ["/bin/sh", "-c", f"{script}\nexec /usr/bin/env -0"]
    return variables(subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout)


def test_variables_arrive_as_they_are() -> None:
    found = in_container(SAID, PATH="/usr/bin")
    assert (found["EMPTY"], found["ODD"]) == ("", ODD)


def test_folders_come_before_those_of_the_image_and_behind_them() -> None:
    before = "/runscripts:/user-software/venv/demo/bin"
    assert in_container(SAID, PATH="/usr/bin")["PATH"] == f"{before}:/usr/bin"
    assert in_container(SAID, PATH="")["PATH"] == before
    found = in_container(with_more(env=["APPEND_PATH /a:/b"]), PATH="/usr/bin")
    assert found["PATH"] == f"{before}:/usr/bin:/a:/b"
    assert "APPEND_PATH" not in found


@pytest.mark.parametrize(
    ("more", "of_the_image", "found"),
    [
        ({}, "/image", "/image"),
        ({"library": ["/mpi", "/fabric"]}, "/image", "/mpi:/fabric:/image"),
        ({"library": ["/mpi"]}, "", "/mpi"),
        ({"env": ["LD_LIBRARY_PATH /activated:/image"]}, "/image", "/activated:/image"),
        ({"library": ["/mpi"], "env": ["LD_LIBRARY_PATH /activated:/image"]}, "/image", "/mpi:/activated:/image"),
        ({"library": ["/mpi"], "env": ["LD_LIBRARY_PATH "]}, "", "/mpi"),
    ],
)
def test_libraries_come_before_those_that_activating_sets_or_the_image(
    more: dict[str, list[str]], of_the_image: str, found: str
) -> None:
    env = {"PATH": "/bin", "LD_LIBRARY_PATH": of_the_image}
    assert in_container(with_more(**more), **env)["LD_LIBRARY_PATH"] == found


def test_what_a_file_cannot_carry_is_named() -> None:
    settings = sort_settings(SAID, HERE)
    assert (settings.binds, settings.host, settings.gpu) == (["/scratch"], ["NCCL_DEBUG"], "ROCM")
    assert settings.start == ["MIOPEN_CUSTOM_CACHE_DIR"]


def test_nothing_of_the_host_goes_with_it() -> None:
    kinds = {kind for kind, _ in sort_settings(SAID, HERE).lines}
    assert kinds == {"image", "path", "env", "start", "folder"}


@pytest.mark.parametrize("line", ["A=b;c d", "NAME two\nlines", "NAME \x1b[2J"])
def test_a_setting_that_eb_does_not_write_is_refused(line: str) -> None:
    with pytest.raises(FileError, match="which `eb` does not write"):
        sort_settings({"env": [line]}, HERE)


def test_labels_are_those_of_the_base_and_ours() -> None:
    assert merged({"a": "1", "b": "2", "c": 3, "d": None}, {"b": "own"}) == {"a": "1", "b": "own"}
    assert merged(["no labels"], {"b": "own"}) == {"b": "own"}
