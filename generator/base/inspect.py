"""Inspecting a base: starting containers of its image, and asking them."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import TypeAdapter, ValidationError

from ebsif.base.manifest import Activation, Kind, Manifest, OperatingSystem, Python
from ebsif.console import Console
from ebsif.errors import EbsifError, FileError, ToolError
from ebsif.files import opened, sha256, temporary_folder
from ebsif.inside import LAYER_PY
from ebsif.inside.activation import activate_script, activation_changes, parse_activated, parse_environment
from ebsif.inside.packages import MINIMUM_PYTHON
from ebsif.inside.runtime import other_machine, sif_header
from ebsif.runtime import Inside, Runtime
from ebsif.values import Command, PackageSpelling

# The probes, and where containers see them.
_PROBE_SH = Path(__file__).with_name("probe.sh")
_INSIDE = "/ebsif"
_VENVS = f"{_INSIDE}/venvs"
# Stands for the name of the venv, which the recipe gives.
_VENV_NAME = "ebsif-venv-name"

_RUNSCRIPT_SECONDS = 30.0

_COMMAND: TypeAdapter[str] = TypeAdapter(Command)
_PACKAGE: TypeAdapter[str] = TypeAdapter(PackageSpelling)


@dataclass(frozen=True)
class Identity:
    """What tells an image from others without reading all of it, or starting it.

    Parameters
    ----------
    id
        Its identifier (UUID).
    size
        Its size in bytes.
    machine
        The kind of processor that it is for, as ``uname -m`` says; None where its header does not tell.
    """

    id: str
    size: int
    machine: str | None


def identity(image: Path) -> Identity:
    """Return the identity of an image.

    Raises
    ------
    FileError
        When it is none, or cannot be read.
    """
    with opened(image) as file:
        found = sif_header(file)
        size = os.fstat(file.fileno()).st_size
    if found is None:
        raise FileError(f"{image} is not a SIF image: singularity and apptainer make one with `build` or `pull`")
    return Identity(found.id, size, found.machine)


def can_start(image: Path) -> bool:
    """Tell whether an image is for the kind of processor that this host has; raises as `identity` does."""
    return other_machine(str(image), identity(image).machine) is None


def check_can_start(image: Path, remedy: str) -> Identity:
    """Return the identity of an image that containers of are to be started.

    Parameters
    ----------
    remedy
        What a person can do on a host of the right kind instead.

    Raises
    ------
    FileError
        When it is none, or cannot be read.
    EbsifError
        When it is for another kind of processor than this host has.
    """
    found = identity(image)
    problem = other_machine(str(image), found.machine)
    if problem:
        raise EbsifError(f"{problem}: {remedy}")
    return found


def check_can_inspect(image: Path) -> Identity:
    """Return the identity of an image that is to be inspected; raises as `check_can_start` does."""
    remedy = "inspect it on a host of that kind with `ebsif freeze`, whose manifest, beside the image, serves here too"
    return check_can_start(image, remedy)


def inspect_image(
    image: Path, runtime: Runtime, console: Console, *, known_sha256: str | None = None, name: str = ""
) -> Manifest:
    """Return what is in an image; warn of what is left out.

    Parameters
    ----------
    known_sha256
        Its SHA256, if it was computed just now.
    name
        The name of its file, if it has a temporary one.

    Raises
    ------
    EbsifError
        When it is no image, or cannot be started.
    """
    found = check_can_inspect(image)
    name = name or image.name
    try:
        with console.waiting(f"inspecting {name}"), temporary_folder() as scratch:
            inspection = _Inspection(image, runtime, scratch)
            values = inspection.values()
        for warning in inspection.warnings:
            console.warn(f"{name}: {warning}")
        checksum = known_sha256 or sha256(image, console)
        return Manifest(file=name, sha256=checksum, size=found.size, id=found.id, **values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise EbsifError(f"ebsif cannot write down what is in {image}: {where}: {first['msg']}") from error


class _Inspection:
    """One inspection of an image, which sees nothing of this machine; each step uses what the earlier ones found."""

    def __init__(self, image: Path, runtime: Runtime, scratch: Path) -> None:
        self._image = image
        self._runtime = runtime
        self._inside = partial(Inside, scratch=scratch)
        self.warnings: list[str] = []

    def values(self) -> dict[str, Any]:
        """Return the fields of a manifest, but for those of the image file itself."""
        plain = self._environment("exec")
        start_with = self._start_with(plain)
        before = plain if start_with == "exec" else self._environment("run")
        command = before.get("WITH_CONDA") if "CONDA_PREFIX" not in before else None
        after, active = self._activated(command, start_with) if command else (before, Activation())
        probed = self._python(command, start_with)
        facts = self._facts()
        python = _usable_python(probed, facts.get("glibc"))
        return {
            "kind": _kind(before, command, probed),
            "start_with": start_with,
            "labels": self._labels(),
            "os": _operating_system(facts),
            "machine": facts.get("machine") or self._refuse("has no `uname`, which tells what processor it is for"),
            **{name: facts.get(name) for name in ("glibc", "kernel", "rocm", "mpi", "libfabric")},
            "pythonpath": after.get("PYTHONPATH") or None,
            "python": python,
            "packages": self._packages(
                {probed["names"][key]: version for key, version in probed.get("packages", {}).items()}
            ),
            "modules": dict(sorted(probed.get("modules", {}).items())),
            "commands": self._commands(probed.get("commands", [])),
            "activation": active,
            "venv_env": self._venv_env(command, python, start_with) if python else {},
        }

    def _environment(self, verb: Literal["exec", "run"], script: str | None = None, **options: Any) -> dict[str, str]:
        """Return the environment in the container, after a script of bash if one is given; its output is dropped."""
        command = ["bash", "-c", f"{{ {script}\n}} >&2 && exec env -0"] if script else ["env", "-0"]
        return parse_environment(self._runtime.output(self._image, command, self._inside(verb, **options)))

    def _start_with(self, plain: Mapping[str, str]) -> Literal["exec", "run"]:
        """Tell whether the image's own runscript runs what it is given, and prepares the environment for it."""
        try:
            by_runscript = self._environment("run", timeout=_RUNSCRIPT_SECONDS)
        except ToolError:
            return "exec"  # a runscript that does something else
        return "run" if "PATH" in by_runscript and any(activation_changes(plain, by_runscript)) else "exec"

    def _activated(self, command: str, verb: Literal["exec", "run"]) -> tuple[dict[str, str], Activation]:
        """Return the environment after activating, and what of it a module can do for all users alike."""
        output = self._runtime.output(self._image, ["bash", "-c", activate_script([command])], self._inside(verb))
        before, after, personal = parse_activated(output)
        env, path, problems = activation_changes(before, after, personal)
        self.warnings += [f"`{command}` does what a module cannot do: {problem}" for _, problem in problems]
        return after, Activation(command=command, env=env, path=path, unusable=dict(problems))

    def _packages(self, found: Mapping[str, Any]) -> dict[str, str]:
        """Return the packages without those whose name or version a manifest cannot hold."""
        odd = [name for name, version in found.items() if not (_fits(_PACKAGE, name) and _fits(_PACKAGE, version))]
        self._leave_out("packages", odd)
        return {name: version for name, version in found.items() if name not in odd}

    def _commands(self, found: Sequence[str]) -> list[str]:
        """Return the commands without those whose names no wrapper can have."""
        odd = [command for command in found if not _fits(_COMMAND, command)]
        self._leave_out("commands", odd)
        return [command for command in found if command not in odd]

    def _leave_out(self, what: str, names: Sequence[str]) -> None:
        if names:
            self.warnings.append(f"{what} of odd names or versions are left out: {', '.join(map(ascii, names))}")

    def _refuse(self, message: str) -> NoReturn:
        raise EbsifError(f"{self._image} {message}")

    def _python(self, command: str | None, verb: Literal["exec", "run"]) -> dict[str, Any]:
        """Return what the image's Python, activated, says of itself; nothing without a Python."""
        script = " && ".join([*([command] if command else []), f"exec python3 {_INSIDE}/{LAYER_PY.name} probe"])
        done = self._runtime.run(self._image, ["sh", "-c", "command -v python3"], self._inside(verb))
        if done.returncode != 0 and not command:
            return {}
        output = self._runtime.output(self._image, ["bash", "-c", script], self._inside(verb, [_bind(LAYER_PY)]))
        try:
            # The activation may print something first.
            return dict(json.loads(output.splitlines()[-1]))
        except (IndexError, ValueError) as error:
            raise EbsifError(f"the Python of {self._image} prints something else than it was asked") from error

    def _facts(self) -> dict[str, str]:
        command = ["sh", f"{_INSIDE}/{_PROBE_SH.name}"]
        output = self._runtime.output(self._image, command, self._inside(binds=[_bind(_PROBE_SH)]))
        return dict(_readable(line).split("=", 1) for line in output.splitlines() if "=" in line)

    def _labels(self) -> dict[str, str]:
        done = self._runtime.run(self._image, ["cat", "/.singularity.d/labels.json"], self._inside())
        if done.returncode != 0:
            return {}
        try:
            return {_readable(str(name)): _readable(str(value)) for name, value in json.loads(done.stdout).items()}
        except (ValueError, AttributeError) as error:
            where = f"/.singularity.d/labels.json in {self._image}"
            raise EbsifError(f"{where} is not JSON that maps names to values: {error}") from error

    def _venv_env(self, command: str | None, python: Python, verb: Literal["exec", "run"]) -> dict[str, str]:
        """Return what activating a venv sets, by making one and trying."""
        venv = f"{_VENVS}/{_VENV_NAME}"
        lead = [command] if command else []
        with temporary_folder() as folder:
            binds = [f"{folder}:{_VENVS}"]
            before = self._environment(
                verb, " && ".join([*lead, f"{shlex.quote(python.path)} -m venv --without-pip {venv}"]), binds=binds
            )
            after = self._environment(verb, " && ".join([*lead, f"source {venv}/bin/activate"]), binds=binds)
        env, _, _ = activation_changes(before, after, decided=["VIRTUAL_ENV"])
        return {name: value.replace(_VENV_NAME, "{venv}") for name, value in env.items()}


def _fits(kind: TypeAdapter[str], value: Any) -> bool:
    try:
        kind.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _readable(text: str) -> str:
    """Return a text of an image with a question mark for each byte that is not UTF-8."""
    return text.encode(errors="replace").decode()


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
    if not probed.get("makes_venvs") or probed["version"] < MINIMUM_PYTHON:
        return None
    version = ".".join(map(str, probed["version"]))
    interpreter = probed["interpreter"] + "".join(version.split(".")[:2])
    platform = f"manylinux_{glibc.replace('.', '_')}" if glibc else "linux"
    tag = f"{interpreter}-{interpreter}{probed['abiflags']}-{platform}_{probed['machine']}"
    return Python(path=probed["path"], version=version, tag=tag)
