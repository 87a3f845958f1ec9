"""Wrappers: right on another host than the module was loaded on, and no way for a package to run as code."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel

pytestmark = pytest.mark.e2e

ODD = ["$(touch pwned)", "two words", "; touch pwned", "`touch pwned`"]
RESERVED = ["apptainer", "bash", "env", "make-squashfs", "sh", "singularity", "start-shell"]
# The host's shells, module tools and Slurm need these; of them, only awk is asked for.
NEEDED = ["awk", "id", "lua", "srun", "uname"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel], folder: Path) -> Site:
    scripts = {f"odd-1.0.data/scripts/{name}": "#!python\nprint('ran')\n" for name in [*ODD, *RESERVED, *NEEDED]}
    odd = make_wheel(folder, "odd", files={"odd.py": "", **scripts})
    site = make_site()
    site.install(
        "venv",
        [*layer, odd],
        commands=["python3", "awk"],
        binds=[f"{site.folder}/here:/one", f"{site.folder}/there:/two"],
        container_env={"ODD_VALUE": "$HOME `id` \\ \""},
    )
    return site


@pytest.fixture
def binds(place: Site) -> tuple[Path, Path]:
    """Sources of the two binds: the first exists, the second does not."""
    here, there = place.folder / "here", place.folder / "there"
    here.mkdir(exist_ok=True)
    if there.exists():
        there.rmdir()
    return here, there


def test_names_that_packages_bring_are_never_code(place: Site) -> None:
    assert list(place.folder.rglob("pwned")) == []
    assert {path.name for path in (place.installation("venv") / "bin").iterdir()} == {
        "awk", "diagnose", "gpu-bind", "hello", "install-kernel", "list-packages", "make-squashfs", "pip", "pip3",
        "pip3.11", "python", "python-distributed", "python3", "start-shell", "torchrun-distributed", "unmake-squashfs",
    }  # fmt: skip


def test_no_package_stands_before_the_runtime_the_shell_or_the_modules_own_commands(place: Site) -> None:
    script = "hello; start-shell -c 'echo in $VIRTUAL_ENV'; type -P bash; type -P env; type -P uname; awk"
    assert place.output("venv", script).splitlines() == [
        "hello []", "in /user-software/venv/demo", "/usr/bin/bash", "/usr/bin/env", "/usr/bin/uname", "ran"
    ]  # fmt: skip


def test_all_commands_are_looked_at_in_three_starts_of_a_container(place: Site, tmp_path: Path) -> None:
    """However many there are."""
    log, runtime = tmp_path / "starts", tmp_path / "apptainer"
    runtime.write_text(f'#!/bin/bash\necho start >> {log}\nexec {place.machine.runtime} "$@"\n')
    runtime.chmod(0o755)
    easyconfig = place.folder / "Demo-1.0-venv.eb"
    done = place.login(f"export PATH={tmp_path}:$PATH; eb {easyconfig} --sanity-check-only")
    assert done.returncode == 0, done.stdout
    assert len(log.read_text().splitlines()) == 3


def test_a_bind_whose_source_is_gone_where_the_command_runs_is_left_out(place: Site, binds: tuple[Path, Path]) -> None:
    script = f"rmdir {binds[0]}; python -c 'import os; print(os.path.exists(\"/one\"))'"
    assert place.output("venv", script) == "False\n"


def test_a_bind_whose_source_is_only_where_the_command_runs_is_made(place: Site, binds: tuple[Path, Path]) -> None:
    script = f"mkdir {binds[1]}; python -c 'import os; print(os.path.exists(\"/one\"), os.path.exists(\"/two\"))'"
    assert place.output("venv", script) == "True True\n"


def test_binds_of_the_user_stay_when_those_of_the_module_are_looked_at_again(
    place: Site, binds: tuple[Path, Path]
) -> None:
    script = f"mkdir {binds[1]}; python -c 'import os; print(os.path.exists(\"/mine\"), os.path.exists(\"/two\"))'"
    env = {"APPTAINER_BINDPATH": f"{place.sources}:/mine"}
    assert place.output("venv", script, env=env) == "True True\n"


@pytest.mark.parametrize("setting", ["APPTAINER_NO_EVAL=1", "APPTAINER_COMPAT=1", "APPTAINER_NO_EVAL=0"])
def test_values_arrive_as_they_are_whether_the_runtime_evaluates_them_or_not(place: Site, setting: str) -> None:
    name, _, value = setting.partition("=")
    script = "python -c 'import os; print(os.environ[\"ODD_VALUE\"])'"
    assert place.output("venv", script, env={name: value}) == "$HOME `id` \\ \"\n"
