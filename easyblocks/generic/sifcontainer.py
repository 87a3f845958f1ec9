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
EasyBuild support for container images that are used through a module, implemented as an easyblock

The image (the base) is a SIF file that nobody changes any more. The module sets, inside the container, what
activating the environment of the image would set, and puts a command for each program of the container on $PATH.
"""
import copy
import json
import os
import re

from easybuild.easyblocks.generic._sifactivation import CONTAINER_PATH, CONTAINER_VARIABLE, LIBRARY_FOLDER
from easybuild.easyblocks.generic._sifactivation import RUNSCRIPTS, START_VALUE
from easybuild.easyblocks.generic._sifactivation import VARIABLE_NAME, VARIABLE_VALUE
from easybuild.easyblocks.generic._sifactivation import activate_script, activation_changes, differences
from easybuild.easyblocks.generic._sifactivation import parse_activated, parse_environment, read_numbers
from easybuild.easyblocks.generic._sifruntime import container_environment, image_identity, injected_value
from easybuild.easyblocks.generic._sifruntime import runtime_prefix
from easybuild.easyblocks.generic._siftext import BIND, COMMAND_NAME, CPU_MASK, HOST_COMMANDS, MODULE_NAME
from easybuild.easyblocks.generic._siftext import RESERVED_COMMANDS, doubled_backslashes, files_path, fill_template
from easybuild.easyblocks.generic._siftext import is_ports, lua_value, shell_words, tcl_value
from easybuild.easyblocks.generic.sifimage import SifImage, find_runtime, runtime_on_path
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg, print_warning
from easybuild.tools.filetools import convert_name, read_file, write_file
from easybuild.tools.run import run_shell_cmd
from easybuild.tools.utilities import trace_msg

# What activating the environment was found to do, for modules that are made later, without the image.
ACTIVATION_RECORD = 'activation.json'

# Parameters whose texts EasyBuild writes into what a module says of itself.
DESCRIBING = ('citing', 'description', 'docpaths', 'docurls', 'examples', 'homepage', 'site_contacts',
              'upstream_contacts', 'usage', 'whatis')

# Old job scripts run "$WITH_CONDA && python ...": there is nothing left to do for it, so it does nothing.
HARMLESS = ':'
FORMER_ACTIVATIONS = ('WITH_CONDA', 'WITH_CONDA_VENV', 'WITH_VENV')

# Where the host has what it cannot do without.
SYSTEM_FOLDERS = ('/usr/local/bin', '/usr/bin', '/bin')

# Commands of ours in bin/ that run another program than one of their name in the container.
SHELL_COMMANDS = {'gpu-bind': [RUNSCRIPTS + '/gpu-bind'], 'start-shell': ['/bin/bash', '--norc']}
# Scripts of ours that are commands, too, where the container has a python for them.
PYTHON_COMMANDS = {'python-distributed', 'torchrun-distributed'}
# What all wrappers have in common, and what they read: the same settings that are in the module.
START_SCRIPT = os.path.join('runscripts', 'start.sh')
SETTINGS_FILE = os.path.join('runscripts', 'container.conf')
# What the names of the runtime's switches for GPUs end with, behind APPTAINER_ and SINGULARITY_.
GPU_SWITCHES = {'none': '', 'rocm': 'ROCM', 'nvidia': 'NV'}
# What becomes bin/python of a venv that somebody makes with the Python of the container.
VENV_PYTHON = os.path.join('runscripts', 'venv-python')
# What job scripts find in the container at /runscripts.
CONTAINER_SCRIPTS = ('caches.sh', 'conda-python-distributed', 'conda-python-simple', 'distributed.sh', 'get-master',
                     'gpu-bind', 'init-conda-venv', 'python-distributed', 'settings.sh', 'task-epilog',
                     'torchrun-distributed')


class SifContainer(SifImage):
    """Support for using a container image through a module"""

    # Whether the easyblock can do something with exts_list.
    SUPPORTS_EXTS_LIST = False

    # What a parameter without default value holds.
    PARAMETER_TYPES = dict(SifImage.PARAMETER_TYPES, activation=str, activation_env=dict)

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of the easyblocks for container images"""
        extra_vars = SifImage.extra_options(extra_vars)
        extra_vars.update({
            'start_with': ['exec', "How to start commands in the container: 'exec', or 'run' for an image whose own "
                                   "runscript prepares the environment", CUSTOM],
            'commands': [[], "Commands of the container to have on $PATH", CUSTOM],
            'binds': [[], "Bind specifications (source[:destination[:options]]); those whose source does not "
                          "exist are left out when the module is loaded", CUSTOM],
            'conflicts': [[], "Modules that cannot be loaded together with this one", CUSTOM],
            'host_env': [{}, "Environment variables that the module sets outside the container", CUSTOM],
            'container_env': [{}, "Environment variables that the module sets in the container", CUSTOM],
            'library_path': [[], "Folders in the container that stand first in $LD_LIBRARY_PATH there", CUSTOM],
            'start_env': [{}, "Environment variables that commands work out when they start, from $NAME, ${NAME}, "
                              "${NAME:-text} and ${NAME:+text}, unless they are set", CUSTOM],
            'start_folders': [[], "Names of variables in start_env whose value is a folder to make for the user alone",
                              CUSTOM],
            'distributed': [{}, "What is true of the nodes, for programs on many: 'ports', a range such as 10000-19999 "
                                "for the tasks of a step to meet, or 'reserved', those that Slurm reserves for each "
                                "step; and 'cpu_masks', the processors near GPU 0, 1, ..., as srun takes them",
                            CUSTOM],
            'gpu': ['none', "Whose GPU the runtime brings into the container, with the host's libraries for it: "
                            "'rocm', 'nvidia' or 'none'", CUSTOM],
            'activation': [None, "Shell command that activates the environment of the image by hand", CUSTOM],
            'activation_env': [None, "Environment variables in the container that activating sets (default: found "
                                     "out at installation, together with activation_path)", CUSTOM],
            'activation_path': [[], "Folders that activating the environment of the image puts before $PATH", CUSTOM],
            'user_site': [False, "Let Python in the container see packages in ~/.local", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise"""
        super().__init__(*args, **kwargs)
        self.measured_activation = None
        self.unload_family()

        # Host variables such as $LD_LIBRARY_PATH must not point at what belongs into the container.
        for name in list(self.module_load_environment):
            if name != 'PATH':
                self.module_load_environment.remove(name)
        self.module_load_environment.PATH = ['bin']

    def unload_family(self):
        """Unload a module of this kind that the user has: it hides the host's Python, and keeps others from loading."""
        loaded = os.environ.get('LMOD_FAMILY_EBSIF')
        if loaded:
            self.log.info("Unloading %s, which the user has loaded", loaded)
            self.modules_tool.unload([loaded])
            self.initial_environ = copy.deepcopy(os.environ)

    # Values of the easyconfig

    @property
    def env_name(self):
        """What the names of the module's variables end with"""
        return convert_name(self.name, upper=True)

    @property
    def measures_activation(self):
        """Whether what activating does is found out at installation, and not said by the easyconfig"""
        return self.cfg['activation_env'] is None

    @property
    def activation(self):
        """What activating does: 'env', variables that it sets, and 'path', folders that it puts before $PATH"""
        if not self.measures_activation:
            return {'env': self.cfg['activation_env'], 'path': self.cfg['activation_path']}
        if self.measured_activation is None:
            self.measured_activation = self.recorded_activation()
        return self.measured_activation

    def recorded_activation(self):
        """What activating was found to do when the module was installed."""
        path = os.path.join(self.installdir, ACTIVATION_RECORD)
        if os.path.exists(path):
            return json.loads(read_file(path))
        if self.activation_commands() and not self.dry_run:
            print_warning("There is no %s, which an installation writes: the module sets nothing of what activating "
                          "the environment sets. Install with --rebuild, or give 'activation_env'.", path)
        return {'env': {}, 'path': []}

    def container_path(self):
        """Folders before $PATH in the container"""
        return [RUNSCRIPTS] + list(self.activation['path'])

    def container_env(self):
        """Variables in the container"""
        env = dict(self.activation['env'])
        env.update((name, HARMLESS) for name in FORMER_ACTIVATIONS)
        if not self.cfg['user_site']:
            env['PYTHONNOUSERSITE'] = '1'
        env.update(self.cfg['container_env'])
        return env

    def activation_commands(self):
        """What a person would type in the container to activate the environment"""
        return [self.cfg['activation']] if self.cfg['activation'] else []

    def container_commands(self):
        """Commands of the container that people may want outside of it"""
        return sorted(set(self.cfg['commands']))

    def wrapped_commands(self):
        """Commands of the container that get a wrapper, of all that may; a name is no more than a name."""
        names = [name for name in self.container_commands()
                 if re.fullmatch(COMMAND_NAME, name) and name not in self.reserved_commands()]
        return names + (sorted(PYTHON_COMMANDS.difference(names)) if 'python' in names else [])

    def reserved_commands(self):
        """Names of commands that no command of the container may take from ours and from the host's"""
        return set(RESERVED_COMMANDS) | set(self.host_commands()) | set(HOST_COMMANDS).difference(self.cfg['commands'])

    def container_scripts(self):
        """Scripts of ours that the container sees at /runscripts"""
        return list(CONTAINER_SCRIPTS)

    def host_commands(self):
        """Commands of ours for people outside the container"""
        return sorted(SHELL_COMMANDS)

    def check_parameters(self):
        """Also look at those of the module."""
        super().check_parameters()
        if self.cfg.get_ref('exts_list') and not self.SUPPORTS_EXTS_LIST:
            self.fail_parameter('exts_list', "%s adds no packages to the image, use SifVenv", type(self).__name__)
        self.check_choice('start_with', ('exec', 'run'))
        self.check_choice('gpu', tuple(GPU_SWITCHES))
        self.check_texts('commands', self.cfg['commands'], COMMAND_NAME, "the name of a command")
        self.check_texts('conflicts', self.cfg['conflicts'], MODULE_NAME, "the name of a module")
        self.check_texts('binds', self.cfg['binds'], BIND, "one bind specification that begins with an absolute path, "
                                                           "without comma and line break")
        self.check_texts('activation_path', self.cfg['activation_path'], CONTAINER_PATH,
                         "an absolute path without colon and line break")
        self.check_texts('library_path', self.cfg['library_path'], LIBRARY_FOLDER,
                         "an absolute path without any of : ; $ ` \\ and line breaks")
        self.check_texts('start_env', self.cfg['start_env'].values(), START_VALUE,
                         "a text in which $ begins $NAME, ${NAME}, ${NAME:-text} or ${NAME:+text}")
        for name in self.cfg['start_folders']:
            if name not in self.cfg['start_env']:
                self.fail_parameter('start_folders', "%r is not in start_env", name)
        for name in ('activation_env', 'container_env', 'host_env', 'start_env'):
            values = self.cfg[name] or {}
            self.check_texts(name, values, VARIABLE_NAME, "the name of an environment variable")
            if name in ('container_env', 'start_env'):
                self.check_texts(name, values, CONTAINER_VARIABLE,
                                 "a variable to set: PATH in the container is that of the image, behind what "
                                 "activating puts there")
            self.check_texts(name, values.values(), VARIABLE_VALUE,
                             "a text without line breaks and control characters, the value of a variable")
        self.check_distributed()
        if self.measures_activation and self.cfg['activation_path']:
            self.fail_parameter('activation_path', "without 'activation_env' both are found out at installation: give "
                                                   "both, or neither")

    def check_distributed(self):
        """Refuse what could not work of the parameter 'distributed'."""
        known = self.cfg['distributed']
        for name in known:
            if name not in ('ports', 'cpu_masks'):
                self.fail_parameter('distributed', "%r is none of ports, cpu_masks", name)
        ports, masks = known.get('ports', 'reserved'), known.get('cpu_masks', [])
        if not (isinstance(ports, str) and is_ports(ports)):
            self.fail_parameter('distributed', "%r is neither 'reserved' nor a range of ports such as 10000-19999",
                                ports)
        if not isinstance(masks, (list, tuple)):
            self.fail_parameter('distributed', "%r is no list of masks", masks)
        self.check_texts('distributed', masks, CPU_MASK, "a mask of processors such as 0xfe00")

    # Steps

    def install_step(self):
        """Install the image, and the commands and scripts around it."""
        super().install_step()
        for name in self.container_scripts():
            self.install_script(os.path.join('runscripts', name), read_file(files_path('runscripts', name)))
        write_file(os.path.join(self.installdir, START_SCRIPT),
                   self.fill_command_template('runscripts', 'start.sh', VERB=self.cfg['start_with']))
        self.install_host_commands()

    def install_host_commands(self):
        """Install the commands of ours for people outside the container."""
        for name, program in SHELL_COMMANDS.items():
            self.install_wrapper(name, program)

    def install_command_wrappers(self):
        """Install a command outside the container for each of the commands inside."""
        left_out = sorted(set(self.container_commands()) - set(self.wrapped_commands()))
        if left_out:
            print_msg("no wrapper for these commands: it would stand before one that shells, batch scripts or the "
                      "module need ('commands' may ask for it all the same), or the name is odd: %s",
                      ', '.join(repr(name) for name in left_out), log=self.log)
        hidden = [name for name in self.wrapped_commands()
                  if any(os.path.exists(os.path.join(folder, name)) for folder in SYSTEM_FOLDERS)]
        if hidden:
            trace_msg("commands that stand before the host's while the module is loaded: %s" % ', '.join(hidden))
        for name in self.wrapped_commands():
            self.install_wrapper(name, [name])
        self.install_wrapper('python', ['python'], path=VENV_PYTHON)

    def install_wrapper(self, name, program, path=None):
        """Install a command, in bin/ or elsewhere, that runs a program, a list of words, in the container."""
        self.install_script(path or os.path.join('bin', name), self.fill_command_template(
            'wrapper.sh', COMMAND=shell_words(name), PROGRAM=shell_words(*program),
            ROOT=shell_words(self.final_installdir)))

    def install_script(self, path, text):
        """Install an executable file."""
        path = os.path.join(self.installdir, path)
        write_file(path, text)
        if not self.dry_run:
            self.open_to_others(path, 0o777)

    def fill_command_template(self, *template, **values):
        """Text of a command that is installed."""
        values.update(MODULE=shell_words(self.short_mod_name), NAME=self.env_name)
        text = read_file(files_path(*template))
        return fill_template(text, {key: value for key, value in values.items() if '__%s__' % key in text})

    def post_processing_step(self):
        """Install wrappers, and find out what activating does, unless the easyconfig says it."""
        super().post_processing_step()
        self.install_command_wrappers()
        if self.measures_activation and self.activation_commands():
            self.measure_activation()
        self.write_settings()

    def measure_activation(self):
        """Find out what activating does, and write it down for modules that are made later."""
        trace_msg("finding out what activating the environment sets")
        if not self.dry_run:
            self.measured_activation = self.changes_of_activating(*self.activated_environment())
            record = json.dumps(self.measured_activation, indent=1, sort_keys=True)
            write_file(os.path.join(self.installdir, ACTIVATION_RECORD), record + '\n')

    def changes_of_activating(self, before, after, personal):
        """
        What the module is to change.

        :param before, after: environments before and after activating
        :param personal: names of variables whose values depend on who activates
        """
        env, path, problems = activation_changes(before, after, personal, decided=self.cfg['container_env'])
        refused = [problem for name, problem in problems if name not in personal]
        if refused:
            raise EasyBuildError("The module cannot do what activating the environment (%s) does: %s. Say in "
                                 "'container_env' what a variable other than PATH should be instead, or in "
                                 "'activation_env' and 'activation_path' what the module shall do.",
                                 ' && '.join(self.activation_commands()), '; '.join(refused))
        for _, problem in problems:
            print_warning("The module leaves out something that activating the environment does: %s. Say in "
                          "'container_env' what a variable other than PATH should be for all users if it is needed.",
                          problem)
        return {'env': env, 'path': path}

    # Module

    def write_settings(self):
        """Write what the wrappers need, a line each: the kind of setting, the name of a variable, and the value."""
        container_env, host_env = self.container_env(), self.cfg['host_env']
        lines = ['image %s' % self.image_name] + ['frozen %s' % path for path in self.frozen_paths]
        runtime = self.runtime or runtime_on_path() or self.recorded_setting('runtime')
        lines += ['runtime %s' % runtime] if runtime else []
        identity = self.image_identity()
        lines += ['identity %s' % identity] if identity else []
        lines += ['gpu %s' % GPU_SWITCHES[self.cfg['gpu']]] if self.cfg['gpu'] != 'none' else []
        lines += ['bind %s' % bind for bind in self.cfg['binds']]
        lines += ['path %s' % folder for folder in self.container_path()]
        lines += ['library %s' % folder for folder in self.cfg['library_path']]
        lines += ['env %s %s' % (name, container_env[name]) for name in sorted(container_env)]
        lines += ['host %s %s' % (name, host_env[name]) for name in sorted(host_env)]
        lines += ['start %s %s' % entry for entry in self.cfg['start_env'].items()]
        lines += ['folder %s' % name for name in self.cfg['start_folders']]
        nodes = self.cfg['distributed']
        lines += ['ports %s' % nodes['ports']] if 'ports' in nodes else []
        lines += ['mask %s' % mask for mask in nodes.get('cpu_masks', [])]
        self.write_whole(os.path.join(self.installdir, SETTINGS_FILE), ''.join('%s\n' % line for line in lines))

    def recorded_setting(self, kind):
        """Value of a setting of the installation that is there, or None"""
        path = os.path.join(self.installdir, SETTINGS_FILE)
        found = re.search(r'^%s (.+)$' % kind, read_file(path), re.MULTILINE) if os.path.exists(path) else None
        return found.group(1) if found else None

    def image_identity(self):
        """Size and identifier of the image that was verified, by which the module sees cheaply that there is another"""
        if self.src and os.path.exists(self.src[0]['path']) and not self.module_only:
            with open(self.src[0]['path'], 'rb') as handle:
                return image_identity(handle)
        return self.recorded_setting('identity') or ''

    def make_module_step(self, fake=False):
        """Also make the settings of wrappers, which are those of the module."""
        if self.module_only and os.path.isdir(self.installdir) and not (fake or self.dry_run):
            self.write_settings()
        return super().make_module_step(fake=fake)

    def has_loadable_module(self):
        """The module refuses to be loaded without an image."""
        return self.existing_image is not None

    def kept_folders(self):
        """What the container sees at /runscripts"""
        return ['runscripts']

    def whatis_lines(self):
        """What `module whatis` prints, of each text the first line"""
        lines = self.module_generator._generate_whatis_lines()
        return [' '.join(re.match(r'(\w+:)?\s*.*', line).group().split()) for line in lines]

    def make_module_description(self):
        """In Tcl, double backslashes, which EasyBuild leaves, so that one before a brace would end the text there."""
        texts = {name: self.cfg.get_ref(name) for name in DESCRIBING}
        try:
            self.cfg['whatis'] = self.whatis_lines()
            if self.module_generator.SYNTAX == 'Tcl':
                for name in DESCRIBING:
                    self.cfg[name] = doubled_backslashes(self.cfg.get_ref(name))
            return super().make_module_description()
        finally:
            for name in DESCRIBING:
                self.cfg[name] = texts[name]

    def make_module_footer(self):
        """Add what the module does for the container: data for a fixed text, which is the same in every module."""
        value = {'Lua': lua_value, 'Tcl': tcl_value}[self.module_generator.SYNTAX]
        extension = {'Lua': 'lua', 'Tcl': 'tcl'}[self.module_generator.SYNTAX]
        container_env = self.container_env()
        text = fill_template(read_file(files_path('module.' + extension)), {
            'NAME': value(self.env_name),
            'EASYCONFIG': value(os.path.basename(self.cfg.path)),
            'IDENTITY': value(self.image_identity()),
            'IMAGES': value([self.installed_image] + self.frozen_paths),
            'BINDS': value([[bind.split(':')[0], bind] for bind in self.cfg['binds']]),
            'GPU': value(GPU_SWITCHES[self.cfg['gpu']]),
            'CONFLICTS': value(list(self.cfg['conflicts'])),
            'PATH': value(self.container_path()),
            'LIBRARY_PATH': value(':'.join(self.cfg['library_path'])),
            'CONTAINER_ENV': value([[key, injected_value(container_env[key]), container_env[key]]
                                    for key in sorted(container_env)]),
            'HOST_ENV': value([[key, self.cfg['host_env'][key]] for key in sorted(self.cfg['host_env'])]),
        })
        return super().make_module_footer() + text

    # Sanity check

    def sanity_check_step(self, *args, **kwargs):
        """Check the files, the scripts, the commands and the environment in the container."""
        kwargs.setdefault('custom_paths', self.sanity_check_files())
        if self.dry_run:
            super().sanity_check_step(*args, **kwargs)
            return
        problem = self.module_only and self.why_not_started()
        if problem:
            print_warning("%s; skipping the sanity check", problem)
            return
        if self.runtime is None:
            self.runtime = find_runtime()
        # What the user has set for containers is not what gets checked: neither here, nor in the environment that
        # EasyBuild goes back to before it loads the module (it restores the user's own for the next easyconfig).
        for environment in (os.environ, self.initial_environ):
            for name in [name for name in environment if name.startswith(('APPTAINER', 'SINGULARITY'))]:
                del environment[name]
        self.sanity_check_load_module(extra_modules=kwargs.get('extra_modules'))
        if self.sanity_check_module_loaded:
            problems = self.sanity_check_container()
            if problems:
                self.sanity_check_fail_msgs.extend(problems)
                self.exit_code = EasyBuildExit.FAIL_SANITY_CHECK
        super().sanity_check_step(*args, **kwargs)

    def sanity_check_files(self):
        """Files and folders that an installation has."""
        scripts = [os.path.join('runscripts', name) for name in self.container_scripts()]
        commands = [os.path.join('bin', name) for name in self.host_commands() + self.wrapped_commands()]
        # With --module-only, the image may be one of the site's.
        image = [] if self.module_only and not os.path.exists(self.installed_image) else [self.image_name]
        return {'files': image + scripts + commands, 'dirs': ['bin', 'runscripts']}

    def sanity_check_container(self):
        """Check what cannot be seen from outside, in few starts of a container; return a list of what is wrong."""
        loaded, missing = self.look_through_wrapper()
        checks = (
            ("the image is the one of the easyconfig", self.check_image()),
            ("scripts have no syntax errors", self.check_scripts()),
            ("commands can start", missing),
            ("the environment in the container is that of an activated one", self.check_environment(loaded)),
        )
        problems = []
        for title, found in checks:
            trace_msg("%s: %s" % (title, "FAILED" if found else "OK"))
            problems.extend(found)
        return problems

    def check_scripts(self):
        """Parse all shell scripts of the installation."""
        scripts = []
        for folder in ('bin', 'runscripts'):
            for name in sorted(os.listdir(os.path.join(self.installdir, folder))):
                path = os.path.join(self.installdir, folder, name)
                with open(path, 'rb') as handle:
                    # The settings beside the scripts are data.
                    if os.access(path, os.X_OK) and b'python' not in handle.readline():
                        scripts.append(path)
        script = 'for path; do bash -n -- "$path" || echo "$path cannot be parsed"; done'
        return run_shell_cmd(['bash', '-c', script, 'bash'] + scripts, use_bash=False, hidden=True).output.splitlines()

    def look_through_wrapper(self):
        """
        Start a container as users do, by a wrapper, and look around there.

        All wrappers are the same but for the name of the command: it is enough to start one.

        :return: the variables there, and what is wrong with commands
        """
        commands = sorted(set(os.listdir(os.path.join(self.installdir, 'bin'))) - set(self.host_commands()))
        script = read_file(files_path('check-commands.sh'))
        res = self.run_through_wrapper('start-shell', ['-c', script, 'bash'] + commands)
        if res.exit_code != EasyBuildExit.SUCCESS:
            return None, ["the container does not start with the module loaded: %s" % res.stderr.strip()]
        numbers, *problems = res.output.split('\0')
        return parse_environment(read_numbers(numbers)), ["the command %s" % problem for problem in problems if problem]

    def run_through_wrapper(self, name, arguments, stdin=''):
        """
        Run a command of the installation as users do, and return what run_shell_cmd returns, with standard error apart.

        It runs as if the builder had nothing: no variables, no home folder, no current folder.
        """
        prefix = runtime_prefix(self.runtime)
        env = container_environment(self.runtime, {})
        env.update({prefix + '_CLEANENV': '1', prefix + '_NO_HOME': '1', prefix + '_PWD': '/', prefix + '_QUIET': '1'})
        env.update((name, value) for name, value in os.environ.items()
                   if name.startswith((prefix, 'SIF', 'EBROOT', '__EBSIF')))
        # Nor what values that are worked out at start may ask for.
        env.update((name, '') for name in self.cfg['start_env'])
        return run_shell_cmd([os.path.join(self.installdir, 'bin', name)] + arguments, use_bash=False, env=env,
                             stdin=stdin, split_stderr=True, fail_on_error=False, hidden=True)

    def check_environment(self, loaded):
        """Compare the environment in the container with what activating by hand gives."""
        if loaded is None:
            return []
        _, by_hand, personal = self.activated_environment()
        return self.compare_environments(by_hand, loaded, personal)

    def compare_environments(self, by_hand, loaded, personal):
        """List what is wrong with the environment with the module loaded."""
        added = set(self.cfg['container_env']) | set(self.cfg['start_env']) | personal
        libraries = loaded.get('LD_LIBRARY_PATH', '').split(':')
        if self.cfg['library_path'] and libraries[:len(self.cfg['library_path'])] == self.cfg['library_path']:
            loaded = dict(loaded, LD_LIBRARY_PATH=':'.join(libraries[len(self.cfg['library_path']):]))
        return differences(by_hand, loaded, added=added)

    # Running things in the container

    def activated_environment(self):
        """Variables in the container before and after activating by hand, and those that depend on who activates"""
        script = activate_script(self.activation_commands())
        res = self.run_in_container(['bash', '-c', script], verb=self.cfg['start_with'], binds=self.layer_binds())
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("Could not get the environment in the container: %s", res.stderr.strip())
        refused = [line for line in res.stderr.splitlines() if 'Read-only file system' in line]
        if refused and self.sanity_check_module_loaded:
            print_warning("Activating the environment writes to the image or the layer, where nothing can be written "
                          "later: %s", '; '.join(refused))
        return parse_activated(res.output)
