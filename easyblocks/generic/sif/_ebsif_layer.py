"""
Extends two modules when they are imported: venv, so that a venv that somebody makes with the Python of a layer sees all
that this Python sees, and starts in its container; and mpi4py.MPI, so that tasks that do not find each other say so.

Without it, such a venv is one of the Python that the layer's was made with, and sees nothing of the layer; and tasks of
a Slurm step work each by itself, all as rank 0, without a word. It lies in each layer, and a file beside it imports it
whenever Python starts: all else that it needs, it imports later.
"""
import sys

# What the installation has for the bin/ of such a venv: it starts Python in the container, and is called there, too.
LAUNCHER = '/runscripts/venv-python'
PTH_NAME = 'ebsif-layer.pth'


class LayerFinder:
    """Finds a module as Python does, and extends it when it has been loaded"""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Where one of our modules is; all else is for others to find."""
        extension = EXTENSIONS.get(name)
        if extension is None:
            return None
        # mpi4py has a finder of its own.
        others = [finder for finder in sys.meta_path if finder is not LayerFinder and hasattr(finder, 'find_spec')]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                extension(module)

            spec.loader.exec_module = exec_module
        return spec


def extend_venv(module):
    """Have the class that makes venvs finish them."""
    create = module.EnvBuilder.create

    def create_and_finish(self, env_dir):
        create(self, env_dir)
        finish(env_dir, self.system_site_packages)

    module.EnvBuilder.create = create_and_finish


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


def look_at_world(mpi):
    """Say so where a step of Slurm has several tasks, and MPI has started and knows only this one: once, by task 0."""
    import os
    tasks = os.environ.get('SLURM_STEP_NUM_TASKS', '1')
    if tasks == '1' or os.environ.get('SLURM_PROCID') != '0':
        return
    if mpi.Is_initialized() and mpi.COMM_WORLD.Get_size() == 1:
        # By one call, lest words of other tasks come between.
        os.write(2, b"mpi4py: this step has %s tasks, and each is alone, rank 0 of 1: start it with `srun --mpi=pmi2` "
                    b"(`srun --mpi=list` tells what there is), and a module that has the MPI of the host (`features`)\n"
                 % tasks.encode())


EXTENSIONS = {'venv': extend_venv, 'mpi4py.MPI': look_at_world}
sys.meta_path.insert(0, LayerFinder)
