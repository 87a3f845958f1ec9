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
EasyBuild support for Python packages in a layer on top of a container image, implemented as an easyblock

All are installed at once, by a pip of known version that comes with them, without network; source packages are built in
the container before. SifPython is abstract: SifVenv and SifConda say what Python that is.
"""
import json
import os
import re

from easybuild.easyblocks.generic._sifactivation import LAYER, layer_pythonpath, with_layer_pythonpath
from easybuild.easyblocks.generic._sifcopy import copy_and_hash
from easybuild.easyblocks.generic._sifpackages import MINIMUM_PYTHON, SOURCE_SUFFIXES, canonical, is_file_of, is_wheel
from easybuild.easyblocks.generic._sifpackages import version_variables
from easybuild.easyblocks.generic._siftext import FOLDER_WITHIN, files_path
from easybuild.easyblocks.generic.siflayer import LAYER_PY, WHEELS, SifLayer, show_version
from easybuild.easyblocks.generic.stagedeasyblock import list_folder
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit
from easybuild.tools.config import build_option
from easybuild.tools.filetools import compute_checksum, copy_file, mkdir, read_file, write_file
from easybuild.tools.run import RunShellCmdError
from easybuild.tools.utilities import trace_msg

# The module in the layer that extends what Python imports: venv, and mpi4py.
IMPORT_HOOK = '_ebsif_layer'

# Where the container sees what it needs while packages are built.
SOURCES = '/ebsif/sources'
BUILD = '/ebsif/build'
BUILT = '/ebsif/built'

INSTALL_OPTIONS = ['--no-index', '--find-links', WHEELS, '--no-deps', '--only-binary', ':all:', '--ignore-installed',
                   '--no-compile', '--no-cache-dir', '--no-warn-script-location', '--root-user-action', 'ignore',
                   '--require-hashes']
BUILD_OPTIONS = ['--no-index', '--find-links', WHEELS, '--no-deps', '--no-cache-dir']


# What tells the version of a source package that somebody has released.
RELEASED = 'PKG-INFO'

# Seconds after which the build of a source package is taken to hang: compilers work for hours. A site may set another
# number in a file for `eb --hooks`.
BUILD_SECONDS = 6 * 3600


class SifPython(SifLayer):
    """Support for Python packages in a layer; abstract, see SifVenv and SifConda"""

    PARAMETER_TYPES = dict(SifLayer.PARAMETER_TYPES, base_python=str, import_check=list)

    # Every environment has its own of these, whatever the image has.
    OWN_PACKAGES = {'pip'}

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of all easyblocks with Python packages in a layer"""
        extra_vars = SifLayer.extra_options(extra_vars)
        extra_vars.update({
            'base_python': [None, "Python of the image (absolute path)", CUSTOM],
            'allow_base_packages': [[], "Packages that may be in the layer although the image has them, too, or others "
                                        "with the same modules", CUSTOM],
            'import_check': [None, "Packages of the layer that the sanity check imports (default: the Python packages "
                                   "in exts_list that none of the others needs)", CUSTOM],
            'import_exceptions': [{}, "Packages that the sanity check does not import: the reason, by name", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise what packages need"""
        super().__init__(*args, **kwargs)
        # SHA256 of what pip installs, by the name of the file.
        self.wheel_checksums = {}

    # Values of the easyconfig

    @property
    def python_below(self):
        """Path in the container of the Python of the image whose packages the environment sees, or None"""
        return self.cfg['base_python']

    @property
    def build_python(self):
        """Path in the container of the Python that builds source packages"""
        return self.env_python

    def check_parameters(self):
        """Refuse values that could not work."""
        super().check_parameters()
        self.check_packages('import_check')
        self.check_packages('import_exceptions')
        for ext in self.cfg.get_ref('exts_list'):
            if 'start_dir' in ext[2]:
                self.check_texts('exts_list', [ext[2]['start_dir']], FOLDER_WITHIN,
                                 "the path of a folder in the source package of %s" % ext[0])
        self.check_texts('import_exceptions', self.cfg['import_exceptions'].values(), r'.*\S.*',
                         "the reason for which a package is not imported")
        if self.cfg['base_python'] is not None:
            self.check_texts('base_python', [self.cfg['base_python']], r'/[^\s]*',
                             "the absolute path of the image's Python")

    # Steps

    def fetch_source(self, source, checksum=None, extension=False, **kwargs):
        """Also tell what has happened where a commit or a tag is not any more what it was."""
        moves = source if extension and isinstance(source, dict) else {}
        commit = moves.get('git_config') or {}
        remote = moves.get('download_filename') or moves.get('filename', '')
        if '+' in remote and not commit:
            # EasyBuild does not quote it, and a bucket of S3, as PyTorch's index is, takes it for a space.
            source = dict(moves, download_filename=remote.replace('+', '%2B'))
        try:
            found = super().fetch_source(source, checksum=checksum, extension=extension, **kwargs)
        except (EasyBuildError, RunShellCmdError) as err:
            if not commit:
                raise
            raise EasyBuildError("The commit %s of %s/%s.git cannot be had: %s. If git can log in there, its branch "
                                 "was rewritten, or the repository is gone: copy %s from the sources of somebody who "
                                 "has it, or lock what is there now (`ebsif generate --upgrade`).",
                                 commit.get('commit'), commit.get('url'), commit.get('repo_name'),
                                 getattr(err, 'msg', err), source['filename'],
                                 exit_code=EasyBuildExit.FAIL_DOWNLOAD) from err
        if (commit or moves.get('download_filename')) and checksum and os.path.exists(found['path']):
            sha256 = compute_checksum(found['path'], checksum_type='sha256')
            if sha256 not in checksum and not build_option('ignore_checksums'):
                why = ("a filter in the configuration of git changes files" if commit else
                       "its tag was moved, or its forge packs it in another way than before")
                raise EasyBuildError("Checksum verification for %s failed: the easyconfig says %s, and it has SHA256 "
                                     "%s. If it was fetched just now, %s, and `ebsif generate --upgrade` locks what is "
                                     "there now; else remove it, to fetch it again.", found['path'],
                                     ' or '.join(checksum), sha256, why, exit_code=EasyBuildExit.FAIL_CHECKSUM)
        return found

    def probe_python(self, python, wheels=()):
        """What a Python of the container is and has, and which of the wheels it cannot use."""
        try:
            return self.run_layer_py(python, ['probe'] + (['--installer', self.installer] + wheels if wheels else []))
        except EasyBuildError as err:
            self.start_base(['true'])
            if self.run_in_container(['test', '-x', python]).exit_code != EasyBuildExit.SUCCESS:
                raise EasyBuildError("The image %s has no Python at %s: correct 'base_python', or take an image with "
                                     "it.", self.src[0]['origin'], python) from err
            raise

    def check_python_version(self, version, where):
        """Refuse a Python that is too old."""
        if version < MINIMUM_PYTHON:
            raise EasyBuildError("Python %s of the %s is too old: %s needs %s or newer.", show_version(version), where,
                                 type(self).__name__, show_version(MINIMUM_PYTHON))

    def install_import_hook(self, site_packages):
        """Let the Python of the layer, whose folder for packages it is, import what extends venv and mpi4py."""
        module, start = (self.in_build(os.path.join(site_packages, name))
                         for name in (IMPORT_HOOK + '.py', IMPORT_HOOK.strip('_') + '.pth'))
        copy_file(files_path(IMPORT_HOOK + '.py'), module)
        write_file(start, 'import %s\n' % IMPORT_HOOK)

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
        if is_wheel(filename):
            self.wheel_checksums[filename] = self.copy_verified(ext, self.wheels_dir)
        else:
            self.copy_verified(ext, self.sources_dir)

    def copy_verified(self, ext, folder):
        """
        Copy the file of an extension into a folder, and return the SHA256 of the copy, which must be the right one.

        EasyBuild has verified the file before, but somebody may have changed it since.
        """
        found = copy_and_hash(ext['src'], os.path.join(folder, os.path.basename(ext['src'])))
        if found not in ext['options']['checksums'] and not build_option('ignore_checksums'):
            raise EasyBuildError("Checksum verification for %s failed: the easyconfig says %s, and what was copied "
                                 "just now has SHA256 %s.", ext['src'], ' or '.join(ext['options']['checksums']), found,
                                 exit_code=EasyBuildExit.FAIL_CHECKSUM)
        ext['sha256'] = found
        return found

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

    def install_packages(self):
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
        # With the SHA256 of each, pip looks once more whether it installs what was verified.
        wanted = {canonical(name): packages[name] for name in packages}
        lines = ['%s==%s --hash=sha256:%s\n' % (name, wanted[name], self.wheel_checksums[filename])
                 for filename in sorted(self.wheel_checksums)
                 for name in wanted if is_file_of(filename, name, wanted[name])]
        write_file(os.path.join(self.wheels_dir, 'requirements.txt'), ''.join(lines))
        command = [self.env_python, os.path.join(self.installer, 'pip'), 'install'] + INSTALL_OPTIONS
        pythons = self.files_of_python()
        self.run_or_fail(command + ['--requirement', os.path.join(WHEELS, 'requirements.txt')],
                         "installing the packages")
        if self.files_of_python() != pythons:
            raise EasyBuildError("One of the packages in exts_list brings a command named as the Python of the "
                                 "environment, and has replaced it: leave it out.")

    def files_of_python(self):
        """Which files are the Python of the environment, under all its names"""
        folder = self.in_build(os.path.dirname(self.env_python))
        found = {name: os.lstat(os.path.join(folder, name)) for name in list_folder(folder)
                 if re.fullmatch('python[0-9.]*', name)}
        return {name: (found[name].st_ino, found[name].st_mtime) for name in found}

    def build_wheel(self, ext):
        """
        Build a source package, with nothing but the files of exts_list, of which it can change none.

        Its wheel goes beside the others.
        """
        trace_msg("building %s %s" % (ext['name'], ext['version']))
        what = "building %s %s" % (ext['name'], ext['version'])
        folder = self.source_folder(ext)
        build_dir, built_dir = (os.path.join(self.builddir, kind, folder) for kind in ('build', 'built'))
        mkdir(build_dir, parents=True)
        mkdir(built_dir, parents=True)
        binds = ['%s:%s:ro' % bind for bind in ((self.layer_dir, LAYER), (self.wheels_dir, WHEELS),
                                                (self.sources_dir, SOURCES))]
        binds += ['%s:%s' % (build_dir, BUILD), '%s:%s' % (built_dir, BUILT)]
        start_dir = ext['options'].get('start_dir') or ''
        archive = os.path.join(SOURCES, os.path.basename(ext['src']))
        self.run_layer_py(self.build_python, ['unpack', archive, os.path.join(BUILD, folder)], binds=binds)
        # What comes from a repository may take its version from there.
        released = os.path.exists(os.path.join(build_dir, folder, start_dir, RELEASED))
        command = [self.build_python, LAYER_PY, 'pip', self.installer, 'wheel'] + BUILD_OPTIONS
        self.run_or_fail(command + ['--wheel-dir', BUILT, os.path.join(BUILD, folder, start_dir)], what, binds=binds,
                         limit=BUILD_SECONDS, env={} if released else version_variables(ext['version']))
        names = sorted(os.listdir(built_dir))
        if len(names) != 1 or not is_wheel(names[0]) or not is_file_of(names[0], ext['name'], ext['version']):
            raise EasyBuildError("%s has made %s, where a wheel of that package and version was expected.",
                                 what.capitalize(), ', '.join(names) or "nothing")
        self.wheel_checksums[names[0]] = copy_and_hash(os.path.join(built_dir, names[0]),
                                                       os.path.join(self.wheels_dir, names[0]))

    def finish_environment(self):
        """Compile what was installed, and add the commands of the Python below; return names of all commands."""
        if not self.env_python:
            return []
        trace_msg("compiling Python modules with %d processes" % self.cfg.parallel)
        below = ['--below', self.python_below] if self.python_below else []
        found = self.run_layer_py(self.env_python, ['finish', self.env_dir, '--jobs', str(self.cfg.parallel)] + below)
        for path, reason in sorted(found['failed'].items()):
            self.log.warning("%s is no Python for this version: %s", path, reason)
        trace_msg("%d modules compiled, %d files left as they are" % (found['compiled'], len(found['failed'])))
        if below:
            trace_msg("%d commands of the image run with the Python of the layer" % len(found['added']))
            self.log.info("Commands of the image that run with the Python of the layer: %s", ', '.join(found['added']))
        return found['scripts']

    def changes_of_activating(self, before, after, personal):
        """Also see to it that no PYTHONPATH puts the packages of the image before those of the layer."""
        changes = super().changes_of_activating(before, after, personal)
        changes['env'] = with_layer_pythonpath(changes['env'], after)
        return changes

    # Sanity check

    def sanity_check_container(self):
        """Also check the packages"""
        problems = super().sanity_check_container()
        # A module can be made again for a layer that its user has changed.
        if self.was_checked_elsewhere:
            trace_msg("the layer is, to the last byte, the one that was checked where its content was pinned")
        elif self.has_packages and not self.module_only:
            found = self.check_layer()
            for title, what in (("the layer has the packages of the easyconfig", 'packages'),
                                ("packages can be imported", 'imports')):
                trace_msg("%s: %s" % (title, "FAILED" if found[what] else "OK"))
                problems.extend(found[what])
        return problems

    def compare_environments(self, by_hand, loaded, personal):
        """Also see to it that no PYTHONPATH of the image puts its packages before those of the layer."""
        problems = super().compare_environments(by_hand, loaded, personal)
        expected, found = layer_pythonpath(by_hand), loaded.get('PYTHONPATH', '')
        if found != expected and 'PYTHONPATH' not in self.cfg['container_env']:
            problems.append("the image sets $PYTHONPATH to %s, which Python searches before the layer; to undo that, "
                            "add 'PYTHONPATH': %r to 'container_env'" % (found, expected))
        return problems

    def _sanity_check_step_extensions(self):
        """All packages have been checked at once in sanity_check_container; EasyBuild would do it one by one."""

    def check_layer(self):
        """
        Look, as users do, and without GPUs, at what the layer has, and whether it can be imported.

        :return: what is wrong with 'packages', and with 'imports', as lists of sentences
        """
        if not self.env_python:
            return {'packages': [], 'imports': []}
        exceptions = {canonical(name): reason for name, reason in self.cfg['import_exceptions'].items()}
        for name in sorted(exceptions):
            trace_msg("%s is not imported: %s" % (name, exceptions[name]))
        res = self.run_through_wrapper('python', ['-', 'check', json.dumps(self.wanted_in_layer(exceptions))],
                                       stdin=read_file(files_path('layer.py')))
        self.log.debug("Checking packages: %s", res.stderr)
        if res.exit_code != EasyBuildExit.SUCCESS:
            return {'packages': ["packages could not be checked: %s" % res.stderr.strip()], 'imports': []}
        found = json.loads(res.output.splitlines()[-1])
        found['imports'] = ["%s. Take another version or build of it, leave it out, or except it in "
                            "'import_exceptions', with the reason" % problem for problem in found['imports']]
        return found

    def wanted_in_layer(self, exceptions=()):
        """What layer.py is to find in the layer, and to import but for the exceptions"""
        packages, wanted = self.locked_packages(), self.cfg['import_check']
        imports = [canonical(name) for name in (packages if wanted is None else wanted)]
        return {
            'allowed': self.cfg['allow_base_packages'],
            'base': None,
            'environment': self.env_dir,
            'imports': [name for name in imports if name not in exceptions],
            'packages': packages,
            'unneeded': wanted is None,
        }
