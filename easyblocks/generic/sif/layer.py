"""
Works on a layer from inside the container, with a Python there (3.8 or newer); run by SifVenv, SifConda and ebsif.

Each subcommand prints one JSON document on standard output; anything else that there is to say goes to standard error.
"""
import argparse
import importlib.util
import json
import os
import platform
import py_compile
import re
import site
import subprocess
import sys
import sysconfig
from concurrent.futures import ProcessPoolExecutor

try:
    from importlib import metadata
except ImportError:
    # Python 3.7 and older can do nothing but say so.
    metadata = None

PTH_NAME = 'ebsif-base.pth'

# First lines of a script that name its interpreter; the second is how pip writes one that is too long, or has a space.
SHEBANG = re.compile(br'#!\s*(?P<python>\S+)(?P<options>[^\n]*)\n')
LONG_SHEBANG = re.compile(br"#!/bin/sh\n'''exec' (?P<python>\"[^\"\n]+\"|\S+)(?P<options>) \"\$0\" \"\$@\"\n' '''\n")
FIND_PYTHON = re.compile(br'#!\s*\S*/env\s+(?:-S\s*)?(?P<python>python[0-9.]*)(?P<options>[^\n]*)\n')

# A script that runs another one, which stays where it is, with the Python of the environment.
DETOUR = """#!%s
import os, sys
os.execv(sys.executable, [sys.executable, %r] + sys.argv[1:])
"""

# What the distribution of the image itself has installed; of that, only what somebody has added by pip or uv counts.
SYSTEM_FOLDERS = ('/bin', '/sbin', '/usr/bin', '/usr/sbin')
ADDED_BY = ('pip', 'uv')

# These work on the environment that they belong to.
BOUND_COMMAND = re.compile(r'(conda|mamba)(-.*)?|activate|deactivate')


def canonical(name):
    """Name of a package as PyPI compares it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def distributions(path=None):
    """Installed packages by canonical name, the first on the path where there are several of a name."""
    found = {}
    for dist in metadata.distributions(**({'path': path} if path else {})):
        name = dist.metadata['Name']
        # What a package that was removed by hand has left has no name, or no version.
        if name and dist.metadata['Version']:
            found.setdefault(canonical(name), dist)
    return found


def packages(path=None):
    """Version of each installed package."""
    return {name: dist.version for name, dist in distributions(path).items()}


def is_venv():
    """Whether this Python runs in a venv."""
    return sys.prefix != sys.base_prefix


def venv_sees_system(prefix):
    """Whether the venv at prefix sees the packages of the Python that it was made with."""
    with open(os.path.join(prefix, 'pyvenv.cfg')) as handle:
        return any(re.match(r'include-system-site-packages\s*=\s*true\s*$', line) for line in handle)


def unsupported_wheels(installer, wheels):
    """Those of the file names of wheels that pip would not install here."""
    sys.path.insert(0, installer)
    from pip._vendor.packaging.tags import sys_tags
    from pip._vendor.packaging.utils import parse_wheel_filename
    supported = set(sys_tags())
    return [wheel for wheel in wheels if supported.isdisjoint(parse_wheel_filename(wheel)[3])]


def probe(args):
    """What this Python is and has."""
    here = {
        'path': sys.executable,
        'version': list(sys.version_info[:3]),
        'venv': is_venv(),
        'interpreter': {'cpython': 'cp', 'pypy': 'pp'}.get(sys.implementation.name, sys.implementation.name),
        'abiflags': getattr(sys, 'abiflags', ''),
        'machine': platform.machine(),
        'purelib': sysconfig.get_path('purelib'),
        'makes_venvs': importlib.util.find_spec('venv') is not None
        and importlib.util.find_spec('ensurepip') is not None,
    }
    if metadata is not None:
        found = distributions()
        here['packages'] = {name: dist.version for name, dist in found.items()}
        here['names'] = {name: dist.metadata['Name'] for name, dist in found.items()}
        here['commands'] = sorted({os.path.basename(path) for path in command_files() if with_python(path, 'python')})
    if args.wheels:
        here['unsupported'] = unsupported_wheels(args.installer, args.wheels)
    return here


def create(args):
    """Make an empty venv at args.env that sees all packages which this Python sees."""
    import venv
    system_site = not is_venv() or venv_sees_system(sys.prefix)
    venv.EnvBuilder(system_site_packages=system_site, symlinks=True, with_pip=args.pip).create(args.env)
    if is_venv():
        # A venv made from a venv is a sibling of it: without this it would not see its packages.
        write_pth(sysconfig.get_path('purelib', vars={'base': args.env, 'platbase': args.env}))
    return {}


def stack(args):
    """Let another Python, whose folder for packages is args.folder, see all packages which this Python sees."""
    write_pth(args.folder)
    return {}


def add_commands(args):
    """
    Give the environment at args.env the Python commands that this Python has, to run with the environment's own Python.

    Without this, a command such as torchrun would start the Python that it came with, which sees nothing of the layer,
    and so would the processes that it starts. What the environment has already stays.
    """
    bindir = os.path.join(args.env, 'bin')
    python = os.path.join(bindir, 'python')
    added = []
    for path in command_files():
        name = os.path.basename(path)
        target = os.path.join(bindir, name)
        content = with_python(path, python)
        if content is None or BOUND_COMMAND.fullmatch(name) or os.path.lexists(target):
            continue
        with open(target, 'wb') as handle:
            handle.write(content)
        os.chmod(target, 0o755)
        added.append(name)
    return {'commands': sorted(added)}


def python_folders():
    """Folders with programs of this Python, and of the one that it was made from if it sees the packages of that."""
    folders = [sysconfig.get_path('scripts'), os.path.join(sys.prefix, 'bin')]
    if is_venv() and venv_sees_system(sys.prefix):
        folders += [os.path.join(sys.base_prefix, *parts) for parts in (['local', 'bin'], ['bin'])]
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def command_files():
    """Paths of what may be commands of this Python's packages, those that count first."""
    folders = python_folders()
    for folder in folders:
        if folder not in SYSTEM_FOLDERS:
            for name in sorted(os.listdir(folder)):
                yield os.path.join(folder, name)
    for dist in metadata.distributions():
        if (dist.read_text('INSTALLER') or '').strip() in ADDED_BY:
            for path in sorted(os.path.normpath(str(dist.locate_file(entry))) for entry in dist.files or []):
                if os.path.dirname(path) in folders:
                    yield path


def with_python(path, python):
    """Content of a command, changed to run with another Python; None for what this Python does not run."""
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        return None
    with open(path, 'rb') as handle:
        content = handle.read(4096)
        match = LONG_SHEBANG.match(content) or FIND_PYTHON.match(content) or SHEBANG.match(content)
        if match is None or not is_own_python(match.group('python').strip(b'"')):
            return None
        content += handle.read()
    if os.path.realpath(os.path.dirname(path)) != os.path.dirname(os.path.realpath(path)):
        # A link: the script may look for other files beside itself.
        return (DETOUR % (python, os.path.realpath(path))).encode()
    return b'#!%s%s\n%s' % (python.encode(), match.group('options'), content[match.end():])


def is_own_python(interpreter):
    """Whether the interpreter of a script is this Python, or the one that it was made from and sees."""
    folder, name = os.path.split(os.fsdecode(interpreter))
    if not re.fullmatch(r'python[0-9.]*', name):
        return False
    # Without a folder it is the first on $PATH, as it will be that of the environment.
    return not folder or os.path.realpath(folder) in {os.path.realpath(own) for own in python_folders()}


def write_pth(target):
    """Put a file into a folder for packages that adds the folders of this Python behind it."""
    candidates = [sysconfig.get_path('purelib'), sysconfig.get_path('platlib')] + site.getsitepackages()
    folders = [folder for folder in dict.fromkeys(candidates) if os.path.isdir(folder)]
    with open(os.path.join(target, PTH_NAME), 'w') as handle:
        for folder in folders:
            # Instead of plain paths, so that .pth files which packages of the base bring work too.
            handle.write('import site; site.addsitedir(%r)\n' % folder)


def compile_file(path):
    """Compile one file; what is wrong with it, if anything."""
    try:
        # Valid whatever the times of the files are, and read without looking at the source.
        py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, UnicodeDecodeError, ValueError, RecursionError) as err:
        return str(err).strip()
    return None


def compile_all(args):
    """Byte-compile all modules below args.env; packages may carry files that are no Python for this version."""
    sources = sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(args.env) for name in names
        if name.endswith('.py')
    )
    # Always in worker processes, even for one job: what is compiled must not depend on the number of processors.
    with ProcessPoolExecutor(max_workers=args.jobs) as pool:
        results = list(pool.map(compile_file, sources, chunksize=20))
    return {'compiled': results.count(None), 'failed': {src: err for src, err in zip(sources, results) if err}}


def scripts(args):
    """Names of the commands that the packages of the layer installed."""
    bindir = os.path.join(args.env, 'bin')
    found = set()
    for dist in metadata.distributions(path=site_folders(args.env)):
        paths = [os.path.normpath(str(dist.locate_file(entry))) for entry in dist.files or []]
        names = {os.path.basename(path) for path in paths if os.path.dirname(path) == bindir}
        # Conda makes these when it installs a package, which does not list them.
        names.update(entry.name for entry in dist.entry_points if entry.group == 'console_scripts')
        found.update(name for name in names if os.access(os.path.join(bindir, name), os.X_OK))
    return {'scripts': sorted(found)}


def site_folders(env):
    """Folders of the venv that hold packages."""
    values = {'base': env, 'platbase': env}
    return sorted({sysconfig.get_path(key, vars=values) for key in ('purelib', 'platlib')})


def pip_check(python):
    """Lines in which this Python's pip complains of missing or contradicting packages of a Python."""
    # The base may have no pip.
    of_python = [] if python == sys.executable else ['--python', python]
    done = subprocess.run([sys.executable, '-m', 'pip'] + of_python + ['--disable-pip-version-check', 'check'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return set() if done.returncode == 0 else set(done.stdout.splitlines())


def complaints(base, expected):
    """What pip complains of, but for what is not the layer's to mend."""
    if base:
        return pip_check(sys.executable) - pip_check(base)
    # Packages of conda contradict each other in the eyes of pip: names differ, and metadata is patched.
    return {line for line in pip_check(sys.executable) if canonical(line.split(' ')[0]) in expected}


def check(args):
    """What is wrong with the layer, as a list of sentences."""
    problems = []
    expected = {canonical(name): version for name, version in json.loads(args.expected).items()}
    layer = packages(site_folders(args.env))
    seen = packages()
    for name, version in sorted(expected.items()):
        found = layer.get(name)
        if found != version:
            problems.append("%s %s should be in the layer, found: %s" % (name, version, found or "nothing"))
        elif seen.get(name) != version:
            problems.append("%s %s is hidden by version %s of the base" % (name, version, seen.get(name)))
    if args.base:
        for name in sorted(set(layer) - set(expected) - {'pip'}):
            problems.append("%s %s is in the layer, but not in exts_list" % (name, layer[name]))
    if args.base or (expected and importlib.util.find_spec('pip')):
        problems.extend("pip check: %s" % line for line in sorted(complaints(args.base, expected)))
    return {'problems': problems, 'packages': layer}


def main():
    """Run the subcommand that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    subparsers = parser.add_subparsers(dest='command')
    subparsers.required = True

    sub = subparsers.add_parser('probe', help=probe.__doc__)
    sub.add_argument('--installer', help="wheel of pip, to ask it which wheels fit")
    sub.add_argument('wheels', nargs='*')
    sub.set_defaults(run=probe)

    sub = subparsers.add_parser('create', help=create.__doc__)
    sub.add_argument('env')
    sub.add_argument('--pip', action='store_true', help="with the pip that this Python brings")
    sub.set_defaults(run=create)

    sub = subparsers.add_parser('stack', help=stack.__doc__)
    sub.add_argument('folder')
    sub.set_defaults(run=stack)

    sub = subparsers.add_parser('add-commands', help=add_commands.__doc__)
    sub.add_argument('env')
    sub.set_defaults(run=add_commands)

    sub = subparsers.add_parser('compile', help=compile_all.__doc__)
    sub.add_argument('env')
    sub.add_argument('--jobs', type=int, default=1)
    sub.set_defaults(run=compile_all)

    sub = subparsers.add_parser('scripts', help=scripts.__doc__)
    sub.add_argument('env')
    sub.set_defaults(run=scripts)

    sub = subparsers.add_parser('check', help=check.__doc__)
    sub.add_argument('env')
    sub.add_argument('expected', help="JSON: the version that each package should have")
    sub.add_argument('--base', help="Python of the base, when all other packages are there")
    sub.set_defaults(run=check)

    args = parser.parse_args()
    json.dump(args.run(args), sys.stdout)


if __name__ == '__main__':
    main()
