"""The commands that an installation puts on PATH, and the scripts in its container."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from subprocess import PIPE

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel
from workbench import Machine

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=["root", "user"])
def place(request: pytest.FixtureRequest, make_site: Callable[..., Site], machine: Machine, layer: list[Wheel]) -> Site:
    """An installation for the venv base; root's layer is mounted by the kernel, a user's by FUSE."""
    place = make_site(user=None if request.param == "root" else machine.user)
    place.install("venv", layer)
    return place


def test_exit_status_passes_through(place: Site) -> None:
    script = "for status in 0 1 7 255; do python -c \"raise SystemExit($status)\"; echo $?; done"
    assert place.output("venv", script).split() == ["0", "1", "7", "255"]


def test_standard_input_passes_through(place: Site) -> None:
    text = "a line\nanother, with ünïcode\n"
    assert place.output("venv", "python -c 'import sys; sys.stdout.write(sys.stdin.read())'", input=text) == text


def test_arguments_pass_through_unchanged(place: Site) -> None:
    hostile = r"""'two words' $'new\nline' "'" '"' '*' '' '$HOME' '`id`' '\' -- -x"""
    assert place.output("venv", f"python -c 'import sys; print(repr(sys.argv[1:]))' {hostile}") == (
        r"""['two words', 'new\nline', "'", '"', '*', '', '$HOME', '`id`', '\\', '--', '-x']""" + "\n"
    )


def test_sigterm_reaches_python(place: Site) -> None:
    # Blocked and waited for, so that it does not matter when the signal arrives.
    program = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "print('ready', flush=True)\n"
        "signal.sigwait([signal.SIGTERM])\n"
        "print('terminated', flush=True)\n"
        "raise SystemExit(42)\n"
    )
    (place.folder / "wait.py").write_text(program)
    script = f"module load Demo/1.0-venv && cd {place.folder} && exec python wait.py"
    with subprocess.Popen(**place.login_arguments(script, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "terminated\n"
        assert process.wait(timeout=20) == 42


def test_called_inside_the_container_it_runs_the_real_command(place: Site) -> None:
    script = """
        export APPTAINER_BIND=$EBROOTDEMO SINGULARITY_BIND=
        $SIFRUNTIMEDEMO exec $SIF $EBROOTDEMO/bin/python -c 'import sys; print(sys.executable)' < /dev/null
        echo input | $SIFRUNTIMEDEMO exec $SIF $EBROOTDEMO/bin/python -c 'print(input())'
    """
    assert place.output("venv", script) == "/user-software/venv/demo/bin/python\ninput\n"


def test_called_inside_a_container_without_the_command_it_says_so(place: Site) -> None:
    script = f"""
        unset APPTAINER_BINDPATH
        $SIFRUNTIMEDEMO exec --bind $EBROOTDEMO {place.machine.bases["bare"]} $EBROOTDEMO/bin/hello
    """
    done = place.loaded("venv", script)
    assert (done.returncode, done.stderr) == (127, "hello: there is no such command in this container\n")


def test_when_the_users_own_image_is_gone_it_says_so(place: Site) -> None:
    done = place.loaded("venv", "export SIFDEMO=/gone.sif; python -V")
    assert done.returncode == 127
    assert "/gone.sif is not there: unset SIFDEMO, or load the module again" in done.stderr


def test_a_runtime_that_is_not_on_path_is_that_of_the_installation(place: Site) -> None:
    script = "PATH=$EBROOTDEMO/bin:/usr/bin:/bin; hello a; start-shell -c 'hello b'"
    assert place.output("venv", script) == "hello ['a']\nhello ['b']\n"


def test_start_shell_runs_bash_in_the_container(place: Site) -> None:
    assert place.output("venv", "start-shell -c 'type -P hello; echo $VIRTUAL_ENV'") == (
        "/user-software/venv/demo/bin/hello\n/user-software/venv/demo\n"
    )


def test_list_packages_tells_base_from_layer(place: Site) -> None:
    lines = [line.split() for line in place.output("venv", "list-packages").splitlines()]
    assert ["hello", "1.0", "layer"] in lines
    assert ["six", "1.17.0", "base"] in lines
    only = place.output("venv", "list-packages layer").split()
    assert only == ["hello", "1.0", "layer", "pip", "26.3", "layer"]


def test_a_kernel_for_jupyter_needs_ipykernel(place: Site) -> None:
    done = place.loaded("venv", "install-kernel --prefix /tmp/none")
    assert done.returncode == 1
    assert done.stderr.startswith("install-kernel: there is no ipykernel in this container: add ipykernel to ")


def test_pip_says_at_once_that_the_layer_is_read_only(place: Site) -> None:
    """By each of its names, which are links to one script, and for each action that changes the layer."""
    commands = ["pip install tabulate", "pip3 uninstall -y hello", "pip3.11 -v install tabulate"]
    done = place.loaded("venv", "\n".join(f"{command}; echo $?" for command in commands))
    assert done.stdout.split() == ["1"] * len(commands)
    read_only = "/user-software/venv/demo is read-only in this container, nothing can be installed into it."
    lines = done.stderr.splitlines()
    assert lines[::4] == [f"{name}: {read_only}" for name in ("pip", "pip3", "pip3.11")]
    assert all("python -m venv --system-site-packages" in line for line in lines[1::4])
    assert all("run unmake-squashfs" in line for line in lines[2::4])


@pytest.mark.parametrize("command", ["pip install --user tabulate", "PIP_USER=yes pip install tabulate"])
def test_pip_refuses_to_install_where_nobody_would_see_it(place: Site, command: str) -> None:
    done = place.loaded("venv", f"PYTHONUSERBASE={place.folder}/base {command}")
    assert done.returncode == 1
    assert "Python does not see ~/.local in this container" in done.stderr
    assert "python -m venv --system-site-packages" in done.stderr


def test_pip_still_tells_and_installs_elsewhere(place: Site, hello_wheel: Wheel) -> None:
    script = f"pip --version; pip install --no-index --no-deps --target {place.folder}/elsewhere {hello_wheel.path}"
    done = place.loaded("venv", f"export APPTAINER_BIND={hello_wheel.path.parent},{place.folder}\n{script}")
    assert done.returncode == 0, done.stderr
    assert "/user-software/venv/demo" in done.stdout
    assert (place.folder / "elsewhere" / "hello.py").exists()


def test_what_bash_reads_for_other_scripts_changes_no_command(place: Site) -> None:
    # The runtime is a program; that of the workbench is started by a script, which has the same trouble.
    runtime = f"PATH={place.machine.runtime.parents[1]}/apptainer/bin:$PATH APPTAINER_NO_PRIVS=1"
    (place.folder / "read").write_text("echo polluted\ncd /\n")
    work = place.folder / "work"
    script = f"mkdir -p {work}; cd {work}; export BASH_ENV={place.folder}/read {runtime}; make-squashfs; "
    done = place.loaded("venv", f"{script} python -c 'import os; print(os.getcwd())'")
    assert done.stdout == f"{work}\n"


def test_a_working_folder_behind_a_link_is_the_one_that_it_leads_to(place: Site) -> None:
    folder = place.folder / "link-and-data"
    script = f"""
        mkdir -p {folder}/data {folder}/links; echo "print('this one')" > {folder}/data/run.py
        ln -sfn {folder}/data {folder}/links/here; cd {folder}/links/here
        APPTAINER_NO_MOUNT=tmp APPTAINER_BIND={folder}/links python run.py
    """
    assert place.output("venv", script) == "this one\n"


def test_the_home_folders_packages_do_not_leak_in(place: Site) -> None:
    assert place.output("venv", "python -c 'import site; print(site.ENABLE_USER_SITE)'") == "False\n"


@pytest.fixture(scope="module")
def empty(make_site: Callable[..., Site], place: Site) -> Site:
    """An installation without packages."""
    empty = make_site(user=place.user)
    empty.install("venv")
    layer = empty.installation("venv") / "user-software"
    subprocess.run(["cp", "-a", layer, empty.folder / "as-installed"], check=True)
    return empty


@pytest.fixture
def own(empty: Site) -> Site:
    """An installation without packages, as it was installed."""
    layer = empty.installation("venv") / "user-software"
    layer.with_name(f"{layer.name}.squashfs").unlink(missing_ok=True)
    shutil.rmtree(layer, ignore_errors=True)
    subprocess.run(["cp", "-a", empty.folder / "as-installed", layer], check=True)
    return empty


def test_an_empty_layer_is_filled_packed_and_unpacked(own: Site, hello_wheel: Wheel) -> None:
    folder, image = (own.installation("venv") / name for name in ("user-software", "user-software.squashfs"))
    assert folder.is_dir() and not image.exists()

    with_source = f"export APPTAINER_BIND={own.sources}\n"
    install = f"pip install --quiet --no-index --no-deps {own.sources}/{hello_wheel.path.name}"
    own.output("venv", with_source + install)
    assert own.output("venv", "python -c 'import hello; hello.main()' x") == "hello ['x']\n"

    assert "Load the module again" in own.output("venv", "make-squashfs")
    assert image.exists()
    own.output("venv", "rm -r $CONTAINERROOT/user-software")
    assert own.output("venv", "python -c 'import hello; hello.main()' x") == "hello ['x']\n"
    assert own.loaded("venv", with_source + install).returncode == 1

    assert "Unpacked" in own.output("venv", "unmake-squashfs")
    assert folder.is_dir() and not image.exists()
    own.output("venv", with_source + f"{install} --force-reinstall")


def test_who_may_read_the_image_may_read_all_that_is_in_it(own: Site) -> None:
    make = "cd $CONTAINERROOT/user-software; umask 077; mkdir own; echo > own/a; cp /bin/true own/b; ln -s a own/l"
    own.output("venv", f"{make}; make-squashfs")
    image = own.installation("venv") / "user-software.squashfs"
    listed = subprocess.run(["unsquashfs", "-ll", image, "own"], capture_output=True, text=True, check=True).stdout
    modes = [line.split()[0] for line in listed.splitlines() if "/own" in line]
    assert modes == ["drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"]


def test_unmake_squashfs_keeps_a_folder_that_is_there(own: Site) -> None:
    own.output("venv", "make-squashfs")
    done = own.loaded("venv", "unmake-squashfs")
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (own.installation("venv") / "user-software.squashfs").exists()


def test_make_squashfs_reports_failure_and_keeps_the_old_file(own: Site) -> None:
    own.output("venv", "make-squashfs")
    image = own.installation("venv") / "user-software.squashfs"
    before = image.read_bytes()
    # A limit on the size of files stands for a full disk: mksquashfs cannot finish what it writes.
    fill = "head -c 3M /dev/urandom > $CONTAINERROOT/user-software/big"
    done = own.loaded("venv", f"{fill}; ulimit -f 1024; make-squashfs")
    assert done.returncode != 0
    assert image.read_bytes() == before
    assert sorted(path.name for path in image.parent.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("place", ["user"], indirect=True)
@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_what_cannot_be_read_is_not_packed(own: Site, make: str) -> None:
    path = own.installation("venv") / "user-software" / "a secret"
    done = own.loaded("venv", f"{make} '{path}'; chmod 000 '{path}'; make-squashfs")
    own.output("venv", f"chmod 700 '{path}'")
    assert done.returncode == 1
    assert f"so nothing was packed; who owns this can: {path} (of {own.user})" in done.stderr
    assert not path.parent.with_suffix(".squashfs").exists()


@pytest.mark.parametrize(("command", "there"), [("make", "user-software"), ("unmake", "user-software.squashfs")])
def test_what_does_not_get_to_the_disk_replaces_nothing(own: Site, command: str, there: str) -> None:
    tools = own.folder / "without-disk"
    tools.mkdir(exist_ok=True)
    (tools / "sync").write_text("#!/bin/sh\necho 'sync: Input/output error' >&2\nexit 1\n")
    (tools / "sync").chmod(0o755)
    root = own.installation("venv")
    if command == "unmake":
        own.output("venv", "make-squashfs && rm -r $CONTAINERROOT/user-software")
    done = own.loaded("venv", f"PATH={tools}:$PATH {command}-squashfs")
    assert done.returncode == 1
    assert "could not be written to the disk; nothing was changed" in done.stderr
    assert [path.name for path in root.glob("*user-software*")] == [there]


def test_what_is_written_while_the_layer_is_packed_is_missed(own: Site) -> None:
    tools = own.folder / "tools"
    tools.mkdir(exist_ok=True)
    late = "$CONTAINERROOT/user-software/late.$$"
    (tools / "mksquashfs").write_text(f'#!/bin/bash\n{shutil.which("mksquashfs")} "$@" && date > "{late}"\n')
    (tools / "mksquashfs").chmod(0o755)
    done = own.loaded("venv", f"PATH={tools}:$PATH make-squashfs")
    assert done.returncode == 1
    assert "what was packed is not what is in" in done.stderr
    assert "late" in done.stderr
    assert "may be removed" not in done.stdout
    assert not (own.installation("venv") / "user-software.squashfs").exists()


def test_installing_again_keeps_what_its_user_has_filled(own: Site, hello_wheel: Wheel) -> None:
    wheel = own.sources / hello_wheel.path.name
    own.output("venv", f"export APPTAINER_BIND={own.sources}; pip install --quiet --no-index --no-deps {wheel}")
    assert "which its user may have filled" in " ".join(own.install("venv").split())
    assert own.output("venv", "start-shell -c 'hello you'") == "hello ['you']\n"
    assert own.leftovers() == [".1.0-venv.old", "1.0-venv"]


def test_a_process_that_writes_into_the_layer_while_it_is_installed_again_loses_nothing(own: Site) -> None:
    write = (
        "cd /user-software; echo early > early; echo ready; "
        "read -r; echo late > late; hash -r; type -P list-packages; cat early late"
    )
    arguments = own.loaded_arguments("venv", f"start-shell -c '{write}'", stdin=PIPE, stdout=PIPE)
    with subprocess.Popen(**arguments) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        own.install("venv")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.read() == "/runscripts/list-packages\nearly\nlate\n"
    assert own.output("venv", "start-shell -c 'cat /user-software/early /user-software/late'") == "early\nlate\n"


TASK = {
    "SLURM_PROCID": "5", "SLURM_NTASKS": "16", "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_STEP_NUM_NODES": "2",
    "SLURM_JOB_ID": "1234567", "SLURM_JOB_NODELIST": "nid[001232-001235]", "SLURM_STEP_TASKS_PER_NODE": "8(x2)",
    "SLURM_STEP_ID": "3", "SLURM_STEP_NODELIST": "localhost", "ROCR_VISIBLE_DEVICES": "4,6",
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("python-distributed", "5 16 1 localhost 28982 4,6"),
        ("$SIFRUNTIMEDEMO exec $SIF python-distributed", "5 16 1 localhost 28982 4,6"),
        ("$SIFRUNTIMEDEMO exec $SIF conda-python-distributed", "5 16 0 localhost 28982 6"),
    ],
)
def test_runscripts_give_torch_distributed_its_variables(place: Site, command: str, seen: str) -> None:
    names = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "ROCR_VISIBLE_DEVICES"]
    program = f"import os; print(*[os.environ[name] for name in {json.dumps(names)}])"
    assert place.output("venv", f"{command} -c '{program}'", env=TASK) == f"{seen}\n"


def test_gpu_bind_is_a_command_on_the_host(place: Site) -> None:
    assert place.output("venv", "gpu-bind 2> /dev/null") == "quiet\n"


def test_sourcing_init_conda_venv_changes_nothing(place: Site) -> None:
    script = """start-shell -c '
        before=$(env | grep -v ^_=); source /runscripts/init-conda-venv; [ "$before" = "$(env | grep -v ^_=)" ]
    '"""
    assert place.loaded("venv", script).returncode == 0
