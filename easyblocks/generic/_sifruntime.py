##
# Copyright 2026 the ebsif developers
#
# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General Public License as published by
# the Free Software Foundation v2.
#
# It is distributed in the hope that it will be useful, but WITHOUT ANY
# WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS
# FOR A PARTICULAR PURPOSE.  See the GNU General Public License for details.
##
"""
The container runtime, as the Sif easyblocks use it while installing
"""
import os

from easybuild.tools.build_log import EasyBuildError, EasyBuildExit
from easybuild.tools.filetools import which
from easybuild.tools.run import run_shell_cmd

# Apptainer installs a link `singularity` too, so its own name decides; the module looks in the same order.
RUNTIMES = ('apptainer', 'singularity')

# Of the environment of `eb`, only this reaches the runtime: whatever SINGULARITY*, APPTAINER*, PIP_* or CONDA*
# variables the user has set must not change what gets installed.
KEPT_VARIABLES = ('HOME', 'LOGNAME', 'PATH', 'TMPDIR', 'USER')

SIF_MAGIC = b'SIF_MAGIC'
SIF_MAGIC_OFFSET = 32


def is_sif(path):
    """Whether the file at path begins as a SIF image does (a launch line of 32 bytes, then the magic)."""
    with open(path, 'rb') as handle:
        handle.seek(SIF_MAGIC_OFFSET)
        return handle.read(len(SIF_MAGIC)) == SIF_MAGIC


class ContainerRuntime:
    """The container runtime that is on $PATH."""

    def __init__(self):
        """Find it."""
        for name in RUNTIMES:
            path = which(name, on_error='ignore')
            if path:
                self.name, self.path = name, path
                return
        raise EasyBuildError("Neither apptainer nor singularity is on $PATH: install one of them, or load the module "
                             "that provides it, and try again.", exit_code=EasyBuildExit.MISSING_SYSTEM_DEPENDENCY)

    @property
    def prefix(self):
        """What the names of this runtime's environment variables begin with."""
        return self.name.upper()

    def run(self, sif, command, verb='exec', binds=(), env=None, isolated=True):
        """
        Run a command in a container, and return what run_shell_cmd returns, with standard error apart.

        :param command: list of the program and its arguments
        :param verb: 'exec', or 'run' to go through the runscript of the image
        :param binds: bind specifications
        :param env: more environment variables for the runtime
        :param isolated: without home directory and working directory of the host
        """
        cmd = [self.path, '--quiet', verb, '--cleanenv']
        if isolated:
            cmd.extend(['--no-home', '--pwd', '/'])
        for bind in binds:
            cmd.extend(['--bind', bind])
        cmd.append(sif)
        cmd.extend(command)
        environment = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        environment.update(env or {})
        return run_shell_cmd(cmd, use_bash=False, env=environment, split_stderr=True, fail_on_error=False,
                             hidden=True)
