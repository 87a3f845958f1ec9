"""
Works on a layer from inside the container, with a Python there (3.8 or newer); run by SifVenv, SifConda and ebsif.

Each subcommand prints one JSON document on standard output; anything else that there is to say goes to standard error.
"""
import argparse
import calendar
import csv
import importlib.util
import itertools
import json
import marshal
import os
import platform
import py_compile
import re
import runpy
import site
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Collection, List

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

# A compiled module says in its name which Python it is for; another library is none.
EXTENSION_MODULE = re.compile(r'(?P<name>\w+)\.(cpython-|abi3\.)[^/]*so')
# What packages bring beside their modules by mistake.
STRAY_MODULES = {'benchmarks', 'conftest', 'doc', 'docs', 'example', 'examples', 'setup', 'test', 'tests'}
# Folders of packages with their own tests.
TESTS = {'test', 'tests'}
# Beginnings of packages that share their name with others, where that is not left to Python.
SHARED = re.compile(r'extend_path|declare_namespace')

# Imports modules that are named on the command line; the last line says what is wrong.
IMPORT = """
import importlib, sys, traceback
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as err:
        traceback.print_exc()
        text = ' '.join(''.join(traceback.format_exception_only(type(err), err)).split())
        sys.exit('`import %s` fails with %s' % (name, text))
"""
IMPORT_SECONDS = 900
# On a login node there is none, and a layer must do without.
NO_GPUS = dict.fromkeys(('CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES'), '')


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


def modules(paths: Collection[str]) -> List[str]:
    """
    Modules that somebody may import of a package which brings these files: those at the top, and the topmost in a
    folder that packages share.

    :param paths: files, relative to the folder for packages
    """
    packages = {os.path.dirname(path) for path in paths if os.path.basename(path).startswith('__init__.')}
    found = set()
    for path in paths:
        folders, name = os.path.split(path)
        compiled = EXTENSION_MODULE.fullmatch(name)
        if not (name.endswith('.py') or compiled):
            continue
        parts = (folders.split('/') if folders else []) + [compiled.group('name') if compiled else name[:-len('.py')]]
        top = next((depth for depth in range(1, len(parts)) if '/'.join(parts[:depth]) in packages), len(parts))
        if all(part.isidentifier() for part in parts[:top]) and parts[0] not in STRAY_MODULES:
            found.add('.'.join(parts[:top]))
    return sorted(found)


def files_of(dist):
    """Files of an installed package, relative to the folder that it lies in; none where that was not written down."""
    record = dist.read_text('RECORD')
    return [row[0] for row in csv.reader(record.splitlines()) if row] if record else []


def paths_of(dist):
    """Paths of the files of an installed package"""
    top = str(dist.locate_file(''))
    return [os.path.normpath(os.path.join(top, path)) for path in files_of(dist)]


def requirements(dist):
    """Names of the packages that an installed package asks for, with any of its extras."""
    return {canonical(re.match(r'[\w.-]+', text).group()) for text in dist.metadata.get_all('Requires-Dist') or []}


def modules_of(dist):
    """Modules of an installed package."""
    paths = files_of(dist)
    return modules(paths) if paths else sorted((dist.read_text('top_level.txt') or '').split())


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
        here['modules'] = {module: name for name, dist in found.items() for module in modules_of(dist)}
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


def unpack(args):
    """
    Unpack a source package; its only folder becomes args.folder.

    What is no file, or lies outside that folder, is refused. A backend may do what it wants later: the container sees
    nothing of the host that it could change.
    """
    temporary = os.path.join(os.path.dirname(args.folder), '.unpacked')
    name = os.path.basename(args.archive)
    try:
        if name.endswith('.zip'):
            with zipfile.ZipFile(args.archive) as archive:
                for entry in archive.infolist():
                    # This never leads out of the folder.
                    path = archive.extract(entry, temporary)
                    # Which of two files is newer decides what is generated anew.
                    seconds = calendar.timegm(entry.date_time)
                    os.utime(path, (seconds, seconds))
        else:
            # What Python would look at, check_member has looked at.
            options = {'filter': 'fully_trusted'} if hasattr(tarfile, 'fully_trusted_filter') else {}
            with tarfile.open(args.archive) as archive:
                for member in archive:
                    check_member(member, temporary)
                    archive.extract(member, temporary, **options)
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as err:
        sys.exit("%s cannot be unpacked: %s" % (name, err))
    folders = os.listdir(temporary)
    if len(folders) != 1 or not os.path.isdir(os.path.join(temporary, folders[0])):
        sys.exit("%s is not a source package of Python: it should hold one folder, and has: %s"
                 % (name, ', '.join(sorted(folders)) or "nothing"))
    os.rename(os.path.join(temporary, folders[0]), args.folder)
    return {}


def check_member(member, folder):
    """Refuse a member of an archive that lies outside a folder, or is no file; give it usual permissions."""
    # Python has a filter for this since 3.12, and in late releases of those before. Links are followed as they are now.
    top = os.path.realpath(folder)
    path = os.path.join(os.path.realpath(os.path.join(folder, os.path.dirname(member.name))),
                        os.path.basename(member.name))
    places = [path]
    if member.issym():
        places.append(os.path.realpath(os.path.join(os.path.dirname(path), member.linkname)))
    elif member.islnk():
        places.append(os.path.realpath(os.path.join(folder, member.linkname)))
    elif not (member.isreg() or member.isdir()):
        raise ValueError("%r is a device, or another thing that is no file" % member.name)
    if any(os.path.commonpath([top, place]) != top for place in places):
        raise ValueError("%r leads out of its folder" % member.name)
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), '', ''


def run_pip(args):
    """
    Run a pip to build packages, the same way each time.

    Compilers write the folders that they find headers in into what they make, and these are among the temporary folders
    of pip, which get random names otherwise.
    """
    numbers = itertools.count()

    def mkdtemp(suffix=None, prefix=None, dir=None):
        while True:
            path = os.path.join(dir or tempfile.gettempdir(), '%s%d%s' % (prefix or '', next(numbers), suffix or ''))
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                continue
            return path

    tempfile.mkdtemp = mkdtemp
    os.umask(0o022)
    # Not that of whoever builds.
    os.environ['HOME'] = mkdtemp(prefix='home-')
    # In place of the folder of this file.
    sys.path[0] = args.installer
    sys.argv = ['pip'] + args.arguments
    runpy.run_module('pip', run_name='__main__')


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
            for path in sorted(paths_of(dist)):
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
        compiled = py_compile.compile(path, doraise=True,
                                      invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        if sys.version_info < (3, 11):
            write_unshared(compiled)
    except (py_compile.PyCompileError, UnicodeDecodeError, ValueError, RecursionError) as err:
        return str(err).strip()
    return None


def intern_letters():
    """
    Intern each letter of which Python has one object for all that use it.

    Bytecode tells whether it is interned, and what was compiled before in the same process may have done that.
    """
    for number in range(256):
        sys.intern(chr(number))


def write_unshared(path):
    """
    Write bytecode again, with each object in full.

    Before Python 3.11, which objects it shares depends on what else the process that compiles has in memory.
    """
    with open(path, 'rb') as handle:
        header, content = handle.read(16), handle.read()
    with open(path, 'wb') as handle:
        # The last format that shares nothing; all Pythons read it.
        handle.write(header + marshal.dumps(marshal.loads(content), 2))


def sources(env):
    """Paths of the modules below env, but for the tests of packages, which hardly anybody imports."""
    found = []
    for folder, folders, names in os.walk(env):
        folders[:] = [name for name in folders if name not in TESTS]
        found.extend(os.path.join(folder, name) for name in names if name.endswith('.py'))
    return sorted(found)


def compile_all(env, jobs):
    """Byte-compile modules below env; packages may carry files that are no Python for this version."""
    paths = sources(env)
    # Always in worker processes, even for one job: what is compiled must not depend on the number of processors.
    with ProcessPoolExecutor(max_workers=jobs, initializer=intern_letters) as pool:
        results = list(pool.map(compile_file, paths, chunksize=20))
    return {'compiled': results.count(None), 'failed': {path: err for path, err in zip(paths, results) if err}}


def finish(args):
    """
    Byte-compile the environment at args.env, and find the commands that its packages have installed.

    Meanwhile, the Python args.below gives it the commands of its own.
    """
    below = None
    if args.below:
        below = subprocess.Popen([args.below, os.path.realpath(__file__), 'add-commands', args.env],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    found = dict(compile_all(args.env, args.jobs), scripts=scripts(args.env), added=[])
    if below:
        output, _ = below.communicate()
        if below.returncode != 0:
            sys.exit("%s could not give its commands to %s" % (args.below, args.env))
        found['added'] = json.loads(output.splitlines()[-1])['commands']
    return found


def scripts(env):
    """Names of the commands that the packages of the layer installed."""
    bindir = os.path.join(env, 'bin')
    found = set()
    for dist in metadata.distributions(path=site_folders(env)):
        names = {os.path.basename(path) for path in paths_of(dist) if os.path.dirname(path) == bindir}
        # Conda makes these when it installs a package, which does not list them.
        names.update(entry.name for entry in dist.entry_points if entry.group == 'console_scripts')
        found.update(name for name in names if os.access(os.path.join(bindir, name), os.X_OK))
    return sorted(found)


def site_folders(env):
    """Folders of the venv that hold packages."""
    values = {'base': env, 'platbase': env}
    return sorted({sysconfig.get_path(key, vars=values) for key in ('purelib', 'platlib')})


def pip_check(python):
    """Lines in which this Python's pip complains of missing or contradicting packages of a Python."""
    # The base may have no pip.
    of_python = [] if python == sys.executable else ['--python', python]
    done = subprocess.run([sys.executable, '-m', 'pip'] + of_python + ['--disable-pip-version-check', 'check'],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, env=dict(os.environ, PIP_CONFIG_FILE=os.devnull))
    return set() if done.returncode == 0 else set(done.stdout.splitlines())


def complaints(base, expected):
    """What pip complains of, but for what is not the layer's to mend."""
    found = pip_check(sys.executable)
    if found and base:
        return found - pip_check(base)
    # Packages of conda contradict each other in the eyes of pip: names differ, and metadata is patched.
    return found if base else {line for line in found if canonical(line.split(' ')[0]) in expected}


def hidden_modules(env, allowed):
    """What the layer hides of the image: a sentence for each module that a package of another name has there."""
    own = {os.path.realpath(folder) for folder in site_folders(env)}
    below = {}
    for dist in metadata.distributions():
        folder = os.path.realpath(str(dist.locate_file('')))
        if folder not in own:
            below.setdefault(folder, []).append(dist)
    for name, dist in sorted(distributions(own).items()):
        for module in modules_of(dist):
            for folder, others in below.items():
                there = file_of(module, folder)
                if there is None or is_shared(str(dist.locate_file(there))):
                    continue
                owners = [other for other in others if there in files_of(other)] or [
                    other for other in others if module in modules_of(other)]
                owner = canonical(owners[0].metadata['Name']) if owners else module
                if owner != name and not {name, owner} & allowed:
                    yield ("%s of the layer hides the module %s of the image, which comes from %s. Leave %s out, or "
                           "add %s to 'allow_base_packages' to replace it on purpose"
                           % (name, module, owner if owners else "no package", name, owner))
                    break


def file_of(module, folder):
    """The file, relative to a folder for packages, that a module there begins with; None if there is none."""
    above, _, name = module.rpartition('.')
    place = os.path.join(folder, above.replace('.', '/'))
    entries = os.listdir(place) if os.path.isdir(place) else []
    names = [name + '/__init__.py', name + '.py']
    names += [entry for entry in entries if entry.startswith(name + '.') and EXTENSION_MODULE.fullmatch(entry)]
    paths = [os.path.join(place, entry) for entry in names]
    return next((os.path.relpath(path, folder) for path in paths if os.path.exists(path)), None)


def is_shared(path):
    """Whether a file of a layer is the beginning of a package that shares its name with others."""
    if not os.path.exists(path):
        return False
    with open(path, 'rb') as handle:
        return bool(SHARED.search(handle.read(4096).decode('utf-8', 'replace')))


def import_error(names, environment):
    """Why modules cannot be imported by a Python of their own; None if they can."""
    try:
        done = subprocess.run([sys.executable, '-c', IMPORT] + names, env=environment, stdin=subprocess.DEVNULL,
                              stdout=sys.stderr, stderr=subprocess.PIPE, timeout=IMPORT_SECONDS)
    except subprocess.TimeoutExpired:
        return "`import %s` has not finished after %d seconds" % (', '.join(names), IMPORT_SECONDS)
    if done.returncode == 0:
        return None
    said = done.stderr.decode('utf-8', 'replace').strip()
    print(said, file=sys.stderr)
    if done.returncode < 0:
        return "`import %s` ends Python with %s" % (', '.join(names), signal.Signals(-done.returncode).name)
    return said.splitlines()[-1]


def check_imports(env, packages, unneeded):
    """
    What is wrong with packages of the layer that cannot be imported, as a list of sentences.

    :param unneeded: whether to import only those that none of the others needs
    """
    there = distributions(site_folders(env))
    names = [name for name in map(canonical, packages) if name in there]
    if unneeded:
        needed = {name for other in names for name in requirements(there[other]) if name != other}
        names = [name for name in names if name not in needed]
    found = {name: modules_of(there[name]) for name in names}
    wanted = {name: found[name] for name in names if found[name]}
    with tempfile.TemporaryDirectory() as home:
        # An empty value stands for one that is worked out at start.
        environment = {name: value for name, value in os.environ.items() if value}
        environment.update(NO_GPUS, HOME=home)
        # Most are imported much faster together, since they share what they import; each alone tells who is to blame.
        if import_error([module for name in wanted for module in wanted[name]], environment) is None:
            return []
        problems = []
        for name, names in wanted.items():
            error = import_error(names, environment)
            if error:
                problems.append("%s does not work on this image: %s" % (name, error))
    return problems


def check_packages(env, expected, base, allowed):
    """
    What is wrong with the packages of the layer, as a list of sentences.

    :param expected: the version that each package should have
    :param base: Python of the base, when all other packages are there; or None
    :param allowed: packages that may hide others of the base
    """
    problems = []
    expected = {canonical(name): version for name, version in expected.items()}
    layer = packages(site_folders(env))
    seen = packages()
    for name, version in sorted(expected.items()):
        found = layer.get(name)
        if found != version:
            problems.append("%s %s should be in the layer, found: %s" % (name, version, found or "nothing"))
        elif seen.get(name) != version:
            problems.append("%s %s is hidden by version %s of the base" % (name, version, seen.get(name)))
    if base:
        for name in sorted(set(layer) - set(expected) - {'pip'}):
            problems.append("%s %s is in the layer, but not in exts_list" % (name, layer[name]))
    problems.extend(hidden_modules(env, {canonical(name) for name in allowed}))
    if base or (expected and importlib.util.find_spec('pip')):
        problems.extend("pip check: %s" % line for line in sorted(complaints(base, expected)))
    return problems


def check(args):
    """What is wrong with the packages of the layer, and with importing them, as two lists of sentences."""
    wanted = json.loads(args.wanted)
    env = wanted['environment']
    # Importing takes the longest by far.
    with ThreadPoolExecutor(max_workers=1) as pool:
        imports = pool.submit(check_imports, env, wanted['imports'], wanted['unneeded'])
        problems = check_packages(env, wanted['packages'], wanted['base'], wanted['allowed'])
        found = {'packages': problems, 'imports': imports.result()}
    if 'conda_meta' in wanted:
        found['conda_packages'] = os.listdir(wanted['conda_meta'])
    return found


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

    sub = subparsers.add_parser('unpack', help=unpack.__doc__)
    sub.add_argument('archive')
    sub.add_argument('folder')
    sub.set_defaults(run=unpack)

    sub = subparsers.add_parser('pip', help=run_pip.__doc__)
    sub.add_argument('installer', help="wheel of pip")
    sub.add_argument('arguments', nargs=argparse.REMAINDER)
    sub.set_defaults(run=run_pip)

    sub = subparsers.add_parser('add-commands', help=add_commands.__doc__)
    sub.add_argument('env')
    sub.set_defaults(run=add_commands)

    sub = subparsers.add_parser('finish', help=finish.__doc__)
    sub.add_argument('env')
    sub.add_argument('--jobs', type=int, default=1)
    sub.add_argument('--below', help="Python of the base whose commands run with that of the environment")
    sub.set_defaults(run=finish)

    sub = subparsers.add_parser('check', help=check.__doc__)
    sub.add_argument('wanted', help="JSON: what should be there")
    sub.set_defaults(run=check)

    args = parser.parse_args()
    json.dump(args.run(args), sys.stdout)


if __name__ == '__main__':
    main()
