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
Text that the Sif easyblocks write: what is valid, how it is quoted for each syntax, and templates filled with it

Used by ebsif, too: needs nothing but the standard library.
"""
import os
import re
import shlex
from typing import Any, Mapping, Sequence, Union

Text = Union[str, Sequence['Text']]

# No control characters in names and paths: neither modules nor container runtimes can carry them.
BIND = r'/[^,\x00-\x1f\x7f]*'
# The processors near a GPU, as `srun --cpu-bind=mask_cpu:` takes them.
CPU_MASK = r'0x[1-9a-f][0-9a-f]*'
COMMAND_NAME = r'[A-Za-z0-9_][A-Za-z0-9_.+-]*'
ENVIRONMENT_NAME = r'[A-Za-z0-9_][A-Za-z0-9_.+-]*'
# A folder within a source package.
FOLDER_WITHIN = r'(?!(.*/)?\.\.?(/|$))[A-Za-z0-9_.+][A-Za-z0-9_.+-]*(/[A-Za-z0-9_.+][A-Za-z0-9_.+-]*)*'
MODULE_NAME = r'[^\s\x00-\x1f\x7f]+'
SHA256 = r'[0-9a-f]{64}'

# A wrapper of such a name would stand before what a login shell, a batch script or the wrappers themselves need.
RESERVED_COMMANDS = ('apptainer', 'bash', 'env', 'sh', 'singularity')
# What login shells, batch scripts, module tools and Slurm call by name on the host: packages of conda bring most of it.
# A wrapper of such a name is made only where it is asked for.
HOST_COMMANDS = (
    # shells, and what their start-up files and job scripts use
    'awk', 'basename', 'cat', 'chgrp', 'chmod', 'chown', 'cp', 'csh', 'cut', 'dash', 'date', 'dd', 'df',
    'dircolors', 'dirname', 'du', 'echo', 'egrep', 'expr', 'false', 'fgrep', 'find', 'fish', 'gawk', 'getent',
    'getopt', 'grep', 'groups', 'gunzip', 'gzip', 'head', 'hostname', 'id', 'install', 'kill', 'ksh', 'less', 'ln',
    'locale', 'logname', 'ls', 'mkdir', 'mktemp', 'more', 'mv', 'nice', 'nohup', 'nproc', 'numactl', 'od', 'paste',
    'pgrep', 'pkill', 'printenv', 'printf', 'ps', 'pwd', 'readlink', 'realpath', 'rm', 'rmdir', 'rsync', 'scp',
    'sed', 'seq', 'setsid', 'sftp', 'sha256sum', 'sleep', 'sort', 'split', 'ssh', 'stat', 'stty', 'su', 'sudo',
    'tail', 'tar', 'taskset', 'tcsh', 'tee', 'test', 'time', 'timeout', 'touch', 'tput', 'tr', 'true', 'tset',
    'tty', 'uname', 'uniq', 'wc', 'which', 'who', 'whoami', 'xargs', 'yes', 'zcat', 'zsh',
    # EasyBuild, module tools, Lustre, and what packs the layer
    'eb', 'ebsif', 'lfs', 'lua', 'mksquashfs', 'ml', 'module', 'modulecmd', 'tclsh', 'unsquashfs',
    # Slurm
    'sacct', 'sacctmgr', 'salloc', 'sattach', 'sbatch', 'sbcast', 'scancel', 'scontrol', 'sdiag', 'seff', 'sinfo',
    'sprio', 'squeue', 'sreport', 'srun', 'sshare', 'sstat', 'strigger',
)

# The templates and scripts lie beside the easyblock itself; --include-easyblocks only links the Python files.
FILES_DIR = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'sif')

PLACEHOLDER = re.compile(r'__([A-Z]+(?:_[A-Z]+)*)__')


def files_path(*parts: str) -> str:
    """Path of a file that comes with the easyblocks."""
    return os.path.join(FILES_DIR, *parts)


def doubled_backslashes(value: Any) -> Any:
    """A text, or a list of texts, with two backslashes for each; anything else as it is."""
    if isinstance(value, (list, tuple)):
        return [doubled_backslashes(item) for item in value]
    return value.replace('\\', '\\' * 2) if isinstance(value, str) else value


def is_ports(text: str) -> bool:
    """Whether text says which ports programs may use: those that Slurm reserves for a step, or a range."""
    found = re.fullmatch(r'([0-9]{4,5})-([0-9]{4,5})', text)
    return text == 'reserved' or bool(found and 1024 <= int(found.group(1)) <= int(found.group(2)) < 2 ** 16)


def fill_template(text: str, values: Mapping[str, str]) -> str:
    """Replace each __NAME__ in text; a name without value, or a value without a place, is a mistake of the caller."""
    wanted = set(PLACEHOLDER.findall(text))
    if wanted != set(values):
        raise ValueError("Template asks for %s, was given %s" % (sorted(wanted), sorted(values)))
    return PLACEHOLDER.sub(lambda match: values[match.group(1)], text)


def shell_words(*words: str) -> str:
    """Words for a shell: each arrives as it is."""
    return ' '.join(shlex.quote(word) for word in words)


def lua_string(value: str) -> str:
    """Lua string literal."""
    quoted = re.sub(r'([\\"])', r'\\\1', value)
    return '"%s"' % re.sub(r'[\x00-\x1f]', lambda match: '\\%03d' % ord(match.group()), quoted)


def lua_value(value: Text) -> str:
    """Lua literal for a string or a (nested) list of strings."""
    if isinstance(value, str):
        return lua_string(value)
    return '{%s}' % ', '.join(lua_value(item) for item in value)


def tcl_string(value: str) -> str:
    """
    Tcl string literal.

    Braces are escaped too: they are ordinary characters inside quotes,
    but would still count for the braces of a body around the literal.
    """
    quoted = re.sub(r'([\\"$\[\]{}])', r'\\\1', value)
    # A control-Z, for one, would end the file.
    return '"%s"' % re.sub(r'[\x00-\x1f]', lambda match: '\\u%04x' % ord(match.group()), quoted)


def tcl_value(value: Text) -> str:
    """Tcl literal for a string or a (nested) list of strings; a list becomes a command substitution."""
    if isinstance(value, str):
        return tcl_string(value)
    return '[list %s]' % ' '.join(tcl_value(item) for item in value)
