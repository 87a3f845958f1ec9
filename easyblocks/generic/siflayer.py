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
SquashFS file at the end. SifLayer is abstract: SifVenv and SifConda say what the environment is. They give

- env_dir: the path of the environment in the container;
- check_base(): refuse an image that the environment cannot be made on;
- build_step(): make the environment, without Python packages from exts_list;

and may extend all else.
"""
import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor

from easybuild.easyblocks.generic._sifactivation import LAYER, layer_pythonpath, with_layer_pythonpath
from easybuild.easyblocks.generic._sifcopy import copy_and_hash
from easybuild.easyblocks.generic._sifpackages import MINIMUM_PYTHON, PYTHON_ENV, SOURCE_SUFFIXES, canonical
from easybuild.easyblocks.generic._sifpackages import is_conda_package, is_file_of, is_wheel
from easybuild.easyblocks.generic._sifprovenance import DECIDING, build_definition, layer_content, layer_statement
from easybuild.easyblocks.generic._sifprovenance import read_layer_record, resource
from easybuild.easyblocks.generic._sifsquashfs import BLOCK_SIZE, COMPRESSORS, content_digest, folder_size
from easybuild.easyblocks.generic._sifsquashfs import mksquashfs_command, mksquashfs_environment, normalise_permissions
from easybuild.easyblocks.generic._siftext import COMMAND_NAME, SHA256, files_path, shell_words
from easybuild.easyblocks.generic.sifcontainer import KILLED, TIMED_OUT, SifContainer, stated_sha256
from easybuild.easyblocks.generic.stagedeasyblock import list_folder
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg, print_warning
from easybuild.tools.config import build_option
from easybuild.tools.filetools import adjust_permissions, compute_checksum, copy_dir, copy_file, mkdir, read_file
from easybuild.tools.filetools import remove_dir, remove_file, symlink, which, write_file
from easybuild.tools.hooks import SANITYCHECK_STEP
from easybuild.tools.run import run_shell_cmd
from easybuild.tools.utilities import trace_msg
from easybuild.tools.version import VERSION

LAYER_FOLDER = 'user-software'
LAYER_IMAGE = 'user-software.squashfs'
# What is known of a layer, beside it in the installation.
LAYER_RECORD = 'layer.json'

# The module in the layer that extends what Python imports: venv, and mpi4py.
IMPORT_HOOK = '_ebsif_layer'

# Commands of ours that pack the layer, and unpack it.
PACKING_COMMANDS = {'make-squashfs', 'unmake-squashfs'}

# Where the container sees what it needs while the layer is made.
LAYER_PY = '/ebsif/layer.py'
WHEELS = '/ebsif/wheels'
SOURCES = '/ebsif/sources'
BUILD = '/ebsif/build'
BUILT = '/ebsif/built'

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
INSTALL_OPTIONS = ['--no-index', '--find-links', WHEELS, '--no-deps', '--only-binary', ':all:', '--ignore-installed',
                   '--no-compile', '--no-cache-dir', '--no-warn-script-location', '--root-user-action', 'ignore',
                   '--require-hashes']
BUILD_OPTIONS = ['--no-index', '--find-links', WHEELS, '--no-deps', '--no-cache-dir']


# Seconds after which the build of a source package is taken to hang: compilers work for hours. A site may set another
# number in a file for `eb --hooks`.
BUILD_SECONDS = 6 * 3600


class SifLayer(SifContainer):
    """Support for adding an environment to a container image; abstract, see SifVenv and SifConda"""

    SUPPORTS_EXTS_LIST = True

    PARAMETER_TYPES = dict(SifContainer.PARAMETER_TYPES, base_python=str, content_digest=str, import_check=list)

    # Every environment has its own of these, whatever the image has.
    OWN_PACKAGES = {'pip'}

    # Entries of exts_list before the fetch step.
    unfetched_files = None

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of all easyblocks that make a layer"""
        extra_vars = SifContainer.extra_options(extra_vars)
        extra_vars.update({
            'base_python': [None, "Python of the image (absolute path)", CUSTOM],
            'build_packages': [[], "Packages in exts_list that only serve to install or build the others", CUSTOM],
            'allow_base_packages': [[], "Packages that may be in the layer although the image has them, too, or others "
                                        "with the same modules", CUSTOM],
            'content_digest': [None, "SHA256 over all that must be in the layer, as layer.json of an installation "
                                     "has it", CUSTOM],
            'import_check': [None, "Packages of the layer that the sanity check imports (default: the Python packages "
                                   "in exts_list that none of the others needs)", CUSTOM],
            'import_exceptions': [{}, "Packages that the sanity check does not import: the reason, by name", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise variables of layers"""
        super().__init__(*args, **kwargs)
        self.layer_dir = None
        self.wheels_dir = None
        self.sources_dir = None
        self.scratch_dir = None
        # SHA256 of what pip installs, by the name of the file.
        self.wheel_checksums = {}
        self.layer_commands = []
        # Whether what was packed just now is what the easyconfig expects, on the image that it names by its SHA256.
        self.was_checked_elsewhere = False

    # Values of the easyconfig

    @property
    def env_dir(self):
        """Path of the environment in the container"""
        raise NotImplementedError

    @property
    def env_python(self):
        """Path in the container of the Python of the environment, or None if it has none"""
        return os.path.join(self.env_dir, 'bin', 'python')

    @property
    def python_below(self):
        """Path in the container of the Python of the image whose packages the environment sees, or None"""
        return self.cfg['base_python']

    @property
    def build_python(self):
        """Path in the container of the Python that builds source packages"""
        return self.env_python

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
        return ['diagnose', 'list-packages', 'pip']

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
        return super().container_scripts() + self.python_scripts()

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
        names = {canonical(ext[0]) for ext in self.cfg.get_ref('exts_list')}
        for parameter in ('build_packages', 'import_check', 'import_exceptions'):
            self.check_texts(parameter, self.cfg[parameter] or [], '.+', "the name of a package")
            for name in self.cfg[parameter] or []:
                if canonical(name) not in names:
                    self.fail_parameter(parameter, "%r is not in exts_list", name)
        self.check_texts('import_exceptions', self.cfg['import_exceptions'].values(), r'.*\S.*',
                         "the reason for which a package is not imported")
        if self.cfg['base_python'] is not None:
            self.check_texts('base_python', [self.cfg['base_python']], r'/[^\s]*',
                             "the absolute path of the image's Python")
        if self.cfg['content_digest'] is not None:
            self.check_texts('content_digest', [self.cfg['content_digest']], SHA256, "a SHA256")
            if not self.has_packages:
                self.fail_parameter('content_digest', "a layer that its user fills may hold anything")

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
        super().configure_step()

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
            self.install_python_packages()

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

    def changes_of_activating(self, before, after, personal):
        """Also see to it that no PYTHONPATH puts the packages of the image before those of the layer."""
        changes = super().changes_of_activating(before, after, personal)
        changes['env'] = with_layer_pythonpath(changes['env'], after)
        return changes

    def finish_layer(self):
        """Compile and pack the layer, and find the commands that came with it."""
        found = self.finish_environment() if self.env_python else {'scripts': []}
        self.layer_commands = self.leave_out_broken_commands(self.find_commands(found['scripts']))
        for name in self.layer_commands:
            if re.match(r'^pip[0-9.]+$', name):
                # The script that stands before pip stands before pip3, too.
                symlink('pip', os.path.join(self.installdir, 'runscripts', name), use_abspath_source=False)

        self.judge_odd_files(normalise_permissions(self.layer_dir))
        if self.has_packages:
            self.pack_layer()
        else:
            self.keep_or_make_empty_layer()

    def finish_environment(self):
        """Compile what was installed, and add the commands of the Python below; return what layer.py found."""
        trace_msg("compiling Python modules with %d processes" % self.cfg.parallel)
        below = ['--below', self.python_below] if self.python_below else []
        found = self.run_layer_py(self.env_python, ['finish', self.env_dir, '--jobs', str(self.cfg.parallel)] + below)
        for path, reason in sorted(found['failed'].items()):
            self.log.warning("%s is no Python for this version: %s", path, reason)
        trace_msg("%d modules compiled, %d files left as they are" % (found['compiled'], len(found['failed'])))
        if below:
            trace_msg("%d commands of the image run with the Python of the layer" % len(found['added']))
            self.log.info("Commands of the image that run with the Python of the layer: %s", ', '.join(found['added']))
        return found

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

    def find_commands(self, scripts):
        """Names of the commands that came with the layer, of which Python packages brought the scripts"""
        return scripts

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

    # Python packages

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
        source = os.path.join(BUILD, folder)
        archive = os.path.join(SOURCES, os.path.basename(ext['src']))
        self.run_layer_py(self.build_python, ['unpack', archive, source], binds=binds)
        command = [self.build_python, LAYER_PY, 'pip', self.installer, 'wheel'] + BUILD_OPTIONS
        self.run_or_fail(command + ['--wheel-dir', BUILT, source], what, binds=binds, limit=BUILD_SECONDS)
        names = sorted(os.listdir(built_dir))
        if len(names) != 1 or not is_wheel(names[0]) or not is_file_of(names[0], ext['name'], ext['version']):
            raise EasyBuildError("%s has made %s, where a wheel of that package and version was expected.",
                                 what.capitalize(), ', '.join(names) or "nothing")
        self.wheel_checksums[names[0]] = copy_and_hash(os.path.join(built_dir, names[0]),
                                                       os.path.join(self.wheels_dir, names[0]))

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

    def run_or_fail(self, command, what, binds=None, limit=None):
        """Run a command in the container with the layer, and return its output; fail with what it says."""
        if binds is None:
            binds = self.layer_in_work() + ['%s:%s:ro' % (self.wheels_dir, WHEELS)]
        binds = binds + ['%s:%s:ro' % (files_path('layer.py'), LAYER_PY)]
        res = self.run_in_container(command, binds=binds, env=dict(PYTHON_ENV, **INSTALL_ENV), scratch=self.scratch_dir,
                                    limit=limit)
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
