"""A venv that somebody makes with the Python of a module: it sees layer and base, on the host and in the container."""

import json
from collections.abc import Callable

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel, make_wheel

pytestmark = pytest.mark.e2e

# On a base whose Python is that of a venv, and on one of conda.
KINDS = ["venv", "conda"]
BASE = {"venv": "/opt/venv", "conda": "/opt/miniconda3/envs/pytorch"}
LAYER = "/user-software/venv/demo/lib/python3.11/site-packages/hello.py"
WHERE = """
import json, os, sys
import hello, six
print(json.dumps([sys.prefix, sys.executable, hello.__file__, six.__file__]))
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "mine"
version = "1.0"
"""
# What pip asks of a backend for `pip install -e`.
BACKEND = '''
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    info = "mine-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("mine.pth", os.getcwd())
        metadata = "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\nRequires-Dist: hello\\n"
        wheel.writestr(info + "/METADATA", metadata)
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
'''


@pytest.fixture(scope="module")
def place(make_site: Callable[..., Site], layer: list[Wheel]) -> Site:
    """Installations, and for each a venv on top of it, made on the host with the module loaded."""
    place = make_site()
    for kind in KINDS:
        place.install(kind, layer)
        place.output(kind, f"cd {place.folder} && python -m venv --system-site-packages {kind}")
    (place.folder / "where.py").write_text(WHERE)
    return place


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def seen(place: Site, kind: str, python: str = "python") -> list[str]:
    """Return what where.py is to print."""
    venv = place.folder / kind
    return [str(venv), f"{venv}/bin/{python}", LAYER, f"{BASE[kind]}/lib/python3.11/site-packages/six.py"]


def where(place: Site, script: str) -> list[str]:
    done = place.login(f"cd {place.folder}\n{script}")
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_its_python_works_on_the_host_by_its_path_alone(place: Site, kind: str) -> None:
    for python in ("python", "python3", "python3.11"):
        assert where(place, f"env -i {kind}/bin/{python} where.py") == seen(place, kind, python)


def test_its_python_works_in_the_container(place: Site, kind: str) -> None:
    script = f"module load Demo/1.0-{kind}; start-shell -c '{kind}/bin/python where.py'"
    assert where(place, script) == seen(place, kind)


def test_activated_it_is_the_python_on_path(place: Site, kind: str) -> None:
    assert where(place, f"source {kind}/bin/activate; python where.py") == seen(place, kind)
    script = f"module load Demo/1.0-{kind}; start-shell -c 'source {kind}/bin/activate; python where.py'"
    assert where(place, script) == seen(place, kind)


def test_what_it_starts_is_in_it(place: Site, kind: str) -> None:
    program = "import subprocess; subprocess.run([\"python\", \"where.py\"])"
    assert where(place, f"{kind}/bin/python -c '{program}'") == seen(place, kind)


def test_made_in_the_container_it_is_the_same(place: Site) -> None:
    script = "module load Demo/1.0-venv; start-shell -c 'python -m venv --system-site-packages --without-pip inside'"
    where(place, f"{script}; inside/bin/python where.py")
    assert (place.folder / "inside/bin/python").read_text() == (place.folder / "venv/bin/python").read_text()


def test_it_is_seen_where_the_container_sees_nothing_else_of_its_folder(place: Site, kind: str) -> None:
    program = "import os, sys; print(sys.prefix, os.listdir(os.path.dirname(sys.prefix)))"
    done = place.login(f"{place.folder}/{kind}/bin/python -c '{program}'", env={"APPTAINER_NO_MOUNT": "tmp,cwd,home"})
    assert done.stdout == f"{place.folder / kind} ['{kind}']\n", done.stderr


def test_packages_installed_into_it_go_before_those_of_the_layer(
    place: Site, kind: str
) -> None:
    newer = make_wheel(place.sources, "hello", "2.0", commands={"hello": "hello:main"})
    script = f"""
        cd {place.folder}
        {kind}/bin/pip install --quiet --no-index --no-deps {newer.path}
        {kind}/bin/hello
        {kind}/bin/pip uninstall --quiet --yes hello
        {kind}/bin/python -c 'import hello; print(hello.__file__)'
    """
    done = place.login(script)
    assert done.stdout.splitlines() == ["hello", LAYER], done.stderr


def test_a_project_is_installed_into_it_for_work_on_it(place: Site, kind: str) -> None:
    project = place.folder / "project"
    project.mkdir(exist_ok=True)
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "backend.py").write_text(BACKEND)
    (project / "mine.py").write_text("import hello, six\nprint(__file__)\n")
    # What it requires is there already: that of the layer.
    install = f"{kind}/bin/pip install --quiet --no-index --no-build-isolation --editable project"
    done = place.login(f"cd {place.folder}; {install}; {kind}/bin/python -c 'import mine'")
    assert done.stdout == f"{project}/mine.py\n", done.stderr


def test_one_that_is_to_see_nothing_sees_nothing_and_starts(place: Site) -> None:
    script = """
        module load Demo/1.0-venv; python -m venv --without-pip apart; module unload Demo
        apart/bin/python -c 'import importlib.util as util; print(util.find_spec("hello"), util.find_spec("six"))'
    """
    done = place.login(f"cd {place.folder}\n{script}")
    assert done.stdout == "None None\n", done.stderr


def test_without_its_installation_it_says_so(place: Site) -> None:
    root = place.installation("venv")
    aside = root.rename(root.with_name("aside"))
    try:
        done = place.login(f"{place.folder}/venv/bin/python")
    finally:
        aside.rename(root)
    assert done.returncode == 127
    assert done.stderr == f"python: the installation {root} is not there\n"
