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
What activating an environment by hand does, and how it compares with what a Sif module does

Used by ebsif, too: needs nothing but the standard library.
"""
import re
from typing import Collection, Container, Dict, Iterable, List, Mapping, Optional, Set, Tuple

Variables = Dict[str, str]

VARIABLE_NAME = r'[A-Za-z_][A-Za-z0-9_]*'
# One that may be set in a container: the runtime makes PATH there of the image's and of what the other two say.
CONTAINER_VARIABLE = '(?!(APPEND_|PREPEND_)?PATH$)' + VARIABLE_NAME
# What can be injected into a container: no line breaks and other control characters, but tabs; and no surrogates, which
# stand for bytes that are not UTF-8.
VARIABLE_VALUE = r'[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*'
# Values that are worked out when a command starts: from $NAME, ${NAME}, ${NAME:-text}, and ${NAME:+text}, in whose text
# $NAME may be; and nothing else.
START_VALUE = r'([^$]|\$(%(name)s|\{%(name)s(:-[^}$]*|:\+([^}$]|\$%(name)s)*)?\}))*' \
    % {'name': VARIABLE_NAME + r'(?![A-Za-z0-9_])'}
# Folders of the container; a colon separates them.
CONTAINER_PATH = r'/[^:\x00-\x1f\x7f\ud800-\udfff]*'
# Those for libraries: a semicolon separates them, too, and the loader replaces what begins with a dollar sign.
LIBRARY_FOLDER = r'/[^:;$`\\\x00-\x1f\x7f\ud800-\udfff]*'

# Where the two may differ, and why. Everything else is a fault.
SHELL = "belongs to the shell that ran the activation"
RUNTIME = "set by the container runtime for this one container"
MODULE = "added by the module on purpose"
EXPECTED_DIFFERENCES = {
    '_': SHELL,
    'OLDPWD': SHELL,
    'PS1': SHELL,
    'PWD': SHELL,
    'SHLVL': SHELL,
    'PROMPT_COMMAND': RUNTIME,
    'APPTAINER_BIND': RUNTIME,
    'APPTAINER_COMMAND': RUNTIME,
    'APPTAINER_CONTAINER': RUNTIME,
    'APPTAINER_ENVIRONMENT': RUNTIME,
    'APPTAINER_NAME': RUNTIME,
    'SINGULARITY_BIND': RUNTIME,
    'SINGULARITY_COMMAND': RUNTIME,
    'SINGULARITY_CONTAINER': RUNTIME,
    'SINGULARITY_ENVIRONMENT': RUNTIME,
    'SINGULARITY_NAME': RUNTIME,
    'USER_PATH': RUNTIME,
    'PYTHONNOUSERSITE': MODULE + ": ~/.local must not leak into the container",
    'PYTHONPATH': MODULE + ": a PYTHONPATH of the base would put the base before the layer",
    'WITH_CONDA': MODULE + ": job scripts that run it must keep working, without effect",
    'WITH_CONDA_VENV': MODULE + ": job scripts that run it must keep working, without effect",
    'WITH_VENV': MODULE + ": job scripts that run it must keep working, without effect",
}

# The runtime lets programs find its own libraries there, behind all that an image or a module says.
RUNTIME_LIBRARIES = '/.singularity.d/libs'
# Variables that are lists of folders, in which those of ours and of the runtime do not count.
FOLDERS = ('LD_LIBRARY_PATH', 'PATH')
# To the runtime, the value of such a variable is no variable in the container, but folders behind its $PATH.
FOLDERS_BEHIND_PATH = 'APPEND_PATH'

# Where the container sees our scripts, the layer, and in the layer the environments of each kind.
RUNSCRIPTS = '/runscripts'
LAYER = '/user-software'
VENVS = LAYER + '/venv'
CONDA_ENVS = LAYER + '/conda/envs'

# Prints the environment before activating, after it, and after activating as somebody else: a value that depends on who
# activates must not get into a module. What the activation prints is not part of it. As numbers, since EasyBuild drops
# bytes that are not UTF-8 from what it reads.
ACTIVATE = r"""
{
    command -p env -0
    printf '\0'
    ({ %(commands)s
    } >&2 && command -p env -0) || exit
    printf '\0'
    id() { case " $* " in *n*) echo somebody-else ;; *) echo 65533 ;; esac; }
    whoami() { echo somebody-else; }
    export HOME=/ USER=somebody-else LOGNAME=somebody-else
    ({ %(commands)s
    } >&2 && command -p env -0) || exit
} | command -p od -An -v -tx1
[[ ${PIPESTATUS[*]} = '0 0' ]]
"""
WHO_ACTIVATES = ('HOME', 'LOGNAME', 'USER')


def activate_script(commands: Iterable[str]) -> str:
    """Text of a bash script that activates by these commands; parse_activated reads what it prints."""
    return ACTIVATE % {'commands': ' && '.join(commands) or ':'}


def read_numbers(output: str) -> str:
    """Text that `od -An -v -tx1` has printed; what an image says besides is left out."""
    lines = re.findall(r'^(?: [0-9a-f]{2})+ *$', output, re.MULTILINE)
    return bytes.fromhex(''.join(lines)).decode('utf-8', 'surrogateescape')


def parse_environment(output: str) -> Variables:
    """Variables in the output of `env -0`."""
    return dict(entry.split('=', 1) for entry in output.split('\0') if '=' in entry)


def parse_activated(output: str) -> Tuple[Variables, Variables, Set[str]]:
    """Variables before and after activating, and the names of those whose values depend on who activates."""
    before, after, others = (parse_environment(part) for part in read_numbers(output).split('\0\0', 2))
    personal = {name for name in set(after) | set(others) if after.get(name) != others.get(name)}
    return before, after, personal - {name for name in WHO_ACTIVATES if after.get(name) == before.get(name)}


def differences(activated: Mapping[str, str], loaded: Mapping[str, str], added: Container[str] = ()) -> List[str]:
    """
    What differs between the environment after activating by hand and the one with the module loaded.

    :param activated: variables after activating by hand
    :param loaded: variables with the module loaded
    :param added: more variables that may differ
    :return: a sentence for each unexpected difference
    """
    activated, loaded = (dict(env, **{name: comparable_folders(env[name]) for name in FOLDERS if name in env})
                         for env in (activated, loaded))
    sentences = []
    for name in sorted(set(activated) | set(loaded)):
        by_hand, by_module = activated.get(name), loaded.get(name)
        if by_hand == by_module or name in EXPECTED_DIFFERENCES or name in added:
            continue
        sentences.append("$%s is %s after activating by hand, but %s with the module loaded"
                         % (show_name(name), show(by_hand), show(by_module)))
    return sentences


def comparable_folders(path: str) -> str:
    """Folders without those that are there on purpose, of the module and the runtime, and without empty ones."""
    return ':'.join(folder for folder in path.split(':') if folder not in ('', RUNSCRIPTS, RUNTIME_LIBRARIES))


def activation_changes(before: Mapping[str, str], after: Mapping[str, str], personal: Collection[str] = (),
                       decided: Iterable[str] = ()) -> Tuple[Variables, List[str], List[Tuple[str, str]]]:
    """
    What activating changes in an environment, as far as a module can do the same from outside the container.

    :param before: variables before activating
    :param after: variables after activating
    :param personal: names of variables whose values depend on who activates
    :param decided: names of variables whose values do not come from activating
    :return: variables to set, folders to put before $PATH, and the changes that cannot be made: the name of a variable,
        and what activating does with it
    """
    ignored = (set(EXPECTED_DIFFERENCES) - {'PYTHONPATH'}) | (set(decided) - {'PATH'})
    env, folders, problems = {}, [], []  # type: Variables, List[str], List[Tuple[str, str]]
    for name in sorted(set(before).union(after, personal) - ignored):
        value, old = after.get(name), before.get(name)
        problem = None
        if name in personal:
            problem = "it sets $%s to what depends on who activates (here: %s)" % (show_name(name), show(value))
        elif value == old:
            continue
        elif value is None:
            problem = "it unsets $%s, which can be set from outside the container, but not unset" % show_name(name)
        elif name == 'PATH':
            folders, behind = added_folders(old or '', value)
            if behind:
                env[FOLDERS_BEHIND_PATH] = ':'.join(behind)
            if not folders and not behind:
                problem = "it changes $PATH from %s to %s, which is more than absolute folders put before and behind " \
                          "it" % (show(old), show(value))
        elif re.fullmatch(VARIABLE_NAME, name) and re.fullmatch(VARIABLE_VALUE, value):
            # The runtime adds its own once more.
            env[name] = re.sub('(:%s)+$' % re.escape(RUNTIME_LIBRARIES), '', value) if name in FOLDERS else value
        else:
            problem = "it sets $%s to %s, which cannot be passed into a container" % (show_name(name), show(value))
        if problem:
            problems.append((show_name(name), problem))
    return env, folders, problems


def added_folders(before: str, after: str) -> Tuple[List[str], List[str]]:
    """Folders that were put before and behind $PATH; none when it was changed in another way."""
    old, new = before.split(':'), after.split(':')
    for start in range(len(new) - len(old) + 1):
        if new[start:start + len(old)] == old:
            # An empty folder stands for the current one, where nothing should be run from.
            front, behind = ([folder for folder in part if folder] for part in (new[:start], new[start + len(old):]))
            if all(re.fullmatch(CONTAINER_PATH, folder) for folder in front + behind):
                return front, behind
    return [], []


def layer_pythonpath(after: Mapping[str, str]) -> str:
    """$PYTHONPATH after activating, without what would put packages of the image before those of the layer."""
    return ':'.join(folder for folder in after.get('PYTHONPATH', '').split(':') if folder.startswith(LAYER + '/'))


def with_layer_pythonpath(env: Mapping[str, str], after: Mapping[str, str]) -> Variables:
    """Variables that activating sets, for a layer: of $PYTHONPATH, only what packages of the layer have put there."""
    changed = {name: value for name, value in env.items() if name != 'PYTHONPATH'}
    if after.get('PYTHONPATH'):
        changed['PYTHONPATH'] = layer_pythonpath(after)
    return changed


def show_name(name: str) -> str:
    """Name of a variable for a message."""
    return name if name.isprintable() else repr(name)


def show(value: Optional[str]) -> str:
    """Value of a variable for a message."""
    return "not set" if value is None else repr(value)
