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
SquashFS files that hold a folder, always in the same bytes

Used by ebsif, too: needs nothing but the standard library.
"""
import hashlib
import os
import stat
from typing import Dict, Iterator, List, Tuple, Union

# All that could differ from one build to the next: times, owner, attributes of the file system.
REPRODUCIBLE = ['-mkfs-time', '0', '-all-time', '0', '-all-root', '-no-xattrs']

# Best first, with options. zstd is both faster and smaller to read than gzip, but not in every mksquashfs.
COMPRESSORS = {'zstd': ['-comp', 'zstd', '-Xcompression-level', '9'], 'gzip': ['-comp', 'gzip']}
BLOCK_SIZE = '256K'


def mksquashfs_command(program: str, source: str, target: str, compressor: str, processors: int = 1) -> List[str]:
    """Command that packs the folder source into the file target."""
    options = ['-b', BLOCK_SIZE, '-processors', str(processors), '-noappend', '-no-progress', '-quiet']
    return [program, source, target] + COMPRESSORS[compressor] + options + REPRODUCIBLE


def mksquashfs_environment() -> Dict[str, str]:
    """Environment for that command: $SOURCE_DATE_EPOCH excludes the options for times (mksquashfs 4.5)."""
    return {name: value for name, value in os.environ.items() if name != 'SOURCE_DATE_EPOCH'}


def normalise_permissions(root: str) -> Dict[str, int]:
    """
    Give everything below root the permissions that it would have with umask 022, and no others.

    :return: what was odd, its mode by its path from root: what is neither a file nor a folder nor a link, and programs
        that run as another user than the one who starts them
    """
    odd = {}
    os.chmod(root, 0o755)
    for folder, folders, names in os.walk(root):
        # Folders before they are walked through: one that cannot be read would be left out without a word.
        for name in folders + names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                continue
            os.chmod(path, 0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
            # On a folder, the bit only says whose group new files get.
            if not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or mode & (stat.S_ISUID | stat.S_ISGID)):
                odd[os.path.relpath(path, root)] = mode
    return odd


def entries(root: str) -> Iterator[Tuple[str, int, str]]:
    """All that is below root, always in the same order: path from root, mode, SHA256 of a file or target of a link"""
    # As bytes: what text they are, and so their order, depends on the locale.
    top = os.fsencode(root)
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(folders + names):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = os.fsdecode(os.readlink(path)) if stat.S_ISLNK(mode) else (
                file_digest(path) if stat.S_ISREG(mode) else '')
            yield os.fsdecode(os.path.relpath(path, top)), mode, content


def folder_size(root: str) -> int:
    """Size of all files below root, more than that of the SquashFS file that holds them"""
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(root) for name in names)


def content_digest(root: str) -> str:
    """
    SHA256 over all that is below root: names, permissions, contents, targets of links.

    Unlike the checksum of the squashfs file, it does not depend on the version of mksquashfs.
    """
    total = hashlib.sha256()
    for path, mode, content in entries(root):
        # NUL ends each field: it is in no name.
        total.update(b'%s\0%o\0%s\0' % (os.fsencode(path), mode, os.fsencode(content)))
    return total.hexdigest()


def file_digest(path: Union[str, bytes]) -> str:
    """SHA256 of a file"""
    digest = hashlib.sha256()
    with open(path, 'rb') as handle:
        for block in iter(lambda: handle.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
