"""
Lets a venv that somebody makes with the Python of a layer see all that this Python sees, and start in its container.

Without it, such a venv is one of the Python that the layer's was made with, and sees nothing of the layer. It lies in
each layer, and a file beside it imports it whenever Python starts: what it needs, it imports when a venv is made.
"""
import sys

# What the installation has for the bin/ of such a venv: it starts Python in the container, and is called there, too.
LAUNCHER = '/runscripts/venv-python'
PTH_NAME = 'ebsif-layer.pth'


class VenvFinder:
    """Finds the module venv, as Python does, and extends it when it has been loaded"""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Where venv is; all else is for others to find."""
        if name != 'venv':
            return None
        from importlib.machinery import PathFinder
        spec = PathFinder.find_spec(name, path)
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                extend(module.EnvBuilder)

            spec.loader.exec_module = exec_module
        return spec


def extend(builder_class):
    """Have a class that makes venvs finish them."""
    create = builder_class.create

    def create_and_finish(self, env_dir):
        create(self, env_dir)
        finish(env_dir, self.system_site_packages)

    builder_class.create = create_and_finish


def finish(env_dir, sees_system):
    """Let a new venv see the packages of this Python, if it is to see any, and start outside the container."""
    import os
    import shutil
    import site
    import sysconfig
    env_dir = os.path.abspath(env_dir)
    if sees_system:
        own = [sysconfig.get_path('purelib'), sysconfig.get_path('platlib')] + site.getsitepackages()
        target = sysconfig.get_path('purelib', vars={'base': env_dir, 'platbase': env_dir})
        with open(os.path.join(target, PTH_NAME), 'w') as handle:
            for folder in dict.fromkeys(own):
                handle.write('import site; site.addsitedir(%r)\n' % folder)
    if os.path.exists(LAUNCHER):
        bindir = os.path.join(env_dir, 'bin')
        for name in os.listdir(bindir):
            if name.startswith('python'):
                path = os.path.join(bindir, name)
                os.remove(path)
                shutil.copy(LAUNCHER, path)


sys.meta_path.insert(0, VenvFinder)
