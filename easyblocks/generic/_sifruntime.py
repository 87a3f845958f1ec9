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
The container runtime: how it is called, untouched by the settings of whoever calls it

Used by ebsif, too: needs nothing but the standard library.
"""
import os
import re
import uuid
from typing import BinaryIO, Dict, Iterable, List, Mapping, NamedTuple, Optional

# Apptainer installs a link `singularity` too, so its own name decides; the module looks in the same order.
RUNTIMES = ('apptainer', 'singularity')

# Of the caller's environment, only this reaches the runtime: whatever SINGULARITY*, APPTAINER*, PIP_* or CONDA*
# variables the user has set must not change what gets installed. A runtime that comes from a module may need
# LD_LIBRARY_PATH itself.
KEPT_VARIABLES = ('HOME', 'LD_LIBRARY_PATH', 'LOGNAME', 'PATH', 'TMPDIR', 'USER')

# A SIF file begins with a launch line of 32 bytes, the magic word, the version of the format, the architecture, and its
# identifier.
SIF_BEGINNING = re.compile(br'.{32}SIF_MAGIC.{4}(.{2}).(.{16})', re.DOTALL)

# The architectures of the format, as `uname -m` calls them. Of those that are not here, the runtime alone knows which
# machine runs which.
SIF_MACHINES = {
    b'02': 'x86_64', b'04': 'aarch64', b'05': 'ppc64', b'06': 'ppc64le', b'11': 's390x', b'12': 'riscv64',
    b'13': 'loongarch64',
}

SifHeader = NamedTuple('SifHeader', [('id', str), ('machine', Optional[str])])


def sif_header(handle: BinaryIO) -> Optional[SifHeader]:
    """
    Identifier (UUID) of a SIF image and the machine that it is for, by how its file begins; None for another file.

    The machine is None where nobody can tell.
    """
    match = SIF_BEGINNING.match(handle.read(64))
    return SifHeader(str(uuid.UUID(bytes=match.group(2))), SIF_MACHINES.get(match.group(1))) if match else None


def image_identity(handle: BinaryIO) -> Optional[str]:
    """
    Size and identifier of a SIF image, by which another one is told cheaply; None for another file.

    Modules compare them with those that were written down at installation: sif/module.lua, sif/module.tcl.
    """
    header = sif_header(handle)
    return '%d %s' % (os.fstat(handle.fileno()).st_size, header.id.replace('-', '')) if header else None


def other_machine(name: str, machine: Optional[str]) -> Optional[str]:
    """That an image is not for the machine of this host, in words that name both; None when it is."""
    host = os.uname().machine
    return 'this host is %s, and %s is for %s' % (host, name, machine) if machine not in (None, host) else None


def runtime_prefix(runtime: str) -> str:
    """What the names of a runtime's environment variables begin with, given the path of its program"""
    return os.path.basename(runtime).upper()


def injected_value(value: str) -> str:
    """
    Value as the runtime wants it in SINGULARITYENV_* and APPTAINERENV_*.

    Both runtimes put the value between double quotes in a shell script of their own and escape the double
    quotes in it themselves, so that everything else that is special between double quotes is for us to escape.
    """
    return re.sub(r'([\\$`])', r'\\\1', value)


def container_command(runtime: str, image: str, command: Iterable[str], verb: str = 'exec',
                      binds: Iterable[str] = (), scratch: Optional[str] = None) -> List[str]:
    """
    Command line that runs a command in a container of an image.

    :param runtime: path of the runtime's program
    :param verb: 'exec', or 'run' to go through the runscript of the image
    :param binds: bind specifications
    :param scratch: a folder whose folders are /tmp and /var/tmp there: then the command sees nothing of the host but
                    it, and what is bound: neither processes nor its name, and those that it starts end with it
    """
    # --quiet: its own messages are not the command's. --cleanenv, --no-home: neither variables nor files of the user
    # change what comes out. --pwd: the current folder may not exist in the container.
    words = [runtime, '--quiet', verb, '--cleanenv', '--no-home', '--pwd', '/']
    if scratch is not None:
        words += ['--contain', '--pid', '--ipc', '--hostname', 'ebsif', '--workdir', scratch]
    for bind in binds:
        words += ['--bind', bind]
    return words + [image] + list(command)


def container_environment(runtime: str, variables: Mapping[str, str]) -> Dict[str, str]:
    """Environment for the runtime, such that the command in the container has these variables"""
    env = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    env.update((runtime_prefix(runtime) + 'ENV_' + name, injected_value(value)) for name, value in variables.items())
    return env
