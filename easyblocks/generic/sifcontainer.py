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
from easybuild.easyblocks.generic._sifcopy import copy_and_hash, lay_out, stamp
from easybuild.easyblocks.generic._sifimages import lead_to, link_target, remove_unused, share, shared_path
from easybuild.easyblocks.generic._sifruntime import RUNTIMES, container_command, container_environment, injected_value
from easybuild.easyblocks.generic._sifruntime import image_identity, other_machine, runtime_prefix, sif_header
from easybuild.easyblocks.generic._siftext import BIND, COMMAND_NAME, CPU_MASK, HOST_COMMANDS, MODULE_NAME
from easybuild.easyblocks.generic._siftext import RESERVED_COMMANDS, doubled_backslashes, files_path, fill_template
from easybuild.easyblocks.generic._siftext import is_ports, lua_value, shell_words, tcl_value
from easybuild.easyblocks.generic.stagedeasyblock import StagedEasyBlock, existing_folder, is_link_to
from easybuild.easyblocks.generic.stagedeasyblock import may_write
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg, print_warning
from easybuild.tools.config import build_option
from easybuild.tools.filetools import compute_checksum, convert_name, mkdir, read_file, remove_file, symlink
from easybuild.tools.filetools import verify_checksum, which, write_file
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

# What timeout(1) returns for a command that it has ended, by SIGTERM and by SIGKILL.
TIMED_OUT, KILLED = 124, 137

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


class SifContainer(StagedEasyBlock):
    """Support for using a container image through a module"""

    # Whether the easyblock can do something with exts_list.
    SUPPORTS_EXTS_LIST = False

    # What a parameter without default value holds.
    PARAMETER_TYPES = {'activation': str, 'activation_env': dict}

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of the easyblocks for container images"""
        extra_vars = StagedEasyBlock.extra_options(extra_vars)
        extra_vars.update({
            'frozen_images': [[], "Folders with the site's frozen images: the image is searched there too, "
                                  "at installation, and by the module when the installed one is gone", CUSTOM],
            'image_install': ['copy', "How the image gets into the installation: 'copy' (sharing blocks where the "
                                      "file system can), 'share' (one copy for all versions) or 'link'", CUSTOM],
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
        """Initialise, and refuse values that could not work before anything is done"""
        super().__init__(*args, **kwargs)

        self.runtime = None
        self.measured_activation = None
        self.verified = None
        self.unload_family()
        # There is no compiler to wrap.
        self.toolchain.options['rpath'] = False

        # Host variables such as $LD_LIBRARY_PATH must not point at what belongs into the container.
        for name in list(self.module_load_environment):
            if name != 'PATH':
                self.module_load_environment.remove(name)
        self.module_load_environment.PATH = ['bin']

        self.check_types()
        self.check_parameters()

    def unload_family(self):
        """Unload a module of this kind that the user has: it hides the host's Python, and keeps others from loading."""
        loaded = os.environ.get('LMOD_FAMILY_EBSIF')
        if loaded:
            self.log.info("Unloading %s, which the user has loaded", loaded)
            self.modules_tool.unload([loaded])
            self.initial_environ = copy.deepcopy(os.environ)

    # Values of the easyconfig

    @property
    def image_name(self):
        """File name of the image, the first of the sources; None without sources"""
        source = (self.cfg['sources'] or [None])[0]
        return source.get('filename') if isinstance(source, dict) else source

    @property
    def installed_image(self):
        """Path of the image in the installation"""
        return os.path.join(self.installdir, self.image_name)

    @property
    def frozen_folders(self):
        """Folders with frozen images; one that is named by a variable that is not set here does not count"""
        folders = [os.path.expandvars(folder) for folder in self.cfg['frozen_images']]
        return [folder for folder in folders if '$' not in folder]

    @property
    def frozen_paths(self):
        """Paths of the image among the frozen ones; variables in them are for the module and the wrappers to replace"""
        return [os.path.join(folder, self.image_name) for folder in self.cfg['frozen_images']]

    @property
    def images(self):
        """Paths at which the module would find the image here, in this order"""
        return [self.installed_image] + [os.path.join(folder, self.image_name) for folder in self.frozen_folders]

    @property
    def existing_image(self):
        """Path at which the module finds the image, or None"""
        return next((path for path in self.images if os.path.exists(path)), None)

    @property
    def env_name(self):
        """What the names of the module's variables end with"""
        return convert_name(self.name, upper=True)

    @property
    def module_only(self):
        """Whether only the module is made"""
        return build_option('module_only') or self.cfg['module_only']

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

    def fail_parameter(self, name, msg, *args):
        """Refuse the value of an easyconfig parameter."""
        raise EasyBuildError("Easyconfig parameter '" + name + "': " + msg, *args,
                             exit_code=EasyBuildExit.VALUE_ERROR)

    def check_texts(self, name, values, pattern, expected):
        """Refuse the value of an easyconfig parameter unless all of values are texts that match a pattern."""
        for value in values:
            if not (isinstance(value, str) and re.fullmatch(pattern, value)):
                self.fail_parameter(name, "%r is not %s", value, expected)

    def check_types(self):
        """Refuse values of easyconfig parameters that are no texts, lists or dictionaries where these are wanted."""
        for name, (default, _, _) in self.extra_options().items():
            expected = self.PARAMETER_TYPES.get(name, type(default))
            if self.cfg.get_ref(name) is not None and not isinstance(self.cfg.get_ref(name), expected):
                self.fail_parameter(name, "%r is no %s", self.cfg.get_ref(name), expected.__name__)

    def check_parameters(self):
        """Refuse values of easyconfig parameters that could not work; what is absent is for check_presence."""
        if self.image_name is not None:
            self.check_texts('sources', [self.image_name], r'[^/\s,:]+', "the name of an image file")
        if self.cfg.get_ref('exts_list') and not self.SUPPORTS_EXTS_LIST:
            self.fail_parameter('exts_list', "%s adds no packages to the image, use SifVenv", type(self).__name__)
        if self.cfg['patches']:
            self.fail_parameter('patches', "an image stays as it is, and so does what packages bring: nothing can be "
                                           "patched")
        for name, choices in (('image_install', ('copy', 'share', 'link')), ('start_with', ('exec', 'run')),
                              ('gpu', tuple(GPU_SWITCHES))):
            if self.cfg[name] not in choices:
                self.fail_parameter(name, "%r is none of %s", self.cfg[name], ', '.join(choices))
        if self.cfg['image_install'] == 'share' and self.group is not None:
            self.fail_parameter('image_install', "an image that versions share cannot be for the group %s alone, as "
                                                 "this installation: use 'copy'", self.group[0])
        self.check_texts('commands', self.cfg['commands'], COMMAND_NAME, "the name of a command")
        self.check_texts('conflicts', self.cfg['conflicts'], MODULE_NAME, "the name of a module")
        self.check_texts('binds', self.cfg['binds'], BIND, "one bind specification that begins with an absolute path, "
                                                           "without comma and line break")
        self.check_texts('activation_path', self.cfg['activation_path'], CONTAINER_PATH,
                         "an absolute path without colon and line break")
        self.check_texts('library_path', self.cfg['library_path'], LIBRARY_FOLDER,
                         "an absolute path without any of : ; $ ` \\ and line breaks")
        self.check_texts('frozen_images', self.cfg['frozen_images'], r'[/$][^\n:]*',
                         "an absolute path without colon and line break")
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
        self.check_installdir()

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

    def check_presence(self):
        """Refuse an easyconfig that lacks what cannot be done without."""
        if self.image_name is None:
            self.fail_parameter('sources', "the first source must be the container image (a SIF file)")

    def check_installdir(self):
        """Refuse installation folders that could not work."""
        if re.search(r'[,:\n]', self.installdir):
            raise EasyBuildError("The installation folder %s has a comma, colon or line break in its name, which "
                                 "container runtimes cannot bind. Choose another one with --prefix or --installpath.",
                                 self.installdir, exit_code=EasyBuildExit.VALUE_ERROR)
        if self.module_generator.SYNTAX == 'Tcl' and re.search(r'\s', self.installdir):
            raise EasyBuildError("The installation folder %s has a space in its name, which EasyBuild's modules in Tcl "
                                 "syntax cannot have. Choose another one with --prefix or --installpath, or use "
                                 "--module-syntax=Lua.", self.installdir, exit_code=EasyBuildExit.VALUE_ERROR)

    def folders_to_fill(self):
        """Also the one for an image to share that is not there yet"""
        yield from super().folders_to_fill()
        if self.cfg['image_install'] == 'share' and self.image_name is not None:
            wanted = stated_sha256(self.get_checksum_for(self.cfg['checksums'], self.image_name, 0))
            if not (wanted and os.path.exists(self.shared_image(wanted))):
                yield existing_folder(os.path.dirname(self.shared_image(wanted or '')))

    def remove_staged(self):
        """Also remove shared images to which no installation leads any more."""
        super().remove_staged()
        for folder, reason in remove_unused(os.path.dirname(self.final_installdir)).items():
            print_warning("No installation uses the image in %s any more, and it cannot be removed: %s", folder, reason)

    # Steps

    def check_readiness_step(self):
        """Also look whether the easyconfig is complete: not earlier, since EasyBuild may be about to complete it."""
        self.check_presence()
        super().check_readiness_step()

    def obtain_file(self, filename, **kwargs):
        """Look for the image among the site's frozen images too."""
        if filename and filename == self.image_name:
            for folder in self.frozen_folders:
                path = os.path.join(folder, filename)
                if os.path.exists(path):
                    return path
            kwargs['download_instructions'] = kwargs.get('download_instructions') or (
                "The container image %s is missing. Copy it into one of the folders above, or, if your site keeps it "
                "elsewhere, add that folder with --sourcepath or to 'frozen_images' in the easyconfig (now: %s)."
                % (filename, ', '.join(self.frozen_folders) or "none"))
        return super().obtain_file(filename, **kwargs)

    def fetch_sources(self, *args, **kwargs):
        """Also look what the image is, before more is fetched; to fetch files, any host will do."""
        super().fetch_sources(*args, **kwargs)
        if self.owns_lock:
            problem = self.look_at_image(self.src[0]['path'])
            if problem:
                raise EasyBuildError("%s: install it on a host of that kind.", problem)

    def look_at_image(self, path):
        """That an image is for another kind of machine than this host, in words; None when it is not."""
        with open(path, 'rb') as handle:
            header = sif_header(handle)
        if header is None:
            raise EasyBuildError("%s is not a SIF image. Singularity and Apptainer make one with `build` or `pull`.",
                                 path)
        return other_machine(path, header.machine)

    def fetch_step(self, skip_checksums=False):
        """Files are large, and verified as they are copied, unless this only fetches them."""
        super().fetch_step(skip_checksums=skip_checksums or self.owns_lock)

    def checksum_step(self):
        """Put the image beside its place, and verify what is there, which is what is used from now on."""
        if self.dry_run:
            super().checksum_step()
            return
        for source in self.src:
            origin = source['origin'] = source['path']
            source['path'], source['sha256'] = self.provide_image(origin, stated_sha256(source['checksum']))
            if not verify_checksum(source['path'], source['checksum'], {'sha256': source['sha256']}):
                if not build_option('ignore_checksums'):
                    raise EasyBuildError("Checksum verification for %s failed: the easyconfig says %s, the file has "
                                         "SHA256 %s. Use the very image that the easyconfig was made for, or make an "
                                         "easyconfig for this one.", origin, source['checksum'], source['sha256'],
                                         exit_code=EasyBuildExit.FAIL_CHECKSUM)
                print_warning("Ignoring failing checksum verification for %s" % source['name'])
            if self.owns_lock and self.cfg['image_install'] == 'share':
                source['path'] = self.share_image(source['path'], source['sha256'])
            self.verified = stamp(source['path'])

    def provide_image(self, origin, wanted):
        """Path and SHA256 of what is to be used of an image, which is read once, given the SHA256 that is wanted."""
        if not self.owns_lock or self.cfg['image_install'] == 'link':
            return origin, compute_checksum(origin, checksum_type='sha256')
        mkdir(self.sibling('image'), parents=True)
        if self.cfg['image_install'] == 'share' and wanted:
            image = self.shared_image(wanted)
            lead_to(image, self.link_while_installing)
            if os.access(image, os.R_OK, effective_ids=True):
                trace_msg("verifying the image that is shared already, %s" % image)
                if compute_checksum(image, checksum_type='sha256') == wanted:
                    return image, wanted
            if os.path.lexists(image):
                print_warning("%s cannot be read, or is damaged: it gets replaced." % image)
                if not may_write(os.path.dirname(image)):
                    self.refuse_to_change(image)
        size = os.path.getsize(origin)
        trace_msg("copying the image %s (%.1f GB)" % (origin, size / 1e9))
        path = os.path.join(self.sibling('image'), 'copy')
        self.lay_out_file(path, size)
        return path, copy_and_hash(origin, path)

    @staticmethod
    def lay_out_file(path, size):
        """Prepare the place of a file that is about to be written."""
        problem = lay_out(path, size)
        if problem:
            print_warning("%s will not be striped: %s" % (path, problem))

    def shared_image(self, sha256):
        """Path of the image among those that installations beside this one share"""
        return shared_path(os.path.dirname(self.final_installdir), sha256, self.image_name)

    @property
    def link_while_installing(self):
        """What says that a shared image is used by an installation that is not there yet"""
        return os.path.join(self.sibling('image'), self.image_name)

    def share_image(self, path, sha256):
        """Put a verified image among the shared ones, if it does not come from there, and return where it is."""
        image = self.shared_image(sha256)
        if path != image:
            link = self.link_while_installing
            if not is_link_to(link, link_target(image, os.path.dirname(link))):
                # The easyconfig does not say which image it is.
                remove_file(link)
                lead_to(image, link)
            # Nobody is to write to it. Who may read it is what the folders above say, as for all installations.
            os.chmod(path, 0o444 & ~int(build_option('umask') or '0', 8))
            share(path, image)
        return image

    def extract_step(self):
        """There is nothing to unpack."""
        if not self.dry_run:
            self.src[0]['finalpath'] = self.builddir

    def configure_step(self):
        """Find the container runtime, and see whether it can start the image."""
        if self.dry_run:
            return
        self.runtime = find_runtime()
        trace_msg("container runtime: %s" % self.runtime)
        self.check_base()

    def check_base(self):
        """Refuse an image that nobody can use."""
        self.start_base(['true'])

    def start_base(self, command):
        """Output of a command that every image has: that it starts shows that the image does."""
        res = self.run_in_container(command)
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("%s cannot start the image %s: %s", self.runtime, self.src[0]['origin'],
                                 res.stderr.strip())
        return res.output

    def build_step(self):
        """There is nothing to build."""

    def install_step(self):
        """Install the image, and the commands and scripts around it."""
        source = self.src[0]['path'] if self.src else self.image_name
        if self.cfg['image_install'] == 'link':
            trace_msg("linking to the image %s" % source)
            if not self.dry_run:
                symlink(os.path.realpath(source), self.installed_image)
        elif self.dry_run:
            trace_msg("copying the image %s" % source)
        elif self.cfg['image_install'] == 'share':
            os.symlink(link_target(source, self.installdir), self.installed_image)
        else:
            self.open_to_others(source, 0o666)
            os.rename(source, self.installed_image)
            os.rmdir(os.path.dirname(source))
            self.src[0]['path'] = self.installed_image

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

    @staticmethod
    def open_to_others(path, permissions):
        """Give a file permissions, as far as the umask allows them, which may be EasyBuild's own (--umask)."""
        umask = os.umask(0o077)
        os.umask(umask)
        os.chmod(path, permissions & ~umask)

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

    def make_module_description(self):
        """In Tcl, double backslashes, which EasyBuild leaves, so that one before a brace would end the text there."""
        if self.module_generator.SYNTAX != 'Tcl':
            return super().make_module_description()
        texts = {name: self.cfg.get_ref(name) for name in DESCRIBING}
        try:
            for name in DESCRIBING:
                self.cfg[name] = doubled_backslashes(texts[name])
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

    def why_not_started(self):
        """Why nobody can start the image on this host, in words; None when nothing is known to be in the way."""
        if self.existing_image is None:
            return "The container image is gone. It was looked for at: %s" % ', '.join(self.images)
        return self.look_at_image(self.existing_image)

    def sanity_check_rpath(self, *args, **kwargs):
        """Nothing here is linked by EasyBuild."""
        return []

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

    def check_image(self):
        """Look whether the image is what was verified: it is not read again if it is the very file, unchanged."""
        image, checksum = self.existing_image, self.get_checksum_for(self.cfg['checksums'], self.image_name, 0)
        if self.module_only or image is None or stamp(image) == self.verified or build_option('ignore_checksums'):
            return []
        found = compute_checksum(image, checksum_type='sha256')
        if verify_checksum(image, checksum, {'sha256': found}):
            return []
        return ["the image %s is no longer the one of the easyconfig: that says %s, and the file has SHA256 %s"
                % (os.path.realpath(image), checksum, found)]

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

    def layer_binds(self):
        """Bind specifications for the layer of the installation."""
        return []

    def run_in_container(self, command, verb='exec', binds=(), env=None, scratch=None, limit=None):
        """
        Run a command in a container of the image, and return what run_shell_cmd returns, with standard error apart.

        :param command: list of the program and its arguments
        :param verb: 'exec', or 'run' to go through the runscript of the image
        :param binds: bind specifications
        :param env: environment variables in the container
        :param scratch: a folder for its temporary files, if it must see nothing else of the host
        :param limit: number of seconds after which it is ended, and its status is TIMED_OUT or KILLED
        """
        image = self.src[0]['path'] if self.src else self.existing_image
        words = container_command(self.runtime, image, command, verb, binds, scratch)
        if limit is not None:
            words = ['timeout', '--kill-after=10', str(limit)] + words
        return run_shell_cmd(words, use_bash=False, env=container_environment(self.runtime, env or {}),
                             split_stderr=True, fail_on_error=False, hidden=True)


def stated_sha256(checksum):
    """The SHA256 that an easyconfig states for a file; None when it states none, or in another way"""
    return checksum if isinstance(checksum, str) and re.fullmatch('[0-9a-f]{64}', checksum) else None


def runtime_on_path():
    """Path of the container runtime that is on $PATH, or None."""
    paths = (which(name, on_error='ignore') for name in RUNTIMES)
    return next((path for path in paths if path), None)


def find_runtime():
    """Path of the container runtime that is on $PATH."""
    path = runtime_on_path()
    if path:
        return path
    raise EasyBuildError("Neither apptainer nor singularity is on $PATH: install one of them, or load the module "
                         "that provides it, and try again.", exit_code=EasyBuildExit.MISSING_SYSTEM_DEPENDENCY)
