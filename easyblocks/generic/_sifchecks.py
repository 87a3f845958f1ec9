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
Sanity checks of a container and its module: that scripts parse, commands start, and the environment is the right one
"""
import os

from easybuild.easyblocks.generic._sifenvironment import differences
from easybuild.easyblocks.generic._sifruntime import ContainerRuntime
from easybuild.tools.build_log import EasyBuildExit, print_warning
from easybuild.tools.run import run_shell_cmd
from easybuild.tools.utilities import trace_msg

# Exit status of a shell for what is not executable, or not there; runtimes have one of their own and say "FATAL:".
NOT_STARTED = (126, 127)


class ContainerChecks:
    """The part of SifContainer that checks an installation"""

    def sanity_check_step(self, *args, **kwargs):
        """Check the files, the scripts, the commands and the environment in the container."""
        if self.dry_run:
            super().sanity_check_step(custom_paths=self.sanity_check_files())
            return
        if self.module_only and self.existing_image is None:
            print_warning("The container image is gone, skipping the sanity check. It was looked for at: %s"
                          % ', '.join(self.images))
            return
        if self.runtime is None:
            self.runtime = ContainerRuntime()
        # What the user has set for containers is not what gets checked (EasyBuild restores it for the next one).
        for name in [name for name in os.environ if name.startswith(('APPTAINER', 'SINGULARITY'))]:
            del os.environ[name]
        self.sanity_check_load_module()
        if self.sanity_check_module_loaded:
            self.sanity_check_fail_msgs.extend(self.sanity_check_container())
        super().sanity_check_step(custom_paths=self.sanity_check_files())

    def sanity_check_rpath(self, *args, **kwargs):
        """Nothing here is linked by EasyBuild."""
        return []

    def sanity_check_files(self):
        """Files and folders that an installation has."""
        scripts = [os.path.join('runscripts', name) for name in self.container_scripts()]
        commands = [os.path.join('bin', name) for name in self.host_commands() + self.container_commands()]
        # With --module-only, the image may be one of the site's.
        image = [] if self.module_only and not os.path.exists(self.installed_image) else [self.image_name]
        return {'files': image + scripts + commands, 'dirs': ['bin', 'runscripts']}

    def sanity_check_container(self):
        """Check what cannot be seen from outside; return a list of what is wrong."""
        checks = (
            ("scripts have no syntax errors", self.check_scripts),
            ("commands start", self.check_commands),
            ("the environment in the container is that of an activated one", self.check_environment),
        )
        problems = []
        for title, check in checks:
            found = check()
            trace_msg("%s: %s" % (title, "FAILED" if found else "OK"))
            problems.extend(found)
        return problems

    def check_scripts(self):
        """Parse all shell scripts of the installation."""
        problems = []
        for folder in ('bin', 'runscripts'):
            for name in sorted(os.listdir(os.path.join(self.installdir, folder))):
                path = os.path.join(self.installdir, folder, name)
                with open(path, 'rb') as handle:
                    first = handle.readline()
                if b'python' not in first:
                    res = run_shell_cmd(['bash', '-n', path], use_bash=False, fail_on_error=False, hidden=True)
                    if res.exit_code != EasyBuildExit.SUCCESS:
                        problems.append("%s: %s" % (path, res.output.strip()))
        return problems

    def check_commands(self):
        """Start every command of the container through its wrapper."""
        commands = sorted(set(os.listdir(os.path.join(self.installdir, 'bin'))) - set(self.host_commands()))
        # The exit status for a command that is not there is the runtime's own, so that it is asked for before.
        res = self.run_in_container(['bash', '-c', 'for name; do type -P "$name" > /dev/null || echo "$name"; done',
                                     'bash'] + commands, verb=self.cfg['start_with'], env=self.injected_environment())
        if res.exit_code != EasyBuildExit.SUCCESS:
            return ["the container does not start with the module loaded: %s" % res.stderr.strip()]
        missing = res.output.split()
        problems = ["the command %s is neither in the image nor in the layer" % command for command in missing]
        for command in commands:
            if command in missing:
                continue
            # What does not know --help may go on running: then it has started.
            res = run_shell_cmd(['timeout', '60', os.path.join(self.installdir, 'bin', command), '--help'],
                                use_bash=False, stdin='', split_stderr=True, fail_on_error=False, hidden=True)
            if res.exit_code in NOT_STARTED or 'FATAL:' in res.stderr:
                problems.append("the command %s does not start: %s" % (command, res.stderr.strip()))
        return problems

    def check_environment(self):
        """Compare the environment in the container with what activating by hand gives."""
        by_hand = self.activated_environment()
        loaded = self.environment_of(['env', '-0'], env=self.injected_environment())
        return self.compare_environments(by_hand, loaded)

    def injected_environment(self):
        """Variables for the runtime that the loaded module has set"""
        return {name: value for name, value in os.environ.items() if name.startswith(self.runtime.prefix)}

    def compare_environments(self, by_hand, loaded):
        """List what is wrong with the environment with the module loaded."""
        return differences(by_hand, loaded, added=self.cfg['container_env'])
