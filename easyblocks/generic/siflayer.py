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
EasyBuild support for an environment in a layer on top of a container image, implemented as an easyblock

The layer is a folder that the container sees at /user-software. It is made beside the installation, and packed into one
SquashFS file at the end. SifLayer is abstract: SifPython installs packages into it, and SifVenv and SifConda say what
the environment is.
"""
import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor

from easybuild.easyblocks.generic._sifactivation import LAYER
from easybuild.easyblocks.generic._sifpackages import PYTHON_ENV, canonical, is_conda_package
from easybuild.easyblocks.generic._sifprovenance import DECIDING, build_definition, layer_content, layer_statement
from easybuild.easyblocks.generic._sifprovenance import read_layer_record, resource
from easybuild.easyblocks.generic._sifroom import shortage, unpacked
from easybuild.easyblocks.generic._sifsquashfs import BLOCK_SIZE, COMPRESSORS, content_digest, folder_size
from easybuild.easyblocks.generic._sifsquashfs import mksquashfs_command, mksquashfs_environment, normalise_permissions
from easybuild.easyblocks.generic._siftext import COMMAND_NAME, SHA256, files_path, shell_words
from easybuild.easyblocks.generic.sifcontainer import SifContainer
from easybuild.easyblocks.generic.sifimage import KILLED, TIMED_OUT, stated_sha256
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg, print_warning
from easybuild.tools.config import build_option
from easybuild.tools.filetools import adjust_permissions, compute_checksum, copy_dir, mkdir, read_file
from easybuild.tools.filetools import remove_dir, remove_file, symlink, which, write_file
from easybuild.tools.hooks import SANITYCHECK_STEP
from easybuild.tools.run import run_shell_cmd
from easybuild.tools.utilities import trace_msg
from easybuild.tools.version import VERSION

LAYER_FOLDER = 'user-software'
LAYER_IMAGE = 'user-software.squashfs'
# What is known of a layer, beside it in the installation.
LAYER_RECORD = 'layer.json'

# Commands of ours that pack the layer, and unpack it.
PACKING_COMMANDS = {'make-squashfs', 'unmake-squashfs'}

# Where the container sees what it needs while the layer is made.
LAYER_PY = '/ebsif/layer.py'
WHEELS = '/ebsif/wheels'

# Nothing of the builder's configuration, and no network; nor who builds, when, and in which time zone.
INSTALL_ENV = {
    'LOGNAME': 'ebsif',
    'PIP_CONFIG_FILE': '/dev/null',
    'PIP_DISABLE_PIP_VERSION_CHECK': '1',
    'PIP_NO_INPUT': '1',
    # The first day that a zip file, and so a wheel, can hold.
    'SOURCE_DATE_EPOCH': '315532800',
    'TZ': 'UTC',
    'USER': 'ebsif',
}


class SifLayer(SifContainer):
    """Support for adding an environment to a container image; abstract, see SifVenv and SifConda"""

    SUPPORTS_EXTS_LIST = True

    PARAMETER_TYPES = dict(SifContainer.PARAMETER_TYPES, content_digest=str)

    # Entries of exts_list before the fetch step.
    unfetched_files = None

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of all easyblocks that make a layer"""
        extra_vars = SifContainer.extra_options(extra_vars)
        extra_vars.update({
            'build_packages': [[], "Packages in exts_list that only serve to install or build the others", CUSTOM],
            'content_digest': [None, "SHA256 over all that must be in the layer, as layer.json of an installation "
                                     "has it", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise variables of layers"""
        super().__init__(*args, **kwargs)
        self.layer_dir = None
        self.wheels_dir = None
        self.sources_dir = None
        self.scratch_dir = None
        self.layer_commands = []
        # Whether what was packed just now is what the easyconfig expects, on the image that it names by its SHA256.
        self.was_checked_elsewhere = False

    # Values of the easyconfig

    @property
    def env_dir(self):
        """Path of the environment in the container"""
        raise NotImplementedError

    def provide_file(self, ext):
        """Put the file of an extension where the container sees it, and make sure that it is what it should be."""
        raise NotImplementedError

    def install_packages(self):
        """Install the packages that exts_list adds to the environment, which is made already."""
        raise NotImplementedError

    def finish_environment(self):
        """Make the environment ready to be packed; return names of the commands that it has."""
        raise NotImplementedError

    @property
    def env_python(self):
        """Path in the container of the Python of the environment, or None if it has none"""
        return os.path.join(self.env_dir, 'bin', 'python')

    @property
    def has_packages(self):
        """Whether the layer has packages; without, the user fills it"""
        return bool(self.cfg.get_ref('exts_list'))

    def is_build_package(self, name):
        """Whether a Python package in exts_list serves the installation only, and is not for the layer"""
        return canonical(name) in {canonical(other) for other in self.cfg['build_packages']}

    def listed_files(self):
        """Entries of exts_list, as EasyBuild has read them"""
        if self.exts:
            return self.exts
        if self.unfetched_files is None:
            self.unfetched_files = self.collect_exts_file_info(fetch_files=False, verify_checksums=False)
        return self.unfetched_files

    def locked_packages(self, build=False):
        """Version of each Python package that the easyconfig puts into the layer, or only installs others with"""
        return {ext['name']: ext['version'] for ext in self.listed_files()
                if not is_conda_package(source_name(ext)) and self.is_build_package(ext['name']) == build}

    def make_extension_list(self, *args, **kwargs):
        """Only what is in the layer"""
        extensions = super().make_extension_list(*args, **kwargs)
        return [extension for extension, ext in zip(extensions, self.listed_files())
                if is_conda_package(source_name(ext)) or not self.is_build_package(ext['name'])]

    def python_scripts(self):
        """Scripts of ours that need Python"""
        return ['diagnose', 'install-kernel', 'list-packages', 'pip']

    def user_data(self):
        """An environment that is left for the user to fill"""
        return [] if self.has_packages else [LAYER_FOLDER, LAYER_IMAGE]

    def kept_folders(self):
        """Also a layer that its user has unpacked"""
        return super().kept_folders() + [LAYER_FOLDER]

    def container_path(self):
        """The environment goes before all of the image."""
        path, own = super().container_path(), os.path.join(self.env_dir, 'bin')
        # What activating was found to do includes it, and hooks may have put others before it.
        return path if own in path else path[:1] + [own] + path[1:]

    def container_scripts(self):
        """Also those for Python packages"""
        return super().container_scripts() + ['run-kernel'] + self.python_scripts()

    def container_commands(self):
        """Also what Python users expect, and the commands that came with the layer"""
        python = ['python', 'python3'] if self.env_python else []
        return sorted(set(super().container_commands() + self.python_scripts() + python + self.layer_commands))

    def host_commands(self):
        """Also those that pack and unpack the layer"""
        return super().host_commands() + sorted(PACKING_COMMANDS)

    def reserved_commands(self):
        """Also those that tell and pack what is in the layer"""
        return super().reserved_commands() | PACKING_COMMANDS

    def check_parameters(self):
        """Refuse values that could not work."""
        super().check_parameters()
        for ext in self.cfg.get_ref('exts_list'):
            if not (isinstance(ext, (list, tuple)) and len(ext) == 3 and isinstance(ext[0], str)
                    and isinstance(ext[2], dict) and ext[2].get('sources')):
                self.fail_parameter('exts_list', "%r must be a name, a version, and a dictionary with 'sources' and "
                                                 "'checksums'", ext)
            self.check_texts('exts_list', ext[2].get('checksums') or [], SHA256,
                             "the SHA256 of the file of %s" % ext[0])
        self.check_packages('build_packages')
        if self.cfg['content_digest'] is not None:
            self.check_texts('content_digest', [self.cfg['content_digest']], SHA256, "a SHA256")
            if not self.has_packages:
                self.fail_parameter('content_digest', "a layer that its user fills may hold anything")

    def check_packages(self, parameter):
        """Refuse the value of a parameter that names something else than packages in exts_list."""
        names = {canonical(ext[0]) for ext in self.cfg.get_ref('exts_list')}
        self.check_texts(parameter, self.cfg[parameter] or [], '.+', "the name of a package")
        for name in self.cfg[parameter] or []:
            if canonical(name) not in names:
                self.fail_parameter(parameter, "%r is not in exts_list", name)

    def check_presence(self):
        """Refuse an easyconfig that lacks what cannot be done without."""
        super().check_presence()
        for ext in self.cfg.get_ref('exts_list'):
            if not ext[2].get('checksums'):
                self.fail_parameter('exts_list', "%s has no checksum; `eb --inject-checksums` adds them", ext[0])

    # Steps

    def install_host_commands(self):
        """Also those that pack and unpack the layer"""
        super().install_host_commands()
        best, other = COMPRESSORS.values()
        for name in sorted(PACKING_COMMANDS):
            self.install_script(os.path.join('bin', name), self.fill_command_template(
                'commands', name, BEST=shell_words(*best), OTHER=shell_words(*other), BLOCK_SIZE=BLOCK_SIZE))

    def configure_step(self):
        """See whether the easyconfig fits the image, before anything is installed."""
        self.layer_dir = os.path.join(self.builddir, LAYER_FOLDER)
        self.wheels_dir = os.path.join(self.builddir, 'wheels')
        self.sources_dir = os.path.join(self.builddir, 'sources')
        self.scratch_dir = os.path.join(self.builddir, 'scratch')
        if not self.dry_run:
            if self.has_packages:
                find_mksquashfs()
            for folder in (self.layer_dir, self.wheels_dir, self.sources_dir, self.scratch_dir):
                mkdir(folder, parents=True)
            for ext in self.exts:
                self.provide_file(ext)
            self.check_room()
        super().configure_step()

    def check_room(self):
        """Refuse to begin where there is no room for the packages."""
        problem = shortage(self.builddir, *unpacked([ext['src'] for ext in self.exts]))
        if problem:
            raise EasyBuildError("There is no room to make the layer: %s. Choose another folder with --buildpath.",
                                 problem)

    def extensions_step(self, fetch=False, install=True):
        """Install all Python packages at once."""
        if fetch:
            self.exts = self.collect_exts_file_info(fetch_files=True)
        if not self.has_packages or not install:
            return
        if self.skip:
            self.check_skipped_layer()
            return
        if self.locked_packages():
            self.install_packages()

    def check_skipped_layer(self):
        """With --skip, the layer that is there must be the one of the easyconfig."""
        path, image = (os.path.join(self.installdir, name) for name in (LAYER_RECORD, LAYER_IMAGE))
        # Its user may have changed it since.
        found = compute_checksum(image, checksum_type='sha256') if os.path.exists(image) else None
        try:
            record = read_layer_record(json.loads(read_file(path)) if os.path.exists(path) else None)
        except ValueError as err:
            raise EasyBuildError("Nothing tells what the layer in %s is: %s. Use --rebuild instead of --skip.",
                                 self.installdir, err) from err
        pinned = self.cfg['content_digest'] or record.content_sha256
        if (record.image_sha256, record.content_sha256, record.definition) != (found, pinned, self.layer_definition()):
            raise EasyBuildError("The layer in %s is not the one of the easyconfig, and a layer cannot be installed in "
                                 "part: use --rebuild instead of --skip.", self.installdir)
        print_msg("the layer is installed already", log=self.log)

    def layer_definition(self):
        """What decides what is in the layer, to be written down"""
        parameters = {name: self.cfg[name] for name in DECIDING if self.cfg.get(name)}
        parameters.update(easyblock=type(self).__name__, environment=self.env_dir)
        files = [resource(self.image_name, self.src[0]['sha256'])]
        for ext in self.listed_files():
            annotations = {'package': ext['name'], 'version': ext['version']}
            if not is_conda_package(source_name(ext)) and self.is_build_package(ext['name']):
                annotations['buildOnly'] = True
            if ext['options'].get('start_dir'):
                annotations['startDir'] = ext['options']['start_dir']
            # Without the first, it is not copied: the layer is there.
            sha256 = ext.get('sha256') or ext['options']['checksums'][0]
            files.append(resource(source_name(ext), sha256, **annotations))
        return build_definition(parameters, files)

    def post_processing_step(self):
        """Compile and pack the layer, and find the commands that came with it."""
        if self.dry_run:
            trace_msg("packing the layer into %s" % LAYER_IMAGE if self.has_packages else
                      "leaving an empty environment in %s" % LAYER_FOLDER)
        else:
            self.finish_layer()
        super().post_processing_step()

    def finish_layer(self):
        """Compile and pack the layer, and find the commands that came with it."""
        self.layer_commands = self.leave_out_broken_commands(self.finish_environment())
        for name in self.layer_commands:
            if re.match(r'^pip[0-9.]+$', name):
                # The script that stands before pip stands before pip3, too.
                symlink('pip', os.path.join(self.installdir, 'runscripts', name), use_abspath_source=False)

        self.judge_odd_files(normalise_permissions(self.layer_dir))
        if self.has_packages:
            self.pack_layer()
        else:
            self.keep_or_make_empty_layer()

    def leave_out_broken_commands(self, names):
        """Those of the commands that can start on the image, or are asked for: these must, as the sanity check says."""
        judged = [name for name in names if re.fullmatch(COMMAND_NAME, name) and name not in self.cfg['commands']]
        script = '{ %s\n} >&2\n%s' % (' && '.join(self.activation_commands()),
                                      read_file(files_path('check-commands.sh')))
        res = self.run_in_container(['bash', '-c', script, 'bash'] + judged, verb=self.cfg['start_with'],
                                    binds=['%s:%s:ro' % (self.layer_dir, LAYER)], scratch=self.scratch_dir)
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("Looking at the commands of the layer failed: %s", res.stderr.strip())
        problems = [problem for problem in res.output.split('\0')[1:] if problem]
        if problems:
            print_warning("No wrapper for commands of the layer that cannot start on this image: %s. If you need them, "
                          "install what they need, or use another image.", '; '.join(problems))
        broken = {problem.split(' ')[0] for problem in problems}
        return [name for name in names if name not in broken]

    def judge_odd_files(self, odd):
        """Refuse what is no file, name programs that were to run as another user, given the modes of what is odd."""
        special = sorted(path for path in odd if not stat.S_ISREG(odd[path]))
        if special:
            raise EasyBuildError("Installing the packages has left in the layer what is neither a file nor a folder "
                                 "nor a link: %s. Leave out the package that does this.", ', '.join(map(repr, special)))
        for path in sorted(odd):
            print_warning("%r in the layer was to run as another user than the one who starts it (setuid or setgid): "
                          "it does not any more.", path)

    def keep_or_make_empty_layer(self):
        """Leave an empty environment for the user to fill; what was filled before is the user's, and stays."""
        there = [path for path in (os.path.join(self.final_installdir, name) for name in (LAYER_FOLDER, LAYER_IMAGE))
                 if os.path.exists(path)]
        if not there:
            trace_msg("leaving an empty environment in %s for the user to fill" % LAYER_FOLDER)
            copy_dir(self.layer_dir, os.path.join(self.installdir, LAYER_FOLDER), symlinks=True)
        for path in there:
            print_msg("keeping %s, which its user may have filled; remove it and install again to get an empty one",
                      path, log=self.log)
            # Links: the old installation stays complete until the new one takes its place.
            run_shell_cmd(['cp', '--archive', '--link', path, self.installdir], use_bash=False, hidden=True)

    def pack_layer(self):
        """Pack the layer, and write down what it is."""
        image = os.path.join(self.installdir, LAYER_IMAGE)
        trace_msg("packing %s with %d processes" % (LAYER_IMAGE, self.cfg.parallel))
        with ThreadPoolExecutor(max_workers=1) as pool:
            digest = pool.submit(content_digest, self.layer_dir)
            compressor = self.make_squashfs(image)
        content = digest.result()
        self.check_content(content)
        sha256 = compute_checksum(image, checksum_type='sha256')
        statement = layer_statement(self.layer_definition(), resource(LAYER_IMAGE, sha256, compressor=compressor),
                                    layer_content(LAYER_FOLDER, content, self.will_be_checked), type(self).__name__,
                                    {'easybuild': str(VERSION), 'mksquashfs': mksquashfs_version()})
        write_file(os.path.join(self.installdir, LAYER_RECORD), json.dumps(statement, indent=1, sort_keys=True) + '\n')
        trace_msg("layer: %d MB (%s), SHA256 %s, content %s" % (os.path.getsize(image) >> 20, compressor, sha256,
                                                                content))
        remove_dir(self.layer_dir)

    @property
    def will_be_checked(self):
        """Whether the installation gets into its place only by a sanity check"""
        return not (build_option('skip_sanity_check') or SANITYCHECK_STEP in self.cfg['skipsteps'])

    def check_content(self, found):
        """Refuse a layer with another content than the easyconfig expects, if it expects one."""
        expected = self.cfg['content_digest']
        if expected is None:
            return
        if found == expected:
            self.was_checked_elsewhere = stated_sha256(self.src[0]['checksum']) == self.src[0]['sha256']
            trace_msg("the content of the layer is what the easyconfig expects: %s" % found)
            return
        message = ("The content of the layer is not what the easyconfig expects: content_digest is %s, and this layer "
                   "has %s" % (expected, found))
        if build_option('ignore_checksums'):
            print_warning(message)
            return
        raise EasyBuildError("%s. On an installation with the expected content, `ebsif verify` names the files that "
                             "differ. If another version of ebsif has made that one, and you want this one, remove "
                             "'content_digest'; after the installation, `ebsif generate --pin-content` writes the new "
                             "one.", message, exit_code=EasyBuildExit.FAIL_CHECKSUM)

    def make_squashfs(self, image):
        """Pack the layer into a file by the best compressor that mksquashfs here can use; return that."""
        # Found out by using it, on an empty folder.
        empty = os.path.join(self.builddir, 'empty')
        mkdir(empty)
        for compressor in COMPRESSORS:
            if self.run_mksquashfs(empty, image, compressor).exit_code == EasyBuildExit.SUCCESS:
                break
        self.lay_out_file(image, folder_size(self.layer_dir))
        res = self.run_mksquashfs(self.layer_dir, image, compressor)
        if res.exit_code != EasyBuildExit.SUCCESS:
            remove_file(image)
            raise EasyBuildError("mksquashfs could not make %s: %s", image, res.output.strip(),
                                 exit_code=EasyBuildExit.FAIL_POST_PROC_STEP)
        self.open_to_others(image, 0o666)
        return compressor

    def run_mksquashfs(self, folder, image, compressor):
        """Run mksquashfs, and return what run_shell_cmd returns."""
        command = mksquashfs_command(find_mksquashfs(), folder, image, compressor, self.cfg.parallel)
        return run_shell_cmd(command, use_bash=False, env=mksquashfs_environment(), fail_on_error=False, hidden=True)

    def permissions_step(self):
        """An environment that is left for the user to fill stays writable, also with --read-only-installdir."""
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

    def layer_binds(self):
        """Bind specifications for the layer of the installation."""
        if os.path.exists(os.path.join(self.installdir, LAYER_IMAGE)):
            return ['%s:%s:image-src=/,ro' % (os.path.join(self.installdir, LAYER_IMAGE), LAYER)]
        return ['%s:%s' % (os.path.join(self.installdir, LAYER_FOLDER), LAYER)]

    # Running things in the container

    def in_build(self, path):
        """Path on the host, while the layer is made, of a path in the layer, where packages may have put links."""
        found = os.path.join(self.layer_dir, os.path.relpath(path, LAYER))
        top = os.path.realpath(self.layer_dir)
        if os.path.commonpath([top, os.path.realpath(found)]) != top:
            raise EasyBuildError("%s leads out of the layer, to %s: leave out the package that made this link.", path,
                                 os.path.realpath(found))
        return found

    def layer_in_work(self):
        """Bind specifications for the layer while it is made."""
        return ['%s:%s' % (self.layer_dir, LAYER)]

    def run_or_fail(self, command, what, binds=None, limit=None, env=None):
        """Run a command in the container with the layer, and return its output; fail with what it says."""
        if binds is None:
            binds = self.layer_in_work() + ['%s:%s:ro' % (self.wheels_dir, WHEELS)]
        binds = binds + ['%s:%s:ro' % (files_path('layer.py'), LAYER_PY)]
        res = self.run_in_container(command, binds=binds, env=dict(PYTHON_ENV, **dict(INSTALL_ENV, **(env or {}))),
                                    scratch=self.scratch_dir, limit=limit)
        self.log.debug("%s: %s", what, res.output)
        if limit and res.exit_code in (TIMED_OUT, KILLED):
            raise EasyBuildError("%s in the container has not ended in %d seconds. It said: %s. If it is only slow, "
                                 "set more seconds by a hook (docs/easyconfig.rst); else leave it out, or take another "
                                 "version of it.", what.capitalize(), limit,
                                 (res.stderr or res.output).strip() or "nothing")
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("%s in the container failed: %s", what.capitalize(),
                                 (res.stderr or res.output).strip())
        return res.output

    def run_layer_py(self, python, arguments, binds=None):
        """Run a subcommand of layer.py in the container, and return what it found."""
        output = self.run_or_fail([python, LAYER_PY] + arguments, "layer.py %s" % arguments[0], binds=binds)
        # The image may have a word to say itself, before.
        return json.loads(output.splitlines()[-1])


def show_version(version):
    """A version, given as a list of numbers, as text"""
    return '.'.join(str(part) for part in version)


def find_mksquashfs():
    """Path of mksquashfs on the host."""
    path = which('mksquashfs', on_error='ignore')
    if not path:
        raise EasyBuildError("mksquashfs is not on $PATH: install squashfs-tools, or load the module that provides it, "
                             "and try again.", exit_code=EasyBuildExit.MISSING_SYSTEM_DEPENDENCY)
    return path


def mksquashfs_version():
    """Version of mksquashfs on the host, as it says it, or 'unknown'"""
    said = run_shell_cmd([find_mksquashfs(), '-version'], use_bash=False, fail_on_error=False, hidden=True).output
    found = re.match(r'mksquashfs version (\S+)', said)
    return found.group(1) if found else 'unknown'


def source_name(ext):
    """Name of the file of an entry of exts_list, as EasyBuild has read it"""
    source = ext['options']['sources'][0]
    return source['filename'] if isinstance(source, dict) else source
