"""A command of an installation works by its path alone, on whatever host: the module need not be loaded there."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e

# What a module tool, EasyBuild and we ourselves note down about a module that is loaded; USER_PATH is the host's PATH.
NOTES = ("LMOD", "_LM", "__LMOD", "_ModuleTable", "MODULE", "LOADEDMODULES", "EB", "__EBSIF", "USER_PATH")
HOST_ENV = {"HOST_VALUE": "from the module"}
CONTAINER_ENV = {"ODD_VALUE": "$HOME `id` \\ \"  (two", "PYTHONPATH": ""}


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    site = make_site()
    (site.folder / "bound").mkdir()
    binds = [f"{site.folder}/bound:/bound", f"{site.folder}/later:/later"]
    start_env = {
        "JOB_NOTE": "job ${SLURM_JOB_ID:-none} of ${PERSON:-nobody}",
        "PRIVATE_CACHE": f"${{PRIVATE_TOP:-{site.folder}}}/cache-${{SLURM_JOB_ID:-none}}",
    }
    for kind in ("venv", "conda"):
        frozen = [str(site.folder / "frozen"), "$FROZEN/images"]
        site.install(
            kind, layer, binds=binds, host_env=HOST_ENV, container_env=CONTAINER_ENV, frozen_images=frozen,
            start_env=start_env, start_folders=["PRIVATE_CACHE"],
        )  # fmt: skip
    return site


def variables(output: str) -> dict[str, str]:
    pairs = (entry.split("=", 1) for entry in output.split("\0") if "=" in entry)
    return {name: value for name, value in pairs if not name.startswith(NOTES) and name not in ("_", "PWD", "OLDPWD")}


@pytest.mark.parametrize("kind", ["venv", "conda"])
def test_the_environment_inside_is_that_of_the_module(place: Site, kind: str) -> None:
    show = "start-shell -c 'env -0'"
    loaded = variables(place.output(kind, show))
    by_path = variables(place.login(f"{place.installation(kind)}/bin/{show}").stdout)
    assert by_path == loaded
    assert loaded["ODD_VALUE"] == CONTAINER_ENV["ODD_VALUE"]
    assert loaded["HOST_VALUE"] == "from the module"


# As `python -` or `python -c`, an editor asks an interpreter what it is.
PROBE = """
import json, sys
import hello, six
print(json.dumps([sys.prefix, sys.executable, list(sys.version_info[:2]), hello.__file__, six.__file__]))
"""
ANSWER = [
    "/user-software/venv/demo", "/user-software/venv/demo/bin/python", [3, 11],
    "/user-software/venv/demo/lib/python3.11/site-packages/hello.py", "/opt/venv/lib/python3.11/site-packages/six.py",
]  # fmt: skip


@pytest.mark.parametrize("how", [f"- <<< {shlex.quote(PROBE)}", f"-I -c {shlex.quote(PROBE)}"])
@pytest.mark.parametrize(
    "env",
    [
        # Nothing, and a shell of an editor's server.
        "",
        "HOME=/root TERM=xterm-256color VSCODE_AGENT_FOLDER=/root/.vscode-server PATH=/usr/local/bin:/usr/bin:/bin",
        # The folder that one is in, and all others of the host but the installation's, are unknown in the container.
        "APPTAINER_NO_MOUNT=cwd,home,tmp",
    ],
)
def test_an_editor_is_told_what_the_interpreter_is(place: Site, how: str, env: str) -> None:
    done = place.login(f"cd {place.folder} && env -i {env} {place.installation('venv')}/bin/python {how}")
    assert json.loads(done.stdout) == ANSWER, done.stderr


def test_cron_starts_it(place: Site) -> None:
    line = f"{place.installation('venv')}/bin/python -c {shlex.quote(PROBE)} 2>&1"
    cron = "env -i HOME=/root LOGNAME=root SHELL=/bin/sh PATH=/usr/bin:/bin /bin/sh -c"
    assert json.loads(place.login(f"cd / && {cron} {shlex.quote(line)}").stdout) == ANSWER


@pytest.mark.parametrize("env", ["", "PATH=/usr/bin:/bin", "HOME=/nowhere PATH=/bin", "LC_ALL=C USER=somebody"])
def test_nearly_nothing_of_an_environment_is_enough(place: Site, env: str) -> None:
    program = "import hello, six; print(hello.__file__, six.__file__)"
    assert place.alone("venv", f"python -c {shlex.quote(program)}", env=env) == (
        "/user-software/venv/demo/lib/python3.11/site-packages/hello.py "
        "/opt/venv/lib/python3.11/site-packages/six.py\n"
    )


def test_a_link_a_copy_and_a_relative_path_lead_to_the_installation(place: Site, tmp_path: Path) -> None:
    root = place.installation("venv")
    (tmp_path / "my-python").symlink_to(root / "bin" / "python")
    script = f"""
        {tmp_path}/my-python -c 'import sys; print(sys.prefix)'
        cp {root}/bin/python {tmp_path}/copy; {tmp_path}/copy -c 'import sys; print(sys.prefix)'
        cd {root}/bin && ./hello a
        cd .. && bin/hello b
    """
    prefix = "/user-software/venv/demo"
    assert place.login(script).stdout.splitlines() == [prefix, prefix, "hello ['a']", "hello ['b']"]


def test_a_folder_that_the_container_does_not_see_is_no_obstacle(place: Site, tmp_path: Path) -> None:
    script = f"cd /opt && mkdir -p {tmp_path}/x && {place.installation('venv')}/bin/hello a"
    assert place.login(script).stdout == "hello ['a']\n"


def test_what_the_user_has_set_is_kept(place: Site) -> None:
    env = "HOST_VALUE=mine APPTAINERENV_ODD_VALUE=own SINGULARITY_BINDPATH=/usr:/mine"
    show = "start-shell -c 'echo $HOST_VALUE $ODD_VALUE; ls -d /mine /bound'"
    assert place.alone("venv", show, env=env).split() == ["mine", "own", "/bound", "/mine"]


def test_the_image_is_looked_for_where_the_command_runs(place: Site) -> None:
    image = place.installation("venv") / place.machine.bases["venv"].name
    elsewhere = place.folder / "elsewhere" / "images"
    elsewhere.mkdir(parents=True)
    loaded = f"module load Demo/1.0-venv; mv {image} {elsewhere}/; export FROZEN={elsewhere.parent}; hello a"
    try:
        assert place.login(loaded).stdout == "hello ['a']\n"
        there = f"export FROZEN={elsewhere.parent}; module load Demo/1.0-venv; echo $SIF"
        assert place.login(there).stdout == f"{elsewhere / image.name}\n"
        assert place.alone("venv", "hello b", env=f"FROZEN={elsewhere.parent}") == "hello ['b']\n"
        done = place.login(f"{place.installation('venv')}/bin/hello")
        assert done.returncode == 127
        assert f"the container image is not there. It was looked for at: {image}" in done.stderr
    finally:
        (elsewhere / image.name).rename(image)


def test_another_runtime_than_where_the_module_was_loaded(place: Site) -> None:
    folder = place.folder / "singularity-only"
    folder.mkdir()
    # SingularityCE knows nothing of Apptainer's variables.
    script = f'env | grep -c ^SINGULARITYENV_ >&2\nunset "${{!APPTAINER@}}"\nexec {place.machine.runtime} "$@"\n'
    (folder / "singularity").write_text(f"#!/bin/bash\n{script}")
    (folder / "singularity").chmod(0o755)
    script = f"""
        PATH={folder}:$(echo "$PATH" | sed 's#{place.machine.runtime.parent}:##')
        export SINGULARITY_BINDPATH=/usr:/mine
        start-shell -c 'echo $VIRTUAL_ENV; hello a; ls -d /bound /mine'
    """
    done = place.loaded("venv", script)
    assert done.stdout.splitlines() == ["/user-software/venv/demo", "hello ['a']", "/bound", "/mine"]
    assert int(done.stderr.splitlines()[0]) > 5


def test_with_another_module_loaded_the_command_is_that_of_its_own_installation(place: Site) -> None:
    show = "'echo $CONDA_PREFIX; type -P python; type -P six; hello a'"
    script = f"start-shell -c {show}; {place.installation('venv')}/bin/start-shell -c {show}"
    lines = place.output("conda", script).splitlines()
    assert lines == [
        "/opt/miniconda3/envs/pytorch", "/user-software/venv/demo/bin/python", "hello ['a']",
        "", "/user-software/venv/demo/bin/python", "hello ['a']",
    ]  # fmt: skip


def test_in_the_container_of_another_installation_it_says_where_it_is(place: Site) -> None:
    other = place.installation("venv")
    script = f"export APPTAINER_BIND={place.folder}; start-shell -c '{other}/bin/hello a'"
    done = place.loaded("conda", script)
    assert done.returncode == 127
    assert f"this is the container of {place.installation('conda')}" in done.stderr


def test_a_command_that_is_sourced_says_so(place: Site) -> None:
    done = place.loaded("venv", "source hello; echo $?")
    assert done.stdout == "1\n"
    assert "hello: this is a program: run it, instead of sourcing it" in done.stderr


def test_values_are_worked_out_where_the_command_starts(place: Site, tmp_path: Path) -> None:
    show = "start-shell -c 'echo $JOB_NOTE; echo $PRIVATE_CACHE'"
    loaded = place.output("venv", f"export SLURM_JOB_ID=7 PERSON='`id` \"x\" $HOME' PRIVATE_TOP={tmp_path}; {show}")
    assert loaded.splitlines() == ["job 7 of `id` \"x\" $HOME", f"{tmp_path}/cache-7"]
    assert (tmp_path / "cache-7").stat().st_mode & 0o777 == 0o700
    by_hand = "$SIFRUNTIMEDEMO run $SIF conda-python-simple -c 'import os; print(os.environ[\"JOB_NOTE\"])'"
    caches = dict.fromkeys(["MIOPEN_USER_DB_PATH", "MIOPEN_CUSTOM_CACHE_DIR"], f"{tmp_path}/miopen")
    env = {"PRIVATE_TOP": str(tmp_path), **caches}
    assert place.output("venv", by_hand, env=env) == "job none of nobody\n"
    assert place.output("venv", by_hand, env={**env, "JOB_NOTE": "mine"}) == "mine\n"


def test_where_there_is_no_runtime_at_all_it_says_so(place: Site, tmp_path: Path) -> None:
    settings = place.installation("venv") / "runscripts" / "container.conf"
    before = settings.read_text()
    settings.write_text(before.replace(f"runtime {place.machine.runtime}", "runtime /gone/apptainer"))
    try:
        done = place.login(f"env -i {place.installation('venv')}/bin/hello")
    finally:
        settings.write_text(before)
    assert done.returncode == 127
    said = "neither apptainer nor singularity is on PATH here, and the one of the installation, /gone/apptainer, is not"
    assert said in done.stderr
