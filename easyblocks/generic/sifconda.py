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
EasyBuild support for a conda environment on top of a container image, implemented as an easyblock

The packages are extensions of the easyconfig: files of conda packages, and wheels of Python packages on top of them.
py-rattler, one of the wheels, installs the conda packages on the host, for use under the path that the environment has
in the container; all else is done in the container. Nothing is solved, and no network is needed.
"""
import json
import os
import sys
import zipfile

from easybuild.easyblocks.generic._sifactivation import CONDA_ENVS
from easybuild.easyblocks.generic._sifpackages import CONDA_OWN_PACKAGES, canonical, conda_platform, conda_stem
from easybuild.easyblocks.generic._sifpackages import is_conda_package, python_minor
from easybuild.easyblocks.generic._sifruntime import KEPT_VARIABLES
from easybuild.easyblocks.generic._siftext import ENVIRONMENT_NAME, files_path
from easybuild.easyblocks.generic.siflayer import show_version, source_name
from easybuild.easyblocks.generic.sifpython import SifPython
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg, print_warning
from easybuild.tools.filetools import mkdir, remove_file, which
from easybuild.tools.run import run_shell_cmd
from easybuild.tools.utilities import trace_msg

# What installs conda packages, and the Python on the host that it needs.
INSTALLER = 'py-rattler'
INSTALLER_PYTHON = (3, 10)
PYTHON_COMMANDS = ['python3'] + ['python3.%d' % minor for minor in range(20, INSTALLER_PYTHON[1] - 1, -1)]

# Activates an environment of the layer; old job scripts run it as $WITH_CONDA.
ACTIVATE = os.path.join(os.path.dirname(CONDA_ENVS), 'bin', 'activate')

# Where conda writes down what is installed, and link scripts what the user should know, below the environment.
CONDA_META = 'conda-meta'
MESSAGES = '.messages.txt'
MESSAGES_SIZE = 4000
# Seconds after which a link script is taken to hang. They make caches and indices, which takes minutes on a slow file
# system. A site may set another number in a file for `eb --hooks`.
LINK_SCRIPT_SECONDS = 1800


class SifConda(SifPython):
    """Support for adding a conda environment to a container image"""

    PARAMETER_TYPES = dict(SifPython.PARAMETER_TYPES, conda_name=str, command_packages=list)

    OWN_PACKAGES = CONDA_OWN_PACKAGES

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of SifConda"""
        extra_vars = SifPython.extra_options(extra_vars)
        extra_vars.update({
            'conda_name': [None, "Name of the conda environment, a folder in %s (default: name of the software in "
                                 "lower case)" % CONDA_ENVS, CUSTOM],
            'command_packages': [None, "Conda packages whose commands to have on $PATH, beside those of Python "
                                       "packages (default: all of them)", CUSTOM],
            'stack': [False, "Put the environment on top of the active one of the image, and let its Python see the "
                             "packages of 'base_python'", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise SifConda-specific variables"""
        super().__init__(*args, **kwargs)
        self.host_python = None
        self.installed_commands = {}

    # Values of the easyconfig

    @property
    def conda_name(self):
        """Name of the conda environment"""
        return self.cfg['conda_name'] or self.name.lower()

    @property
    def env_dir(self):
        """Path of the conda environment in the container"""
        return os.path.join(CONDA_ENVS, self.conda_name)

    @property
    def env_python(self):
        """The Python of the environment, or None if Python is not among its packages"""
        return super().env_python if 'python' in self.conda_files() else None

    @property
    def site_packages(self):
        """Path in the container of the folder of the environment's Python for packages"""
        version = next(ext['version'] for ext in self.listed_files()
                       if ext['name'] == 'python' and is_conda_package(source_name(ext)))
        return os.path.join(self.env_dir, 'lib', 'python' + '.'.join(version.split('.')[:2]), 'site-packages')

    @property
    def stacks_python(self):
        """Whether the Python of the environment sees the packages of the image"""
        return bool(self.cfg['stack'] and self.cfg['base_python'] and self.env_python)

    @property
    def python_below(self):
        """Only a stacked environment sees what is in the image."""
        return super().python_below if self.stacks_python else None

    @property
    def activate_command(self):
        """What a person would type in the container to activate the environment"""
        return 'source %s %s' % (ACTIVATE, self.conda_name)

    def conda_files(self):
        """File of each conda package, by its name"""
        return {ext['name']: source_name(ext) for ext in self.listed_files() if is_conda_package(source_name(ext))}

    def python_scripts(self):
        """Only those for what is there"""
        has_pip = 'pip' in self.conda_files() or 'pip' in [canonical(name) for name in self.locked_packages()]
        return [name for name in super().python_scripts() if self.env_python and (name != 'pip' or has_pip)]

    def container_env(self):
        """Also what activating the environment sets"""
        env = super().container_env()
        env.setdefault('CONDA_PREFIX', self.env_dir)
        env['WITH_CONDA'] = self.activate_command
        env.update(self.cfg['container_env'])
        return env

    def activation_commands(self):
        """The environment of the image is active only below one that is stacked on it."""
        below = super().activation_commands() if self.cfg['stack'] else []
        return below + [self.activate_command]

    def check_parameters(self):
        """Refuse values that could not work."""
        super().check_parameters()
        self.check_texts('conda_name', [self.conda_name], ENVIRONMENT_NAME, "a name for a conda environment")
        conda_files = self.conda_files()
        for name in self.cfg['command_packages'] or []:
            if name not in conda_files:
                self.fail_parameter('command_packages', "%r is no conda package in exts_list", name)

    def check_presence(self):
        """Refuse an easyconfig that lacks what cannot be done without."""
        super().check_presence()
        if not self.conda_files():
            self.fail_parameter('exts_list', "it has no conda package (.conda or .tar.bz2)")
        if self.locked_packages() and not self.env_python:
            self.fail_parameter('exts_list', "it has wheels, but no conda package python to use them")
        if INSTALLER not in [canonical(ext['name']) for ext in self.listed_files()]:
            self.fail_parameter('exts_list', "it has no wheel of %s, which installs conda packages", INSTALLER)
        if not self.is_build_package(INSTALLER):
            self.fail_parameter('build_packages', "it must have %s, which only installs the others", INSTALLER)

    # Steps

    @property
    def installer_dir(self):
        """Folder on the host into which py-rattler is unpacked"""
        return os.path.join(self.builddir, INSTALLER)

    def provide_file(self, ext):
        """Also unpack the installer."""
        if is_conda_package(ext['src']):
            self.copy_verified(ext, self.sources_dir)
            return
        super().provide_file(ext)
        if canonical(ext['name']) == INSTALLER:
            with zipfile.ZipFile(os.path.join(self.wheels_dir, os.path.basename(ext['src']))) as wheel:
                wheel.extractall(self.installer_dir)

    def check_base(self):
        """Refuse packages that cannot be installed on the image, or must not."""
        self.host_python = find_host_python()
        trace_msg("Python for %s: %s" % (INSTALLER, self.host_python))
        machine = self.start_base(['uname', '-m']).split()[-1]
        expected = {ext['name']: ext['version'] for ext in self.exts if is_conda_package(ext['src'])}
        if 'python' in expected:
            # Here, and not by running it: it may be too old for our own scripts.
            self.check_python_version(python_minor(expected['python']), "environment")
        for found in self.run_conda_py('probe', {})['packages']:
            name = found['name']
            if expected.get(name) != found['version']:
                raise EasyBuildError("The file %s holds %s %s, which is not what exts_list says.", found['file'], name,
                                     found['version'])
            if found['subdir'] not in ('noarch', conda_platform(machine)):
                raise EasyBuildError("The conda package %s is for %s, and the image %s for linux on %s.", name,
                                     found['subdir'], self.image_name, machine)
        if self.stacks_python:
            self.check_stack(expected['python'])

    def check_stack(self, version):
        """Refuse a Python that cannot use the packages of the image."""
        base = self.probe_python(self.cfg['base_python'])
        if base['version'][:2] != python_minor(version):
            raise EasyBuildError("Python %s of the environment cannot use the packages of the image, which are for "
                                 "Python %s.", version, show_version(base['version']))

    def build_step(self):
        """Install the conda packages."""
        trace_msg("installing %d conda packages into %s" % (len(self.conda_files()), self.env_dir))
        if self.dry_run:
            return
        mkdir(self.in_build(os.path.dirname(self.env_dir)), parents=True)
        made = self.run_conda_py('install', {
            'prefix': self.in_build(self.env_dir),
            'target_prefix': self.env_dir,
            'cache': os.path.join(self.builddir, 'cache'),
        })
        self.installed_commands = made['commands']
        for name in made['clobbered']:
            print_warning("More than one conda package brings the file %r: only one of them is used.", name)
        for script in made['scripts']:
            self.run_link_script(script)
        if self.env_python:
            self.check_environment_python()
            self.install_import_hook(self.site_packages)

    def check_environment_python(self):
        """Refuse an environment whose packages would be replaced, or replace those of the image."""
        here = self.run_layer_py(self.env_python, ['probe'])
        wheels = self.locked_packages()
        for name in wheels:
            if canonical(name) in here['packages']:
                raise EasyBuildError("%s %s is in exts_list as a wheel, but a conda package there brings %s %s: remove "
                                     "one of them.", name, wheels[name], name, here['packages'][canonical(name)])
        if self.stacks_python:
            base = self.probe_python(self.cfg['base_python'])['packages']
            self.refuse_base_packages(here['packages'], base)
            self.run_layer_py(self.cfg['base_python'], ['stack', self.site_packages])

    def run_link_script(self, script):
        """Run what a package brought to be run once it is installed, in the container."""
        trace_msg("running the link script of %s" % script['name'])
        self.run_or_fail(script['command'], "the link script of the conda package %s" % script['name'],
                         limit=LINK_SCRIPT_SECONDS)
        messages = self.in_build(os.path.join(self.env_dir, MESSAGES))
        if os.path.isfile(messages):
            with open(messages, encoding='utf-8', errors='replace') as handle:
                said = handle.read(MESSAGES_SIZE).strip()
            print_msg("the link script of %s says: %s", script['name'], show_lines(said), log=self.log)
            remove_file(messages)

    def finish_layer(self):
        """Also activate the environment once: what hooks write then belongs to the layer, which nobody can write to."""
        self.run_or_fail(['bash', '-c', '{ %s\n} >&2' % ' && '.join(self.activation_commands())],
                         "activating the environment for the first time")
        super().finish_layer()

    def finish_environment(self):
        """Also the commands of conda packages"""
        wanted = self.cfg['command_packages']
        names = {name for package in self.installed_commands if wanted is None or package in wanted
                 for name in self.installed_commands[package]}
        return sorted(names | set(super().finish_environment()))

    # Sanity check

    def check_layer(self):
        """Also whether all conda packages are there, and no others"""
        found = super().check_layer()
        there = found.pop('conda_packages', None)
        if not self.env_python:
            there = self.run_or_fail(['ls', os.path.join(self.env_dir, CONDA_META)], "listing the conda packages",
                                     binds=self.layer_binds()).split('\n')
        if there is not None:
            stems = {name[:-len('.json')] for name in there if name.endswith('.json')}
            expected = {conda_stem(name) for name in self.conda_files().values()}
            found['packages'] += ["the conda package %s is missing" % name for name in sorted(expected - stems)]
            found['packages'] += ["the conda package %s is in the layer, but not in exts_list" % name
                                  for name in sorted(stems - expected)]
        return found

    def wanted_in_layer(self, exceptions=()):
        """Also conda packages"""
        return dict(super().wanted_in_layer(exceptions), conda_meta=os.path.join(self.env_dir, CONDA_META))

    # Running things on the host

    def run_conda_py(self, command, request):
        """Run a subcommand of conda.py for all conda packages, and return what it found."""
        packages = [{'path': os.path.join(self.sources_dir, os.path.basename(ext['src'])), 'url': public_url(ext)}
                    for ext in self.exts if is_conda_package(ext['src'])]
        environment = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        res = run_shell_cmd([self.host_python, '-I', files_path('conda.py'), self.installer_dir, command],
                            use_bash=False, env=environment, stdin=json.dumps(dict(request, packages=packages)),
                            split_stderr=True, fail_on_error=False, hidden=True)
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("%s (%s of conda packages) failed with status %d: %s", INSTALLER, command,
                                 res.exit_code, res.stderr.strip())
        return json.loads(res.output)


def show_lines(text):
    """Text of somebody else as lines for a terminal, which obeys none of its characters"""
    return '\n'.join(line if line.isprintable() else ascii(line) for line in text.splitlines())


def public_url(ext):
    """Where the file of an extension can be had, as the easyconfig says; None when that is a place on one machine"""
    urls = ext['options'].get('source_urls') or ['']
    is_public = urls[0].startswith(('http://', 'https://'))
    return '%s/%s' % (urls[0].rstrip('/'), source_name(ext)) if is_public else None


def find_host_python():
    """Path of a Python on the host that can run the installer."""
    program = 'import sys; sys.exit(sys.version_info[:2] < %r)' % (INSTALLER_PYTHON,)
    candidates = [sys.executable] + [which(name, on_error='ignore') for name in PYTHON_COMMANDS]
    for path in candidates:
        if path and run_shell_cmd([path, '-I', '-c', program], use_bash=False, fail_on_error=False,
                                  hidden=True).exit_code == EasyBuildExit.SUCCESS:
            return path
    raise EasyBuildError("SifConda needs a Python %s or newer on $PATH, to run %s: load a module that provides one "
                         "(for example cray-python), and try again.", show_version(INSTALLER_PYTHON), INSTALLER,
                         exit_code=EasyBuildExit.MISSING_SYSTEM_DEPENDENCY)
