"""One portable file does what the module does, for whoever has nothing but it and a container runtime."""

import hashlib
import json
import os
import pwd
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ebsif.inside.provenance import read_layer_record
from ebsif.inside.squashfs import content_digest
from tests.support.activation import variables
from tests.support.conda import Channel
from tests.support.conda_layer import PARAMETERS, RATTLER, conda_files, rattler_wheel
from tests.support.download import fetch_wheel
from tests.support.easyconfigs import HOOK_VALUE, KINDS
from tests.support.site import Site
from tests.support.tamper import flip_last_byte
from tests.support.wheels import Wheel
from workbench import easybuild

pytestmark = pytest.mark.e2e

# What the runtime sets for each container.
RUNTIMES_OWN = {
    f"{runtime}_{name}"
    for runtime in ("APPTAINER", "SINGULARITY")
    for name in ("BIND", "COMMAND", "CONTAINER", "ENVIRONMENT", "NAME")
}
ODD_VALUE = "$HOME `id` \\ \"  (two"
MODULE = {
    "binds": ["/usr:/host-usr"],
    "host_env": {"HOST_VALUE": "from the module"},
    "container_env": {"ODD_VALUE": ODD_VALUE, "PYTHONPATH": ""},
    "start_env": {"JOB_NOTE": "job ${SLURM_JOB_ID:-none}"},
    "library_path": ["/opt/fabric/lib"],
}
VENV = "/user-software/venv/demo"
PYTEST = ["pytest", "-q", "-p", "no:cacheprovider", "-n", "1", "test_layer.py"]
TEST = f"import sys\n\nimport hello, six\n\n\ndef test_layer():\n    assert sys.prefix == '{VENV}'\n"
IMPORT = "import hello, six, sys; print(sys.prefix, six.__file__)"


@dataclass(frozen=True)
class Kind:
    """What is in the file on a kind of base.

    Parameters
    ----------
    variables
        Some variables, which the comparison of all of them must have seen.
    outside
        What is told that the file cannot carry.
    commands
        Commands, and what they print among other things; pytest stands for what starts processes, as torchrun does.
    """

    variables: dict[str, str]
    outside: list[list[str]]
    commands: list[tuple[list[str], str]]


ON_A_PYTHON = [(["hello", "a b"], "hello ['a b']"), (["list-packages", "layer"], "hello"), (PYTEST, "1 passed")]
OUTSIDE = [["/usr:/host-usr"], ["HOST_VALUE"], ["JOB_NOTE"]]
FILES = {
    "venv": Kind(
        {"VIRTUAL_ENV": VENV, "ODD_VALUE": ODD_VALUE},
        OUTSIDE,
        [(["python", "-c", IMPORT], f"{VENV} /opt/venv/lib/python3.11/site-packages/six.py"), *ON_A_PYTHON],
    ),
    "conda": Kind(
        {"VIRTUAL_ENV": VENV, "ODD_VALUE": ODD_VALUE, "DEMO_HOOK_VALUE": HOOK_VALUE},
        OUTSIDE,
        [(["python", "-c", IMPORT], f"{VENV} /opt/miniconda3/envs/pytorch/lib/python3.11/site-packages/six.py"),
         *ON_A_PYTHON],
    ),
    "bare": Kind(
        {"CONDA_PREFIX": "/user-software/conda/envs/demo"},
        [[], [], []],
        [(["python", "-c", "import greet, sys; print(sys.prefix)"], "/user-software/conda/envs/demo"),
         (["list-packages", "layer"], "greet")],
    ),
}  # fmt: skip
ANYONE = ["root", "user"] if os.geteuid() == 0 else ["user"]


@pytest.fixture(scope="session")
def version() -> str:
    """One version of EasyBuild is enough here: what is installed does not depend on it."""
    return easybuild.DEFAULT


@dataclass(frozen=True)
class Portable:
    """An installation, and the file that was made of it, which lies elsewhere."""

    site: Site
    kind: str
    file: Path
    told: dict[str, Any]

    @property
    def verb(self) -> str:
        return str(KINDS[self.kind].get("start_with", "exec"))

    def apptainer(self, *words: str | Path, **options: Any) -> Any:
        """Return what a command of the runtime prints that must succeed."""
        done = self.site.machine.run([self.site.machine.runtime, *words], **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dump(self, name: str) -> bytes:
        """Return a data object of the file, by its name, as the runtime gives it out."""
        listed = self.apptainer("sif", "list", self.file)
        for number in [line.split("|")[0] for line in listed.splitlines() if "|" in line]:
            if number.strip().isdigit() and f" {name}\n" in self.apptainer("sif", "info", number.strip(), self.file):
                content: bytes = self.apptainer("sif", "dump", number.strip(), self.file, text=False)
                return content
        raise AssertionError(f"no data object {name} in\n{listed}")


def export(site: Site, kind: str, target: Path, **options: Any) -> dict[str, Any]:
    """Export the installation for a kind of base; return what is told of it."""
    words = ["ebsif", "export", "sif", str(site.installation(kind)), "-o", str(target), "--json"]
    done = site.login(shlex.join(words), **options)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def refuse(site: Site, kind: str, target: Path) -> str:
    """Have the export of an installation refused, which leaves no file behind; return the message."""
    before = list(target.parent.iterdir())
    done = site.login(shlex.join(["ebsif", "export", "sif", str(site.installation(kind)), "-o", str(target)]))
    assert done.returncode == 2, done.stdout
    assert list(target.parent.iterdir()) == before
    return done.stderr


@pytest.fixture(scope="module", params=FILES)
def portable(
    request: pytest.FixtureRequest,
    make_site: Callable[..., Site],
    layer: list[Wheel],
    channel: Channel,
    wheelhouse: Path,
) -> Portable:
    """A venv on a base whose runscript counts and on one that is to be activated, and an environment of conda."""
    kind, site = request.param, make_site()
    if kind == "bare":
        fetch_wheel(RATTLER[1], RATTLER[0], wheelhouse)
        site.install("bare", [rattler_wheel(wheelhouse), *conda_files(channel)], **PARAMETERS)
    else:
        site.install(kind, layer, commands=["pytest"], **MODULE)
    file = make_site().folder / "my.sif"
    return Portable(site, kind, file, export(site, kind, file))


# --- what it does ---


def inside(output: str) -> dict[str, str]:
    """Return the variables that `env -0` has printed; the runtime may name the folder of its libraries twice."""
    found = variables(output)
    return {**found, "LD_LIBRARY_PATH": ":".join(dict.fromkeys(found["LD_LIBRARY_PATH"].split(":")))}


def test_the_environment_is_that_of_the_module(portable: Portable) -> None:
    for verb in dict.fromkeys(["exec", portable.verb]):
        loaded = inside(portable.site.output(portable.kind, f"$SIFRUNTIMEDEMO {verb} --cleanenv $SIF env -0"))
        alone = inside(portable.apptainer(verb, "--cleanenv", portable.file, "env", "-0"))
        differing = {name for name in {*loaded, *alone} if loaded.get(name) != alone.get(name)}
        assert {name: (loaded.get(name), alone.get(name)) for name in differing - RUNTIMES_OWN} == {}
        assert {**FILES[portable.kind].variables, "WITH_VENV": ":"}.items() <= alone.items()


def test_what_a_file_cannot_carry_is_told(portable: Portable) -> None:
    told = [portable.told[name] for name in ("binds", "host_variables", "start_variables")]
    assert told == FILES[portable.kind].outside


def test_what_a_user_gives_the_container_counts_more(portable: Portable) -> None:
    env = {"APPTAINERENV_WITH_VENV": "own", "APPTAINERENV_PREPEND_PATH": "/own"}
    found, path = portable.apptainer("exec", portable.file, "sh", "-c", "echo $WITH_VENV $PATH", env=env).split()
    assert found == "own"
    assert path.startswith("/own:/runscripts:/user-software/")


def alone(portable: Portable, who: str, *words: str) -> str:
    """Return what a command prints where nothing is but the file and the runtime: no installation, no variables."""
    machine = portable.site.machine
    env = ["env", "-i", f"PATH={machine.runtime.parent}:/usr/bin:/bin"]
    if who == "user" and machine.user:
        account = pwd.getpwnam(machine.user)
        env = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *env]
    hide = f"mount -t tmpfs none {shlex.quote(str(portable.site.folder))}"
    namespace = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    script = f"{hide} && cd {portable.file.parent} && exec {shlex.join([*env, *words])}"
    done = machine.run(["unshare", *namespace, "sh", "-c", script])
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("who", ANYONE)
def test_it_works_for_whoever_has_nothing_else(portable: Portable, who: str) -> None:
    (portable.file.parent / "test_layer.py").write_text(TEST)
    for verb in dict.fromkeys(["exec", portable.verb]):
        for words, printed in FILES[portable.kind].commands:
            assert printed in alone(portable, who, "apptainer", verb, "my.sif", *words)


# --- what it consists of ---


def test_the_root_file_system_of_the_base_is_in_it_as_it_was(portable: Portable) -> None:
    base = portable.site.machine.bases[portable.kind]
    found = []
    for file in (base, portable.file):
        listed = portable.apptainer("sif", "list", file).splitlines()
        (number,) = [line.split("|")[0].strip() for line in listed if "*System" in line]
        found.append(hashlib.sha256(portable.apptainer("sif", "dump", number, file, text=False)).hexdigest())
    assert found == [portable.told["root_sha256"]] * 2
    assert portable.told["base_sha256"] == hashlib.sha256(base.read_bytes()).hexdigest()


def test_two_exports_have_the_same_bytes_whoever_makes_them(portable: Portable, make_site: Callable[..., Site]) -> None:
    own = make_site(user=portable.site.machine.user)
    env = {"HOME": str(own.folder / "home"), "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7"}
    again = own.folder / "again.sif"
    export(portable.site.using(user=own.user), portable.kind, again, env=env, umask=0o077)
    assert again.read_bytes() == portable.file.read_bytes()
    again.unlink()


def test_inspect_tells_what_it_is_made_of(portable: Portable) -> None:
    record = read_layer_record(json.loads((portable.site.installation(portable.kind) / "layer.json").read_text()))
    base = portable.site.machine.bases[portable.kind]
    labels = json.loads(portable.apptainer("inspect", "--json", portable.file))["data"]["attributes"]["labels"]
    of_base = json.loads(portable.apptainer("inspect", "--json", base))["data"]["attributes"]["labels"]
    inside = json.loads(portable.apptainer("exec", portable.file, "cat", "/.singularity.d/labels.json"))
    assert labels == inside == of_base | {
        "ebsif.base": base.name,
        "ebsif.base.sha256": portable.told["base_sha256"],
        "ebsif.easyconfig": f"Demo-1.0-{portable.kind}.eb",
        "ebsif.layer.content": record.content_sha256,
        "ebsif.layer.sha256": record.image_sha256,
        "ebsif.module": f"Demo/1.0-{portable.kind}",
    }


def test_record_easyconfig_and_bill_of_materials_are_in_it(portable: Portable) -> None:
    installation = portable.site.installation(portable.kind)
    assert portable.dump("layer.json") == (installation / "layer.json").read_bytes()
    assert portable.dump("easyconfig.eb") == (installation / f"easybuild/Demo-1.0-{portable.kind}.eb").read_bytes()
    bom = portable.dump("sbom.cdx.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None
    names = {component["name"] for component in json.loads(bom)["components"]}
    assert {"greet" if portable.kind == "bare" else "hello", portable.told["base"]} <= names


def test_the_layer_comes_out_again(portable: Portable, tmp_path: Path) -> None:
    (tmp_path / "overlay.squashfs").write_bytes(portable.dump("ebsif-overlay"))
    done = portable.site.machine.run(["unsquashfs", "-quiet", "overlay.squashfs", "user-software"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    layer = tmp_path / "squashfs-root" / "user-software"
    assert content_digest(str(layer)) == portable.told["content_sha256"]


def test_nothing_in_it_tells_where_it_was_made(portable: Portable) -> None:
    files = "cat /runscripts/* /.singularity.d/env/98-ebsif.sh /.singularity.d/labels.json"
    assert str(portable.site.folder) not in portable.apptainer("exec", portable.file, "sh", "-c", files)


def test_it_can_be_signed(portable: Portable, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    copy = tmp_path / "my.sif"
    copy.write_bytes(portable.file.read_bytes())
    for line in (f"genrsa -out {key} 2048", f"rsa -in {key} -pubout -out {key}.pub"):
        done = portable.site.machine.run(["openssl", *line.split()])
        assert done.returncode == 0, done.stderr
    portable.apptainer("sign", "--key", key, copy)
    portable.apptainer("verify", "--key", f"{key}.pub", copy)


# --- what is refused ---


def test_another_layer_or_image_than_was_installed_is_refused(portable: Portable) -> None:
    installation, target = portable.site.installation(portable.kind), portable.file.with_name("other.sif")
    for path, message in (
        (installation / "user-software.squashfs", "only what was installed can be exported"),
        (installation / portable.told["base"], "and the layer was made on one with"),
    ):
        content = path.read_bytes()
        path.chmod(0o644)
        flip_last_byte(path)
        try:
            assert message in refuse(portable.site, portable.kind, target)
        finally:
            path.write_bytes(content)


def test_a_file_that_is_there_is_not_replaced(portable: Portable) -> None:
    assert "is there already, and was not replaced" in refuse(portable.site, portable.kind, portable.file)
