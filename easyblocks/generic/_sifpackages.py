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
from easybuild.tools.filetools import copy_file, mkdir, write_file
from easybuild.tools.utilities import trace_msg

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


class PythonPackages:
    """The part of LayeredContainer that installs Python packages"""

    def provide_file(self, ext):
        """Put the file of an extension where the container sees it, and make sure that it is what it should be."""
        filename = os.path.basename(ext['src'])
        if not (is_wheel(filename) or filename.endswith(SOURCE_SUFFIXES)):
            raise EasyBuildError("%s: %s is not the name of a wheel or of a source package (%s), and %s installs "
                                 "nothing else.", ext['name'], filename, ', '.join(SOURCE_SUFFIXES),
                                 type(self).__name__)
        if not is_file_of(filename, ext['name'], ext['version']):
            raise EasyBuildError("%s %s: the file %s belongs to another package or version.", ext['name'],
                                 ext['version'], filename)
        if not is_wheel(filename):
            unpack_source(ext['src'], os.path.join(self.build_dir, self.source_folder(ext)))
            return
        target = os.path.join(self.wheels_dir, filename)
        try:
            os.link(ext['src'], target)
        except OSError:
            # Another file system, or one without hard links.
            copy_file(ext['src'], target)

    @staticmethod
    def source_folder(ext):
        """Name of the folder that a source package is built in"""
        return '%s-%s' % (canonical(ext['name']), ext['version'])

    @property
    def installer(self):
        """Path in the container of the pip that installs Python packages: the one of exts_list"""
        for ext in self.exts:
            if canonical(ext['name']) == 'pip' and is_wheel(os.path.basename(ext['src'])):
                return os.path.join(WHEELS, os.path.basename(ext['src']))
        raise EasyBuildError("exts_list must have pip, as a wheel: Python packages are installed by a pip of known "
                             "version, not by the one that happens to be in the image.")

    def refuse_base_packages(self, packages, base):
        """Refuse Python packages for the layer that the image has; both are versions by name."""
        allowed = {canonical(name) for name in self.cfg['allow_base_packages']} | self.OWN_PACKAGES
        for name in packages:
            other = canonical(name)
            if other in base and other not in allowed:
                raise EasyBuildError("%s %s is in exts_list, but the image has %s %s. Remove it from exts_list to use "
                                     "that of the image, or add it to 'allow_base_packages' to replace it on purpose.",
                                     name, packages[name], other, base[other])

    def install_python_packages(self):
        """Install all Python packages at once, by one call of pip."""
        packages = self.locked_packages()
        trace_msg("installing %d packages into %s" % (len(packages), self.env_dir))
        for name in packages:
            self.log.info("Package of the layer: %s %s", name, packages[name])
        if self.dry_run:
            return
        for ext in self.exts:
            if os.path.basename(ext['src']).endswith(SOURCE_SUFFIXES):
                self.build_wheel(ext)
        requirements = os.path.join(self.wheels_dir, 'requirements.txt')
        write_file(requirements, ''.join('%s==%s\n' % (name, packages[name]) for name in packages))
        command = [self.env_python, os.path.join(self.installer, 'pip'), 'install'] + INSTALL_OPTIONS
        self.run_or_fail(command + ['--requirement', os.path.join(WHEELS, 'requirements.txt')],
                         "installing the packages")

    def build_wheel(self, ext):
        """Build a source package, with nothing but the files of exts_list; its wheel goes beside the others."""
        trace_msg("building %s %s" % (ext['name'], ext['version']))
        command = [self.build_python, os.path.join(self.installer, 'pip'), 'wheel'] + BUILD_OPTIONS
        binds = self.layer_in_work() + ['%s:%s' % (self.wheels_dir, WHEELS), '%s:%s' % (self.build_dir, BUILD)]
        self.run_or_fail(command + ['--wheel-dir', WHEELS, os.path.join(BUILD, self.source_folder(ext))],
                         "building %s %s" % (ext['name'], ext['version']), binds=binds)
