"""Looking into a base."""

import json
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ebsif.base.environment import activation, parse_environment
from ebsif.base.manifest import Activation, Kind, Manifest, OperatingSystem, Python
from ebsif.console import Console
from ebsif.errors import EbsifError
from ebsif.files import sha256
from ebsif.runtime import Inside, Runtime

# A SIF file begins with a launch line of 32 bytes; then come the magic word and, at 48, the identifier.
_MAGIC, _MAGIC_OFFSET = b"SIF_MAGIC", 32
_ID_OFFSET, _ID_SIZE = 48, 16

# What runs in the container for us, and where it is there.
_PROBE_SH, _PROBE_PY = (Path(__file__).with_name(name) for name in ("probe.sh", "probe.py"))
_INSIDE = "/ebsif"
_VENVS = f"{_INSIDE}/venvs"
# Stands for the name of a venv until somebody gives it one.
_VENV_NAME = "ebsif-venv-name"

_RUNSCRIPT_SECONDS = 30.0


@dataclass(frozen=True)
class Identity:
    """By what an image is told from others without reading all of it."""

    id: str
    size: int


def identity(image: Path) -> Identity:
    """Return the identity of an image.

    Raises
    ------
    EbsifError
        When it is none, or cannot be read.
    """
    try:
        with image.open("rb") as file:
            header = file.read(_ID_OFFSET + _ID_SIZE)
            size = image.stat().st_size
    except OSError as error:
        raise EbsifError(f"cannot read {image}: {error.strerror}") from error
    if header[_MAGIC_OFFSET : _MAGIC_OFFSET + len(_MAGIC)] != _MAGIC or len(header) < _ID_OFFSET + _ID_SIZE:
        raise EbsifError(f"{image} is not a SIF image: singularity and apptainer make one with `build` or `pull`")
    return Identity(str(uuid.UUID(bytes=header[_ID_OFFSET:])), size)


def inspect_image(image: Path, runtime: Runtime, console: Console, *, known_sha256: str | None = None) -> Manifest:
    """Return what is in an image.

    Parameters
    ----------
    known_sha256
        Its SHA256, if it was computed just now.

    Raises
    ------
    EbsifError
        When it is no image, cannot be started, or does something that a module cannot do.
    """
    found = identity(image)
    with console.waiting(f"looking into {image.name}"):
        values = _Look(image, runtime).values()
    checksum = known_sha256 or sha256(image, console)
    return Manifest(file=image.name, sha256=checksum, size=found.size, id=found.id, **values)


class _Look:
    """One look into an image, each step with what those before have found."""

    def __init__(self, image: Path, runtime: Runtime) -> None:
        self._image = image
        self._runtime = runtime

    def values(self) -> dict[str, Any]:
        """Return the fields of a manifest, but for those of the image file itself."""
        plain = self._environment("exec")
        start_with = self._start_with(plain)
        before = plain if start_with == "exec" else self._environment("run")
        command = before.get("WITH_CONDA") if "CONDA_PREFIX" not in before else None
        active = self._activation(before, command, start_with)
        probed = self._python(command, start_with)
        facts = self._facts()
        python = _usable_python(probed, facts.get("glibc"))
        return {
            "kind": _kind(before, command, probed),
            "start_with": start_with,
            "labels": self._labels(),
            "os": _operating_system(facts),
            "machine": facts["machine"],
            **{name: facts.get(name) for name in ("glibc", "kernel", "rocm", "mpi", "libfabric")},
            "pythonpath": before.get("PYTHONPATH") or None,
            "python": python,
            "packages": probed.get("packages", {}),
            "commands": probed.get("commands", []),
            "activation": active,
            "venv_env": self._venv_env(command, python, start_with) if python else {},
        }

    def _environment(self, verb: Literal["exec", "run"], script: str | None = None, **options: Any) -> dict[str, str]:
        """Return the environment in the container, after a script of bash if there is one."""
        command = ["bash", "-c", f"{script} && exec env -0"] if script else ["env", "-0"]
        return parse_environment(self._runtime.output(self._image, command, Inside(verb, **options)))

    def _start_with(self, plain: Mapping[str, str]) -> Literal["exec", "run"]:
        """Tell whether the image's own runscript runs what it is given, and prepares the environment for it."""
        try:
            by_runscript = self._environment("run", timeout=_RUNSCRIPT_SECONDS)
        except EbsifError:
            return "exec"  # a runscript that does something else
        return "run" if "PATH" in by_runscript and by_runscript != plain else "exec"

    def _activation(self, before: Mapping[str, str], command: str | None, verb: Literal["exec", "run"]) -> Activation:
        return activation(before, self._environment(verb, command), command) if command else Activation()

    def _python(self, command: str | None, verb: Literal["exec", "run"]) -> dict[str, Any]:
        """Return what the Python of the image, activated, says of itself; nothing when there is none."""
        script = " && ".join([*([command] if command else []), f"exec python3 {_INSIDE}/{_PROBE_PY.name}"])
        done = self._runtime.run(self._image, ["sh", "-c", "command -v python3"], Inside(verb))
        if done.returncode != 0 and not command:
            return {}
        output = self._runtime.output(self._image, ["bash", "-c", script], Inside(verb, [_bind(_PROBE_PY)]))
        # What activates may have a word to say itself, before.
        return dict(json.loads(output.splitlines()[-1]))

    def _facts(self) -> dict[str, str]:
        command = ["sh", f"{_INSIDE}/{_PROBE_SH.name}"]
        output = self._runtime.output(self._image, command, Inside(binds=[_bind(_PROBE_SH)]))
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def _labels(self) -> dict[str, str]:
        done = self._runtime.run(self._image, ["cat", "/.singularity.d/labels.json"])
        if done.returncode != 0:
            return {}
        try:
            return {str(name): str(value) for name, value in json.loads(done.stdout).items()}
        except (ValueError, AttributeError) as error:
            where = f"/.singularity.d/labels.json in {self._image}"
            raise EbsifError(f"{where} is not JSON that maps names to values: {error}") from error

    def _venv_env(self, command: str | None, python: Python, verb: Literal["exec", "run"]) -> dict[str, str]:
        """Return what activating a venv sets, by making one and trying."""
        venv = f"{_VENVS}/{_VENV_NAME}"
        lead = [command] if command else []
        with tempfile.TemporaryDirectory(prefix="ebsif-") as folder:
            binds = [f"{folder}:{_VENVS}"]
            before = self._environment(
                verb, " && ".join([*lead, f"{python.path} -m venv --without-pip {venv}"]), binds=binds
            )
            after = self._environment(verb, " && ".join([*lead, f"source {venv}/bin/activate"]), binds=binds)
        changed = activation({name: before[name] for name in before if name in after}, after, "source bin/activate").env
        return {name: value.replace(_VENV_NAME, "{venv}") for name, value in changed.items() if name != "VIRTUAL_ENV"}


def _bind(probe: Path) -> str:
    return f"{probe}:{_INSIDE}/{probe.name}:ro"


def _kind(before: Mapping[str, str], command: str | None, probed: Mapping[str, Any]) -> Kind:
    if "CONDA_PREFIX" in before:
        return "conda-active"
    if command:
        return "conda"
    return "venv" if probed.get("venv") else "bare"


def _operating_system(facts: Mapping[str, str]) -> OperatingSystem | None:
    if "os_id" not in facts:
        return None
    version = facts.get("os_version", "")
    return OperatingSystem(id=facts["os_id"], version=version, name=facts.get("os_name", f"{facts['os_id']} {version}"))


def _usable_python(probed: Mapping[str, Any], glibc: str | None) -> Python | None:
    """Return the Python that layers can be made with."""
    if not probed.get("usable"):
        return None
    version = str(probed["version"])
    interpreter = probed["interpreter"] + "".join(version.split(".")[:2])
    platform = f"manylinux_{glibc.replace('.', '_')}" if glibc else "linux"
    tag = f"{interpreter}-{interpreter}{probed['abiflags']}-{platform}_{probed['machine']}"
    return Python(path=probed["path"], version=version, tag=tag)
