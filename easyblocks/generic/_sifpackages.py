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
Files of packages, and how pip installs and builds those of Python in a container
"""
import os
import re
import shutil
import tarfile
import zipfile

from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.filetools import mkdir

# Where the container sees the files while a layer is made.
WHEELS = '/ebsif/wheels'
BUILD = '/ebsif/build'

# Nothing of the builder's configuration, no network, and no bytecode: that is compiled later, all at once.
INSTALL_ENV = {
    'LANG': 'C.UTF-8',
    'PIP_CONFIG_FILE': '/dev/null',
    'PIP_DISABLE_PIP_VERSION_CHECK': '1',
    'PIP_NO_INPUT': '1',
    'PYTHONDONTWRITEBYTECODE': '1',
    'PYTHONHASHSEED': '0',
    'PYTHONNOUSERSITE': '1',
    'PYTHONPATH': '',
    # The first day that a zip file, and so a wheel, can hold.
    'SOURCE_DATE_EPOCH': '315532800',
}
INSTALL_OPTIONS = ['--no-index', '--find-links', WHEELS, '--no-deps', '--only-binary', ':all:', '--ignore-installed',
                   '--no-compile', '--no-cache-dir', '--no-warn-script-location', '--root-user-action', 'ignore']
BUILD_OPTIONS = ['--no-index', '--find-links', WHEELS, '--no-deps', '--no-cache-dir']

SOURCE_SUFFIXES = ('.tar.gz', '.zip')
CONDA_SUFFIXES = ('.conda', '.tar.bz2')


def canonical(name):
    """Name of a package as PyPI compares it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def is_wheel(filename):
    """Whether a file is a wheel, by its name (PEP 427)."""
    return filename.endswith('.whl') and len(filename.split('-')) >= 5


def is_conda_package(filename):
    """Whether a file is a conda package, by its name."""
    return filename.endswith(CONDA_SUFFIXES)


def source_name(ext):
    """Name of the file of an entry of exts_list, as EasyBuild has read it"""
    source = ext['options']['sources'][0]
    return source['filename'] if isinstance(source, dict) else source


def is_file_of(filename, name, version):
    """Whether a wheel or source package is of this package and version, by its name."""
    if is_wheel(filename):
        parts = filename.split('-')
        return (canonical(parts[0]), parts[1]) == (canonical(name), version.replace('-', '_'))
    # Names have dashes where the file is older than PEP 625.
    stem = next(filename[:-len(suffix)] for suffix in SOURCE_SUFFIXES if filename.endswith(suffix))
    return stem.endswith('-' + version) and canonical(stem[:-len(version) - 1]) == canonical(name)


def unpack_source(path, target):
    """Unpack a source package; its only folder becomes target."""
    temporary = target + '.unpacked'
    mkdir(temporary, parents=True)
    try:
        # Not EasyBuild's extract_file, whose command breaks at spaces in a path.
        shutil.unpack_archive(path, temporary)
    except (shutil.ReadError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as err:
        raise EasyBuildError("%s cannot be unpacked: %s", path, err) from err
    folders = os.listdir(temporary)
    if len(folders) != 1 or not os.path.isdir(os.path.join(temporary, folders[0])):
        raise EasyBuildError("%s is not a source package of Python: it should hold one folder, and has: %s", path,
                             ', '.join(sorted(folders)) or "nothing")
    os.rename(os.path.join(temporary, folders[0]), target)
    os.rmdir(temporary)
