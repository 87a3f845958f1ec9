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
import glob
import os

from easybuild.easyblocks.generic._sifactivation import VENVS
from easybuild.easyblocks.generic._sifpackages import canonical, is_wheel
from easybuild.easyblocks.generic._siftext import ENVIRONMENT_NAME
from easybuild.easyblocks.generic.siflayer import show_version
from easybuild.easyblocks.generic.sifpython import SifPython
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.filetools import mkdir
from easybuild.tools.utilities import trace_msg


class SifVenv(SifPython):
    """Support for adding a Python venv to a container image"""

    PARAMETER_TYPES = dict(SifPython.PARAMETER_TYPES, venv_name=str)

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters of SifVenv"""
        extra_vars = SifPython.extra_options(extra_vars)
        extra_vars.update({
            'venv_name': [None, "Name of the venv, a folder in %s (default: name of the software in lower "
                                "case)" % VENVS, CUSTOM],
        })
        return extra_vars

    # Values of the easyconfig

    @property
    def venv_name(self):
        """Name of the venv"""
        return self.cfg['venv_name'] or self.name.lower()

    @property
    def env_dir(self):
        """Path of the venv in the container"""
        return os.path.join(VENVS, self.venv_name)

    @property
    def build_python(self):
        """The Python of the image: that of the venv sees packages of the image even where pip hides them."""
        return self.cfg['base_python']

    def container_env(self):
        """Also what activating the venv sets"""
        env = super().container_env()
        env.setdefault('VIRTUAL_ENV', self.env_dir)
        return env

    def activation_commands(self):
        """Also activate the venv"""
        return super().activation_commands() + ['source %s/bin/activate' % self.env_dir]

    def check_parameters(self):
        """Refuse values that could not work."""
        super().check_parameters()
        self.check_texts('venv_name', [self.venv_name], ENVIRONMENT_NAME, "a name for a venv")
        if 'pip' in {canonical(name) for name in self.cfg['build_packages']}:
            self.fail_parameter('build_packages', "pip is in every venv, and cannot serve the installation only")

    def check_presence(self):
        """Refuse an easyconfig that lacks what cannot be done without."""
        super().check_presence()
        if self.cfg['base_python'] is None:
            self.fail_parameter('base_python', "give the absolute path of the image's Python")

    # Steps

    def check_base(self):
        """Refuse wheels that cannot be installed on the image, or must not."""
        wheels = [name for name in (os.path.basename(ext['src']) for ext in self.exts) if is_wheel(name)]
        base = self.probe_python(self.cfg['base_python'], wheels)
        version = show_version(base['version'])
        trace_msg("the image has Python %s and %d packages" % (version, len(base['packages'])))
        self.check_python_version(base['version'], "image")
        unsupported = base.get('unsupported')
        if unsupported:
            raise EasyBuildError("These wheels are not for Python %s of the image %s on this platform: %s. Take those "
                                 "that are, from the same release.", version, self.image_name, ', '.join(unsupported))
        self.refuse_base_packages(self.locked_packages(), base['packages'])

    def build_step(self):
        """Make an empty venv."""
        trace_msg("making the venv %s" % self.env_dir)
        if self.dry_run:
            return
        mkdir(self.in_build(os.path.dirname(self.env_dir)), parents=True)
        self.run_layer_py(self.cfg['base_python'], ['create', self.env_dir] + ([] if self.has_packages else ['--pip']))
        (folder,) = glob.glob(os.path.join(glob.escape(self.in_build(self.env_dir)), 'lib', 'python*'))
        self.install_import_hook(os.path.join(self.env_dir, 'lib', os.path.basename(folder), 'site-packages'))

    # Sanity check

    def wanted_in_layer(self, exceptions=()):
        """What is wrong with the packages of the image is not for the layer to mend."""
        return dict(super().wanted_in_layer(exceptions), base=self.cfg['base_python'])
