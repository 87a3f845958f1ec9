"""
Installs conda packages into a folder, for use under another path; run by SifConda on the host, and part of ebsif.

Needs Python 3.10 or newer, and py-rattler, which is unpacked into a folder. Each subcommand reads one JSON document
from standard input, with the files of all packages, and prints one on standard output. Nothing comes from a network.
"""
import argparse
import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rattler import RepoDataRecord

ACTIVATE = Path(__file__).with_name('conda-activate.sh')

# What a package may bring to be run when it is installed: afterwards, and before.
POST_LINK, PRE_LINK = 'bin/.%s-post-link.sh', 'bin/.%s-pre-link.sh'

# How conda runs them: in the activated environment, beside its commands. The first argument is what activates it.
LINK_SCRIPT = 'source "$1" "$2" && cd -- "${3%/*}" && exec bash "$3"'

# What the installer itself writes into an environment, and would write elsewhere if a package had a link there.
INSTALLERS_OWN = re.compile(r'conda-meta(/history|/[^/]*\.json)?')

# What to do about a package that is not as it should be.
REMEDY = "take another version of it, or leave it out, and tell who keeps its channel"

VARIABLE_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')

# Of the record of an installed package, what tells where it was installed from: it differs from one host to another.
PRIVATE = ('extracted_package_dir', 'link', 'package_tarball_full_path')


class PackageError(Exception):
    """A package that cannot be installed."""


def sorted_records(records: 'list[RepoDataRecord]') -> 'list[RepoDataRecord]':
    """Records of packages, each after those that it depends on."""
    from rattler import PackageRecord
    names = [record.name.normalized for record in PackageRecord.sort_topologically([*records])]
    return sorted(records, key=lambda record: names.index(record.name.normalized))


async def read_record(path: str) -> 'RepoDataRecord':
    """The record of a package, read from its file."""
    from rattler import RepoDataRecord
    from rattler.exceptions import ExtractError
    try:
        return await RepoDataRecord.from_package_archive(path)
    except (ExtractError, OSError) as err:
        raise PackageError("%s is not a conda package, or is damaged: %s"
                           % (os.path.basename(path), str(err).splitlines()[0])) from err


def unpack(path: Path, folder: Path) -> list[str]:
    """
    Unpack a package, and refuse one of which py-rattler would read or write a file elsewhere.

    Unpacking itself writes nothing outside of the folder, and makes neither devices nor setuid files.

    :return: paths of the files and links that it brings
    """
    from rattler import PathsJson
    from rattler.exceptions import ExtractError, IoError
    from rattler.package_streaming import extract
    package = path.name
    try:
        extract(path, folder)
        listed = PathsJson.from_package_directory_with_deprecated_fallback(folder).paths
    except (ExtractError, IoError, OSError, ValueError) as err:
        raise PackageError("%s cannot be unpacked: %s" % (package, '; '.join(str(err).splitlines()))) from err
    top, sound = os.path.realpath(folder), set()
    for entry in listed:
        name = str(entry.relative_path)
        file = folder / name
        if name.startswith('/') or '..' in name.split('/') or INSTALLERS_OWN.fullmatch(name):
            raise PackageError("%s has a file %r, where no package can have one: %s" % (package, name, REMEDY))
        if file.parent not in sound and os.path.commonpath([top, os.path.realpath(file.parent)]) != top:
            raise PackageError("%s has a file %r, which a link in it leads to: %s" % (package, name, REMEDY))
        if entry.prefix_placeholder and os.path.islink(file):
            raise PackageError("%s has a link %r where it says that a file is: %s" % (package, name, REMEDY))
        sound.add(file.parent)
    return [str(entry.relative_path) for entry in listed if not entry.path_type.directory]


def folder_in_cache(record: 'RepoDataRecord') -> str:
    """The name of the folder that py-rattler unpacks a package into."""
    name = '%s-%s-%s' % (record.name.normalized, record.version, record.build)
    if os.sep in name:
        raise PackageError("%r is no name of a package, version and build: %s" % (name, REMEDY))
    return name


async def probe(request: dict[str, Any]) -> dict[str, Any]:
    """What the files of packages are."""
    records = [await read_record(package['path']) for package in request['packages']]
    return {'packages': [{'file': record.file_name, 'name': record.name.normalized, 'version': str(record.version),
                          'subdir': record.subdir} for record in records]}


async def install(request: dict[str, Any]) -> dict[str, Any]:
    """
    Make the environment and what activates it, and leave no trace of this host in it.

    What packages bring to be run afterwards is for the container: a command for each.
    """
    from rattler import install as rattler_install
    from rattler.exceptions import InstallerError
    prefix, target_prefix = Path(request['prefix']), Path(request['target_prefix'])
    found = [await read_record(package['path']) for package in request['packages']]
    records = sorted_records(found)
    cache = Path(request['cache'])
    cache.mkdir()
    try:
        # It takes what lies in its cache as it is.
        paths = [Path(package['path']) for package in request['packages']]
        listed = await asyncio.gather(*(asyncio.to_thread(unpack, path, cache / folder_in_cache(record))
                                        for path, record in zip(paths, found, strict=True)))
        # By what they list: which one wins differs from one installation to the next.
        refuse_contradictions({path.name: names for path, names in zip(paths, listed, strict=True)})
        await rattler_install(records, prefix, cache_dir=cache, show_progress=False,
                              alternative_target_prefix=target_prefix, execute_link_scripts=False)
    except (InstallerError, OSError) as err:
        reason = '; '.join(line.removeprefix("Caused by: ") for line in str(err).splitlines()[:3])
        raise PackageError("the conda packages cannot be installed: %s" % reason) from err
    for record in records:
        if prefix.joinpath(PRE_LINK % record.name.normalized).exists():
            raise PackageError("the conda package %s has a script to be run before it is installed (pre-link), which "
                               "is not supported: take another build or version of it" % record.name.normalized)
    # Its files are hard links into the cache; what is done with the environment must be done to it alone.
    shutil.rmtree(cache)
    # rattler marks the environment as a cache, which backups leave out; a layer is none.
    prefix.joinpath('CACHEDIR.TAG').unlink(missing_ok=True)

    places = {Path(package['path']).name: package['url'] for package in request['packages']}
    commands = {}
    for path in sorted(prefix.glob('conda-meta/*.json')):
        installed = json.loads(path.read_text())
        commands[installed['name']] = installed_commands(prefix, installed)
        path.write_text(json.dumps(public_record(installed, places), indent=1, sort_keys=True) + '\n')
    write_variables(prefix)
    write_activate(prefix)
    return {
        'clobbered': clobbered_files(prefix),
        'commands': commands,
        'scripts': [
            {'name': record.name.normalized, 'command': link_command(record, target_prefix)}
            for record in records if prefix.joinpath(POST_LINK % record.name.normalized).exists()
        ],
    }


def activate_file(prefix: Path) -> Path:
    """The file beside the environments that activates one of them."""
    return prefix.parent.parent / 'bin' / 'activate'


def write_activate(prefix: Path) -> None:
    """Write the file that activates the environment."""
    path = activate_file(prefix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ACTIVATE.read_text().replace('__CONDA_NAME__', prefix.name))


def link_command(record: 'RepoDataRecord', prefix: Path) -> list[str]:
    """What runs the script of an installed package in the container."""
    name = record.name.normalized
    variables = ['PREFIX=%s' % prefix, 'ROOT_PREFIX=%s' % prefix, 'PKG_NAME=' + name,
                 'PKG_VERSION=%s' % record.version, 'PKG_BUILDNUM=%d' % record.build_number]
    return ['env', *variables, 'bash', '-c', LINK_SCRIPT, 'bash', str(activate_file(prefix)), prefix.name,
            str(prefix / (POST_LINK % name))]


def clobbered_files(prefix: Path) -> list[str]:
    """Names of files that more than one package brings; all but one of each are removed."""
    # Each package that comes too late has a folder of its own there.
    aside = prefix / '__clobbers__'
    names = {str(Path(*path.relative_to(aside).parts[1:])) for path in aside.rglob('*') if not path.is_dir()}
    if names:
        shutil.rmtree(aside)
    return sorted(names)


def refuse_contradictions(packages: dict[str, list[str]]) -> None:
    """Refuse packages of which one has a file or a link where another one has a folder: only one can be there."""
    owners = {path: package for package, paths in packages.items() for path in paths}
    for path, package in owners.items():
        for folder in map(str, Path(path).parents):
            if folder in owners:
                raise PackageError("%s of the conda package %s is no folder, and %s brings %s: not both can be there, "
                                   "so leave one of them out" % (folder, owners[folder], package, path))


def installed_commands(prefix: Path, installed: dict[str, Any]) -> list[str]:
    """Names of the commands that an installed package has brought; a link to nowhere or to a folder is none."""
    paths = [prefix / name for name in installed['files'] if Path(name).parent == Path('bin')]
    return sorted(path.name for path in paths
                  if not path.name.startswith('.') and path.is_file() and os.access(path, os.X_OK))


def public_record(installed: dict[str, Any], places: dict[str, str | None]) -> dict[str, Any]:
    """The record of an installed package with the public place of its file, and no other."""
    record = {key: value for key, value in installed.items() if key not in PRIVATE}
    filename = record['fn']
    url = places[filename] or ''
    record['url'] = url or filename
    # The URL is that of the channel, the platform, and the file.
    record['channel'] = url.rsplit('/', 2)[0]
    return record


def write_variables(prefix: Path) -> None:
    """Turn what packages ask for in env_vars.d into a hook for activation, which runs before all others."""
    variables: dict[str, str] = {}
    for path in sorted(prefix.glob('etc/conda/env_vars.d/*.json')):
        variables.update(read_variables(prefix, path))
    if variables:
        hook = within(prefix, prefix / 'etc/conda/activate.d/00-env-vars.sh')
        hook.parent.mkdir(parents=True, exist_ok=True)
        hook.write_text(''.join('export %s=%s\n' % (name, shlex.quote(value))
                                for name, value in sorted(variables.items())))


def read_variables(prefix: Path, path: Path) -> dict[str, str]:
    """The variables that a file of a package asks for."""
    try:
        found = json.loads(within(prefix, path).read_text(encoding='utf-8'))
        if not isinstance(found, dict):
            raise ValueError("it is no object of names and values")
        for name, value in found.items():
            if not VARIABLE_NAME.fullmatch(name):
                raise ValueError("%r is no name of a variable" % name)
            if isinstance(value, (bool, dict, list, type(None))) or '\0' in str(value):
                raise ValueError("%r is no value of a variable" % (value,))
            str(value).encode()
    except (ValueError, RecursionError, OSError) as err:
        raise refusal(prefix, path, str(err)) from err
    return {name: str(value) for name, value in found.items()}


def within(prefix: Path, path: Path) -> Path:
    """A path in an environment, where packages may have put links, which must not lead out of it."""
    place, top = os.path.realpath(path), os.path.realpath(prefix)
    if os.path.commonpath([top, place]) != top:
        raise refusal(prefix, path, "it leads out of the environment, to %s" % place)
    return path


def refusal(prefix: Path, path: Path, reason: str) -> PackageError:
    """An error about a file of an installed package, which it names."""
    name = str(path.relative_to(prefix))
    records = [json.loads(record.read_text()) for record in sorted(prefix.glob('conda-meta/*.json'))]
    owners = [record['name'] for record in records
              if any(file == name or name.startswith(file + '/') for file in record['files'])]
    return PackageError("%r of the conda package %s cannot be used: %s; %s"
                        % (name, ' or '.join(owners), reason, REMEDY))


def main() -> int:
    """Run the subcommand that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('rattler', help="folder with py-rattler")
    parser.add_argument('command', choices=['probe', 'install'])
    args = parser.parse_args()
    sys.path.insert(0, args.rattler)
    command = {'probe': probe, 'install': install}[args.command]
    try:
        json.dump(asyncio.run(command(json.load(sys.stdin))), sys.stdout)
    except PackageError as err:
        print(err, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of py-rattler outlive its calls, and may crash a Python that ends in the ordinary way (seen with 0.28).
    os._exit(status)
