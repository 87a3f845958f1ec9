"""The prepared machine, as tests and the demo use it: where things are, and running commands as users do."""

import os
import pwd
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from workbench import easybuild, images, modules, runtime, store
from workbench.errors import NotPreparedError, WorkbenchError
from workbench.modules import ModuleTool

USER = "ebsif"
_STANDARD_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_ROOT_ALLOWED = "EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES"

_P = ParamSpec("_P")
_T = TypeVar("_T")
ToolName = Literal["Lmod", "EnvironmentModules"]


class Prepared(dict[str, Path]):
    """What has been prepared of one sort, by name; asking for anything else tells how to get it."""

    def __init__(self, sort: str, found: Mapping[str, Path]) -> None:
        super().__init__(found)
        self._sort = sort

    def __missing__(self, name: str) -> Path:
        raise NotPreparedError(f"{self._sort} '{name}'")


@dataclass(frozen=True)
class Machine:
    """Where everything is that the tests and the demo need.

    Parameters
    ----------
    runtime
        The container runtime's program, which sets by itself all that it needs on this machine.
    tools
        The module tools by EasyBuild's names for them; Environment Modules are absent after ``--for demo``.
    eb
        The program that runs EasyBuild: the machine's own, or that of the default virtual environment.
    easybuild
        The virtual environments that hold EasyBuild and this project, by EasyBuild's version.
    bases
        The SIF files of the demo's base images, by their names in `workbench.images.BASES`.
    user
        The unprivileged user whom root can run commands as; None when this process is not root's.
    """

    runtime: Path
    tools: Mapping[str, ModuleTool]
    eb: Path
    easybuild: Mapping[str, Path]
    bases: Mapping[str, Path]
    user: str | None

    @property
    def ebsif(self) -> Path:
        """The program `ebsif`."""
        return self.easybuild[easybuild.DEFAULT] / "bin" / "ebsif"

    def path(self, version: str | None = None) -> list[str]:
        """Return the folders to put in front of PATH for an EasyBuild version, by default that of `eb`."""
        eb = self.easybuild[version] / "bin" if version else self.eb.parent
        return list(dict.fromkeys([str(eb), str(self.runtime.parent)]))

    def variables(self, user: str | None = None, tool: ToolName = "Lmod") -> dict[str, str]:
        """Return the variables, besides PATH, that EasyBuild needs on this machine when it is run by `user`."""
        wanted: dict[str, str] = {"EASYBUILD_MODULES_TOOL": tool}
        if tool == "EnvironmentModules":
            wanted["EASYBUILD_MODULE_SYNTAX"] = "Tcl"
        if os.geteuid() == 0 and user is None:
            wanted[_ROOT_ALLOWED] = "1"
        return wanted

    def run(self, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command with nothing of this process's environment, as this user or as another.

        Parameters
        ----------
        argv
            The program, found on the prepared PATH, and its arguments.
        options
            As in `arguments`.
        """
        return subprocess.run(**self.arguments(argv, **options))

    def login(self, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a bash script in a login shell in which a module tool is set up, as users have it.

        Parameters
        ----------
        script
            The text of the script. Its standard input is free for the caller.
        options
            As in `login_arguments`.
        """
        return subprocess.run(**self.login_arguments(script, **options))

    def login_arguments(
        self,
        script: str,
        *,
        tool: ToolName = "Lmod",
        version: str | None = None,
        user: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return what `login` gives to `subprocess.run`: for a `subprocess.Popen` of one's own.

        Parameters
        ----------
        script
            The text of the script.
        tool
            The module tool that defines `module` and that EasyBuild uses.
        version
            The version of the EasyBuild on PATH, by default that of `eb`.
        user, options
            As in `arguments`.
        """
        if tool not in self.tools:
            raise NotPreparedError(tool)
        variables = self.variables(user, tool)
        init = f"source {shlex.quote(str(self.tools[tool].init))}"
        if tool == "Lmod":
            init = f"[[ $(type -t module) ]] || {init}"
        else:  # Lmod sets itself up at login, unless this variable tells it not to
            variables["USER_IS_ROOT"] = "yes"
            init = f"unset USER_IS_ROOT; {init}"
        options["env"] = {**variables, **(options.get("env") or {})}
        path = f'export PATH={shlex.quote(":".join(self.path(version)))}:"$PATH"'
        return self.arguments(["bash", "--login", "-c", "\n".join([path, init, script])], user=user, **options)

    def arguments(self, argv: Sequence[str | Path], *, user: str | None = None, **options: Any) -> dict[str, Any]:
        """Return what `run` gives to `subprocess.run`: for a `subprocess.Popen` of one's own.

        Parameters
        ----------
        argv
            The program and its arguments.
        user
            Who runs it: None for the user of this process, `Machine.user` for the unprivileged one.
        options
            Whatever `subprocess.run` takes. Output is captured as text and the status is not checked, unless they say
            otherwise; ``env`` is what to set on top of the clean environment.
        """
        if user is not None and os.geteuid() != 0:
            raise WorkbenchError(f"Only root can run commands as the user {user}")
        account = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
        clean = {
            "HOME": account.pw_dir,
            "LANG": "C.UTF-8",
            "LOGNAME": account.pw_name,
            "PATH": ":".join([*self.path(), *_STANDARD_PATH]),
            "SHELL": "/bin/bash",
            "TERM": "dumb",
            "USER": account.pw_name,
        }
        arguments: dict[str, Any] = {"text": True, "cwd": account.pw_dir, "umask": 0o022}
        if not {"capture_output", "stdout", "stderr"} & options.keys():
            arguments |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if user is not None:
            arguments |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        arguments |= options
        arguments["args"] = [str(word) for word in argv]
        arguments["env"] = {**clean, **(options.get("env") or {})}
        return arguments


def prepared() -> Machine:
    """Return what `python3 -m workbench prepare` has prepared on this machine.

    Raises
    ------
    NotPreparedError
        When the runtime, Lmod or EasyBuild is missing or out of date. What else is missing is told when it is used.
    """
    cache = store.cache_root()
    venvs = {version: venv for version in easybuild.VERSIONS if (venv := _found(easybuild.find, cache, version))}
    own = easybuild.own_program(cache)
    eb = own or easybuild.find(cache, easybuild.DEFAULT) / "bin" / "eb"
    tools = {"Lmod": modules.find_lmod()}
    private = _found(modules.find_environment_modules, cache)
    if private:
        tools["EnvironmentModules"] = private
    sifs = {base.name: sif for base in images.BASES if (sif := _found(images.find, cache, base))}
    return Machine(
        runtime=runtime.find(cache),
        tools=tools,
        eb=eb,
        easybuild=Prepared("EasyBuild", venvs),
        bases=Prepared("The base image", sifs),
        user=USER if os.geteuid() == 0 else None,
    )


def _found(find: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T | None:
    try:
        return find(*arguments, **options)
    except NotPreparedError:
        return None


def exports() -> str:
    """Return shell commands that put what is prepared into a developer's own shell, to be evaluated there.

    Raises
    ------
    NotPreparedError
        When not even a virtual environment has been made.
    """
    cache = store.cache_root()
    path = [easybuild.find(cache, easybuild.DEFAULT) / "bin"]
    variables = {}
    program = _found(runtime.find, cache)
    if program:
        path.append(program.parent)
    lmod = _found(modules.find_lmod)
    if lmod:
        path.append(lmod.command.parent)
        variables["LMOD_CMD"] = str(lmod.command)
    if os.geteuid() == 0:
        variables[_ROOT_ALLOWED] = "1"
    return export_lines(path, variables)


def export_lines(path: Sequence[Path], variables: Mapping[str, str]) -> str:
    """Return lines for a POSIX shell that put folders in front of PATH and set variables, whatever their values."""
    front = shlex.quote(":".join(str(folder) for folder in path))
    lines = [f'export PATH={front}:"$PATH"']
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "".join(f"{line}\n" for line in lines)
