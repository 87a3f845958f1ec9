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
EasyBuild support for a Python venv on top of a container image, implemented as an easyblock

The venv sees the packages of the image. What is added to it, the extensions of the easyconfig, is packed into one
SquashFS file, the layer, which the module mounts in the container; the image itself stays as it is.
"""
import json
import os
import re
import stat

from easybuild.easyblocks.generic._siflayer import content_digest, find_mksquashfs, normalise_permissions, pack
from easybuild.easyblocks.generic._sifpackages import BUILD, BUILD_OPTIONS, INSTALL_ENV, INSTALL_OPTIONS, WHEELS
from easybuild.easyblocks.generic._sifpackages import SOURCE_SUFFIXES, canonical, is_file_of, is_wheel, unpack_source
from easybuild.easyblocks.generic._siftext import files_path
from easybuild.easyblocks.generic.sifcontainer import SifContainer
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg
from easybuild.tools.filetools import adjust_permissions, compute_checksum, copy_dir, copy_file, mkdir, read_file
from easybuild.tools.filetools import remove_dir, symlink, write_file
from easybuild.tools.utilities import trace_msg

LAYER = '/user-software'
LAYER_FOLDER = 'user-software'
LAYER_IMAGE = 'user-software.squashfs'
# What is known of a layer, beside it in the installation.
LAYER_RECORD = 'layer.json'

# Where the container sees what it needs while the layer is made; more of that is in _sifpackages.
LAYER_PY = '/ebsif/layer.py'

MINIMUM_PYTHON = [3, 8]


class SifVenv(SifContainer):
    """Support for adding a Python venv to a container image"""

    ADDS_PACKAGES = True

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of SifVenv"""
        extra_vars = SifContainer.extra_options(extra_vars)
        extra_vars.update({
            'base_python': [None, "Python of the image that the venv is made with (absolute path)", CUSTOM],
            'venv_name': [None, "Name of the venv, a folder in %s/venv (default: name of the software in "
                                "lower case)" % LAYER, CUSTOM],
            'build_packages': [[], "Packages in exts_list that only build the source packages there", CUSTOM],
            'allow_base_packages': [[], "Packages that may be in the layer although the image has them, too", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise SifVenv-specific variables"""
        super().__init__(*args, **kwargs)
        self.layer_dir = None
        self.wheels_dir = None
        self.build_dir = None
        self.console_scripts = []

    # Values of the easyconfig

    @property
    def venv_name(self):
        """Name of the venv"""
        return self.cfg['venv_name'] or self.name.lower()

    @property
    def env_dir(self):
        """Path of the venv in the container"""
        return os.path.join(LAYER, 'venv', self.venv_name)

    @property
    def has_packages(self):
        """Whether the layer has packages; without, the user fills it"""
        return bool(self.cfg.get_ref('exts_list'))

    def is_build_package(self, name):
        """Whether a package in exts_list is there to build others, and not for the layer"""
        return canonical(name) in {canonical(other) for other in self.cfg['build_packages']}

    def locked_packages(self, build=False):
        """Version of each package that the easyconfig puts into the layer, or builds others with"""
        exts = self.exts or self.collect_exts_file_info(fetch_files=False, verify_checksums=False)
        return {ext['name']: ext['version'] for ext in exts if self.is_build_package(ext['name']) == build}

    def make_extension_list(self, *args, **kwargs):
        """Only what is in the layer"""
        extensions = super().make_extension_list(*args, **kwargs)
        return [extension for extension in extensions if not self.is_build_package(extension[0])]

    def container_path(self):
        """The venv goes before all of the image."""
        path, own = super().container_path(), os.path.join(self.env_dir, 'bin')
        # What activating was found to do includes it.
        return path[:1] + [own] + [folder for folder in path[1:] if folder != own]

    def container_env(self):
        """Also what activating the venv sets"""
        env = super().container_env()
        env.setdefault('VIRTUAL_ENV', self.env_dir)
        return env

    def activation_commands(self):
        """Also activate the venv"""
        return super().activation_commands() + ['source %s/bin/activate' % self.env_dir]

    def container_scripts(self):
        """Also those for Python packages"""
        return super().container_scripts() + ['list-packages', 'pip']

    def container_commands(self):
        """Also what Python users expect, and the commands of the packages in the layer"""
        return sorted(set(super().container_commands() + ['list-packages', 'pip', 'python'] + self.console_scripts))

    def host_commands(self):
        """Also those that pack and unpack the layer"""
        return super().host_commands() + ['make-squashfs', 'unmake-squashfs']

    def check_parameters(self):
        """Refuse values that could not work."""
        super().check_parameters()
        self.check_texts('base_python', [self.cfg['base_python']], r'/[^\s]*',
                         "the absolute path of the image's Python")
        self.check_texts('venv_name', [self.venv_name], r'[A-Za-z0-9_][A-Za-z0-9_.+-]*', "a name for a venv")
        for ext in self.cfg.get_ref('exts_list'):
            if not (isinstance(ext, (list, tuple)) and len(ext) == 3 and ext[2].get('sources')):
                self.fail_parameter('exts_list', "%r must be a name, a version, and a dictionary with 'sources' and "
                                                 "'checksums'", ext)
            self.check_texts('exts_list', ext[2].get('checksums') or [None], r'[0-9a-f]{64}',
                             "the SHA256 of the file of %s" % ext[0])
        names = {canonical(ext[0]) for ext in self.cfg.get_ref('exts_list')}
        for name in self.cfg['build_packages']:
            if canonical(name) not in names - {'pip'}:
                self.fail_parameter('build_packages', "%r is not in exts_list, or it is pip, which every layer has",
                                    name)

    # Steps

    def configure_step(self):
        """See whether the easyconfig fits the image, before anything is installed."""
        super().configure_step()
        self.layer_dir = os.path.join(self.builddir, LAYER_FOLDER)
        self.wheels_dir = os.path.join(self.builddir, 'wheels')
        self.build_dir = os.path.join(self.builddir, 'build')
        if self.dry_run:
            return
        mkdir(self.layer_dir, parents=True)
        mkdir(self.wheels_dir, parents=True)
        mkdir(self.build_dir, parents=True)
        if self.has_packages:
            find_mksquashfs()
        for ext in self.exts:
            self.provide_file(ext)

        python = self.cfg['base_python']
        if self.run_in_container(['test', '-x', python]).exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("The image %s has no Python at %s: correct 'base_python', or take an image with it.",
                                 self.src[0]['path'], python)
        arguments = ['look']
        if self.has_packages:
            files = [os.path.basename(ext['src']) for ext in self.exts]
            arguments += ['--installer', self.installer] + [name for name in files if is_wheel(name)]
        base = self.run_layer_py(python, arguments)
        version = '.'.join(str(part) for part in base['version'])
        trace_msg("the image has Python %s and %d packages" % (version, len(base['packages'])))
        if base['version'] < MINIMUM_PYTHON:
            raise EasyBuildError("Python %s of the image is too old: SifVenv needs %s or newer.", version,
                                 '.'.join(str(part) for part in MINIMUM_PYTHON))
        self.check_wheels(base, version)

    def provide_file(self, ext):
        """Put the file of an extension where the container sees it, and make sure that it is what it should be."""
        filename = os.path.basename(ext['src'])
        if not (is_wheel(filename) or filename.endswith(SOURCE_SUFFIXES)):
            raise EasyBuildError("%s: %s is not the name of a wheel or of a source package (%s), and SifVenv installs "
                                 "nothing else.", ext['name'], filename, ', '.join(SOURCE_SUFFIXES))
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
        """Path in the container of the pip that installs the packages: the one of the layer"""
        for ext in self.exts:
            if canonical(ext['name']) == 'pip' and is_wheel(os.path.basename(ext['src'])):
                return os.path.join(WHEELS, os.path.basename(ext['src']))
        raise EasyBuildError("exts_list must have pip, as a wheel: the layer is installed by a pip of known version, "
                             "not by the one that happens to be in the image.")

    def check_wheels(self, base, version):
        """Refuse wheels that cannot be installed on the image, or must not."""
        unsupported = base.get('unsupported')
        if unsupported:
            raise EasyBuildError("These wheels are not for Python %s of the image %s on this platform: %s. Take those "
                                 "that are, from the same release.", version, self.image_name, ', '.join(unsupported))
        # Every venv has its own pip.
        allowed = {canonical(name) for name in self.cfg['allow_base_packages']} | {'pip'}
        for ext in self.exts:
            name = canonical(ext['name'])
            if name in base['packages'] and name not in allowed and not self.is_build_package(name):
                raise EasyBuildError("%s %s is in exts_list, but the image has %s %s. Remove it from exts_list to use "
                                     "that of the image, or add it to 'allow_base_packages' to replace it on purpose.",
                                     ext['name'], ext['version'], name, base['packages'][name])

    def build_step(self):
        """Make an empty venv."""
        trace_msg("making the venv %s" % self.env_dir)
        if self.dry_run:
            return
        mkdir(self.in_build(os.path.dirname(self.env_dir)), parents=True)
        self.run_layer_py(self.cfg['base_python'], ['create', self.env_dir] + ([] if self.has_packages else ['--pip']))

    def extensions_step(self, fetch=False, install=True):
        """Install all packages at once."""
        if fetch:
            self.exts = self.collect_exts_file_info(fetch_files=True)
        if not self.has_packages or not install:
            return
        if self.skip:
            self.check_skipped_layer()
            return
        packages = self.locked_packages()
        trace_msg("installing %d packages into %s" % (len(packages), self.env_dir))
        for name in packages:
            self.log.info("Package of the layer: %s %s", name, packages[name])
        if self.dry_run:
            return
        for ext in self.exts:
            if not is_wheel(os.path.basename(ext['src'])):
                self.build_wheel(ext)
        requirements = os.path.join(self.wheels_dir, 'requirements.txt')
        write_file(requirements, ''.join('%s==%s\n' % (name, packages[name]) for name in packages))
        command = [os.path.join(self.env_dir, 'bin', 'python'), os.path.join(self.installer, 'pip'), 'install']
        self.run_or_fail(command + INSTALL_OPTIONS + ['--requirement', os.path.join(WHEELS, 'requirements.txt')],
                         "installing the packages")

    def build_wheel(self, ext):
        """Build a source package, with nothing but the files of exts_list; its wheel goes beside the others."""
        trace_msg("building %s %s" % (ext['name'], ext['version']))
        # By the Python of the image: the venv's sees packages of the image even where pip hides them.
        command = [self.cfg['base_python'], os.path.join(self.installer, 'pip'), 'wheel'] + BUILD_OPTIONS
        binds = ['%s:%s' % (self.wheels_dir, WHEELS), '%s:%s' % (self.build_dir, BUILD)]
        self.run_or_fail(command + ['--wheel-dir', WHEELS, os.path.join(BUILD, self.source_folder(ext))],
                         "building %s %s" % (ext['name'], ext['version']), binds=binds)

    def check_skipped_layer(self):
        """With --skip, the layer that is there must be the one of the easyconfig."""
        path = os.path.join(self.installdir, LAYER_RECORD)
        record = json.loads(read_file(path)) if os.path.exists(path) else {}
        found = [record.get(key) for key in ('packages', 'build_packages', 'base')]
        if found != [self.locked_packages(), self.locked_packages(build=True), self.base_record()]:
            raise EasyBuildError("The layer in %s is not the one of the easyconfig, and a layer cannot be installed in "
                                 "part: use --rebuild instead of --skip.", self.installdir)
        print_msg("the layer is installed already", log=self.log)

    def post_processing_step(self):
        """Compile and pack the layer, and make commands of the scripts that came with it."""
        if self.dry_run:
            trace_msg("packing the layer into %s" % LAYER_IMAGE if self.has_packages else
                      "leaving an empty venv in %s" % LAYER_FOLDER)
        else:
            self.finish_layer()
        super().post_processing_step()

    def changes_of_activating(self, before, after):
        """Also see to it that no PYTHONPATH puts the packages of the image before those of the layer."""
        changes = super().changes_of_activating(before, after)
        if after.get('PYTHONPATH'):
            changes['env']['PYTHONPATH'] = ''
        return changes

    def finish_layer(self):
        """Compile and pack the layer, and make commands of the scripts that came with it."""
        python = os.path.join(self.env_dir, 'bin', 'python')
        trace_msg("compiling Python modules with %d processes" % self.cfg.parallel)
        compiled = self.run_layer_py(python, ['compile', self.env_dir, '--jobs', str(self.cfg.parallel)])
        for path, reason in sorted(compiled['failed'].items()):
            self.log.warning("%s is no Python for this version: %s", path, reason)
        trace_msg("%d modules compiled, %d files left as they are" % (compiled['compiled'], len(compiled['failed'])))

        self.console_scripts = self.run_layer_py(python, ['scripts', self.env_dir])['scripts']
        self.install_wrappers(self.container_commands())
        for name in self.console_scripts:
            if re.match(r'^pip[0-9.]+$', name):
                # The script that stands before pip stands before pip3, too.
                symlink('pip', os.path.join(self.installdir, 'runscripts', name), use_abspath_source=False)

        normalise_permissions(self.layer_dir)
        if self.has_packages:
            self.pack_layer()
        else:
            trace_msg("leaving an empty venv in %s for the user to fill" % LAYER_FOLDER)
            copy_dir(self.layer_dir, os.path.join(self.installdir, LAYER_FOLDER), symlinks=True)

    def base_record(self):
        """What is written down of the image that a layer was made for"""
        return {'file': self.image_name, 'sha256': self.src[0]['sha256']}

    def pack_layer(self):
        """Pack the layer, and write down what it is."""
        image = os.path.join(self.installdir, LAYER_IMAGE)
        trace_msg("packing %s with %d processes" % (LAYER_IMAGE, self.cfg.parallel))
        compressor = pack(self.layer_dir, image, self.builddir, self.cfg.parallel)
        record = {
            'base': self.base_record(),
            'build_packages': self.locked_packages(build=True),
            'compressor': compressor,
            'content_sha256': content_digest(self.layer_dir),
            'packages': self.locked_packages(),
            'squashfs_sha256': compute_checksum(image, checksum_type='sha256'),
        }
        write_file(os.path.join(self.installdir, LAYER_RECORD), json.dumps(record, indent=1, sort_keys=True) + '\n')
        trace_msg("layer: %d MB (%s), SHA256 %s" % (os.path.getsize(image) >> 20, compressor,
                                                    record['squashfs_sha256']))
        remove_dir(self.layer_dir)

    def permissions_step(self):
        """A venv that is left for the user to fill stays writable, also with --read-only-installdir."""
        super().permissions_step()
        folder = os.path.join(self.installdir, LAYER_FOLDER)
        if os.path.isdir(folder) and not self.dry_run:
            adjust_permissions(folder, stat.S_IWUSR, add=True, recursive=True, relative=True)

    # Sanity check

    def sanity_check_files(self):
        """Also the layer"""
        paths = super().sanity_check_files()
        folder, image = (os.path.join(self.installdir, name) for name in (LAYER_FOLDER, LAYER_IMAGE))
        # Its user may have packed or unpacked it since.
        if os.path.isdir(folder) or not (self.has_packages or os.path.exists(image)):
            paths['dirs'].append(LAYER_FOLDER)
        else:
            paths['files'].append(LAYER_IMAGE)
        if self.has_packages:
            paths['files'].append(LAYER_RECORD)
        return paths

    def sanity_check_container(self):
        """Also check the packages"""
        problems = super().sanity_check_container()
        # A module can be made again for a layer that its user has changed.
        if self.has_packages and not self.module_only:
            found = self.check_packages()
            trace_msg("the layer has the packages of the easyconfig: %s" % ("FAILED" if found else "OK"))
            problems.extend(found)
        return problems

    def compare_environments(self, by_hand, loaded):
        """Also see to it that no PYTHONPATH of the image puts its packages before those of the layer."""
        problems = super().compare_environments(by_hand, loaded)
        if loaded.get('PYTHONPATH') and 'PYTHONPATH' not in self.cfg['container_env']:
            problems.append("the image sets $PYTHONPATH to %s, which Python searches before the layer; to undo that, "
                            "add 'PYTHONPATH': '' to 'container_env'" % loaded['PYTHONPATH'])
        return problems

    def _sanity_check_step_extensions(self):
        """All packages have been checked at once in sanity_check_container; EasyBuild would do it one by one."""

    def check_packages(self):
        """Check that the layer has what it should, no more, and that it fits together."""
        arguments = ['check', self.env_dir, self.cfg['base_python'], json.dumps(self.locked_packages())]
        return self.run_layer_py(os.path.join(self.env_dir, 'bin', 'python'), arguments,
                                binds=self.layer_binds())['problems']

    def layer_binds(self):
        """Bind specifications for the layer of the installation."""
        if os.path.exists(os.path.join(self.installdir, LAYER_IMAGE)):
            return ['%s:%s:image-src=/,ro' % (os.path.join(self.installdir, LAYER_IMAGE), LAYER)]
        return ['%s:%s' % (os.path.join(self.installdir, LAYER_FOLDER), LAYER)]

    # Running things in the container

    def in_build(self, path):
        """Path on the host, while the layer is made, of a path in the layer."""
        return os.path.join(self.layer_dir, os.path.relpath(path, LAYER))

    def run_or_fail(self, command, what, binds=None):
        """Run a command in the container with the layer, and return its output; fail with what it says."""
        if binds is None:
            binds = ['%s:%s' % (self.layer_dir, LAYER), '%s:%s:ro' % (self.wheels_dir, WHEELS)]
        binds = binds + ['%s:%s:ro' % (files_path('layer.py'), LAYER_PY)]
        env = {self.runtime.prefix + 'ENV_' + key: value for key, value in INSTALL_ENV.items()}
        res = self.run_in_container(command, binds=binds, env=env)
        self.log.debug("%s: %s", what, res.output)
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("%s in the container failed: %s", what.capitalize(),
                                 (res.stderr or res.output).strip())
        return res.output

    def run_layer_py(self, python, arguments, binds=None):
        """Run a subcommand of layer.py in the container, and return what it found."""
        output = self.run_or_fail([python, LAYER_PY] + arguments, "layer.py %s" % arguments[0], binds=binds)
        # The image may have a word to say itself, before.
        return json.loads(output.splitlines()[-1])
