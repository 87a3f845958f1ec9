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
Files of packages, by their names, and what pip sees of its surroundings when it installs them in a container

Used by ebsif, too: needs nothing but the standard library.
"""
import re
from typing import Dict, List, Tuple, Union

# The options of pip, each of which an image may set by a variable.
PIP_OPTIONS = """
    abi all-releases break-system-packages build-constraint cache-dir cert check-build-dependencies client-cert compile
    config-settings constraint debug default-timeout dest destination-dir destination-directory
    disable-pip-version-check dry-run editable exists-action extra-index-url find-links force-reinstall group
    ignore-installed ignore-requires-python implementation index-url isolated keyring-provider local-log log log-file
    no-binary no-build-isolation no-cache-dir no-clean no-color no-compile no-dependencies no-deps no-index no-input
    no-proxy-env no-python-version-warning no-require-hashes no-user no-verify no-warn-conflicts no-warn-script-location
    only-binary only-dependencies only-deps only-final platform pre prefer-binary prefix progress-bar proxy pypi-url
    python python-version quiet refresh-package report require-hashes require-venv require-virtualenv requirement
    requirements-from-script resume-retries retries root root-user-action source source-dir source-directory src target
    timeout trusted-host upgrade upgrade-strategy uploaded-prior-to use-deprecated use-feature use-pep517 user verbose
    wheel-dir"""

# Nothing of the configuration of the builder or the image, and no bytecode: that is compiled later, all at once.
# For pip, what is empty is not set.
PYTHON_ENV = {'PIP_' + option.upper().replace('-', '_'): '' for option in PIP_OPTIONS.split()}
PYTHON_ENV.update({
    'LANG': 'C.UTF-8',
    'PYTHONDONTWRITEBYTECODE': '1',
    'PYTHONHASHSEED': '0',
    'PYTHONNOUSERSITE': '1',
    'PYTHONPATH': '',
})

# The oldest Python of an environment.
MINIMUM_PYTHON = [3, 8]

# Nearly every environment of conda with a Python has these, and no package needs those of the image.
CONDA_OWN_PACKAGES = {'pip', 'setuptools', 'wheel'}

SOURCE_SUFFIXES = ('.tar.gz', '.tar.xz', '.zip')
# What a file of a commit has at the end of its name, since two of them may have the same version.
COMMIT = re.compile(r'-g[0-9a-f]{12}$')

# How build backends are told the version that they would ask git for.
VERSION_VARIABLES = ('PBR_VERSION', 'PDM_BUILD_SCM_VERSION', 'POETRY_DYNAMIC_VERSIONING_BYPASS',
                     'SETUPTOOLS_SCM_PRETEND_VERSION', 'UV_DYNAMIC_VERSIONING_BYPASS')
CONDA_SUFFIXES = ('.conda', '.tar.bz2')

# How conda calls the machines that `uname -m` calls otherwise.
CONDA_MACHINES = {'i686': '32', 'x86_64': '64'}

# PEP 440, with all the spellings that it allows.
VERSION = re.compile(
    r'v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)'
    r'(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>[0-9]*))?'
    r'(?:-(?P<post_only>[0-9]+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>[0-9]*))?'
    r'(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>[0-9]*))?'
    r'(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?')
PRE_RELEASES = {'alpha': 'a', 'beta': 'b', 'c': 'rc', 'pre': 'rc', 'preview': 'rc'}


def canonical(name: str) -> str:
    """Name of a package as PyPI compares it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def normal_version(version: str) -> Union[str, Tuple[str, ...]]:
    """A version as Python packages compare it for equality (PEP 440); what is no such version is compared as text."""
    match = VERSION.fullmatch(version.strip().lower())
    if match is None:
        return version
    part = match.groupdict('')
    release = re.sub(r'(\.0+)+$', '', '.'.join(str(int(number)) for number in part['release'].split('.')))
    pre, post, dev = (part[name] and part[name] + str(int(part[name + '_number'] or 0))
                      for name in ('pre', 'post', 'dev'))
    if pre:
        pre = PRE_RELEASES.get(part['pre'], part['pre']) + pre[len(part['pre']):]
    if post or part['post_only']:
        post = str(int(part['post_only'] or part['post_number'] or 0))
    local = '.'.join(str(int(word)) if word.isdigit() else word for word in re.split(r'[-_.]', part['local']))
    return part['epoch'].lstrip('0'), release, pre, post, dev, local


def python_minor(version: str) -> List[int]:
    """The first two numbers of the version of a Python."""
    return [int(number) for number in re.findall(r'[0-9]+', version)[:2]]


def is_wheel(filename: str) -> bool:
    """Whether a file is a wheel, by its name (PEP 427)."""
    return filename.endswith('.whl') and len(filename.split('-')) >= 5


def is_conda_package(filename: str) -> bool:
    """Whether a file is a conda package, by its name."""
    return filename.endswith(CONDA_SUFFIXES)


def conda_stem(filename: str) -> str:
    """Name, version and build of a conda package, joined by dashes, from the name of its file."""
    return next(filename[:-len(suffix)] for suffix in CONDA_SUFFIXES if filename.endswith(suffix))


def conda_platform(machine: str) -> str:
    """What conda calls linux on a machine that `uname -m` calls so."""
    return 'linux-' + CONDA_MACHINES.get(machine, machine)


def is_file_of(filename: str, name: str, version: str) -> bool:
    """Whether a wheel or source package is of this package and version, by its name."""
    if is_wheel(filename):
        # Names of wheels have underscores for dashes.
        candidates = [[part.replace('_', '-') for part in filename.split('-')[:2]]]
    else:
        # Names have dashes where the file is older than PEP 625, and versions may have them.
        stem = COMMIT.sub('', next(filename[:-len(suffix)] for suffix in SOURCE_SUFFIXES if filename.endswith(suffix)))
        candidates = [[stem[:at.start()], stem[at.end():]] for at in re.finditer('-', stem)]
    return (canonical(name), normal_version(version)) in [(canonical(one), normal_version(other))
                                                          for one, other in candidates]


def version_variables(version: str) -> Dict[str, str]:
    """Variables that tell a build the version of a package that takes it from git."""
    return dict.fromkeys(VERSION_VARIABLES, version)
