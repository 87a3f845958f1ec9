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
Layers: folders packed into one SquashFS file, always to the same bytes
"""
import hashlib
import os
import stat

from easybuild.tools.build_log import EasyBuildError, EasyBuildExit
from easybuild.tools.filetools import mkdir, remove_dir, remove_file, which
from easybuild.tools.run import run_shell_cmd

# All that could differ from one build to the next: times, owner, attributes of the file system.
REPRODUCIBLE = ['-mkfs-time', '0', '-all-time', '0', '-all-root', '-no-xattrs']

# Best first, with options. zstd is both faster and smaller to read than gzip, but not in every mksquashfs.
COMPRESSORS = {'zstd': ['-Xcompression-level', '9'], 'gzip': []}
BLOCK_SIZE = '256K'


def find_mksquashfs():
    """Path of mksquashfs on the host."""
    path = which('mksquashfs', on_error='ignore')
    if not path:
        raise EasyBuildError("mksquashfs is not on $PATH: install squashfs-tools, or load the module that provides it, "
                             "and try again.", exit_code=EasyBuildExit.MISSING_SYSTEM_DEPENDENCY)
    return path


def normalise_permissions(root):
    """Give everything below root the permissions that it would have with umask 022, and no others."""
    for folder, _, names in os.walk(root):
        os.chmod(folder, 0o755)
        for name in names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(path, 0o755 if mode & stat.S_IXUSR else 0o644)


def content_digest(root):
    """
    SHA256 over all that is below root: names, permissions, contents, targets of links.

    Unlike the checksum of the squashfs file, it does not depend on the version of mksquashfs.
    """
    total = hashlib.sha256()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(folders + names):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                content = hashlib.sha256()
                with open(path, 'rb') as handle:
                    for block in iter(lambda handle=handle: handle.read(1 << 20), b''):
                        content.update(block)
                content = content.hexdigest()
            else:
                content = ''
            # NUL ends each field: it is in no name.
            entry = '%s\0%o\0%s\0' % (os.path.relpath(path, root), info.st_mode, content)
            total.update(entry.encode('utf-8', 'surrogateescape'))
    return total.hexdigest()


def mksquashfs(source, target, compressor, jobs):
    """Run mksquashfs, and return what run_shell_cmd returns."""
    # SOURCE_DATE_EPOCH excludes the options for times (mksquashfs 4.5).
    env = {key: value for key, value in os.environ.items() if key != 'SOURCE_DATE_EPOCH'}
    cmd = [find_mksquashfs(), source, target, '-comp', compressor, '-processors', str(jobs), '-noappend',
           '-no-progress', '-quiet', '-b', BLOCK_SIZE]
    return run_shell_cmd(cmd + COMPRESSORS[compressor] + REPRODUCIBLE, use_bash=False, env=env, fail_on_error=False, hidden=True)


def best_compressor(workdir):
    """The best compressor that mksquashfs here can use; found out by using it, on an empty folder in workdir."""
    empty, image = os.path.join(workdir, 'probe'), os.path.join(workdir, 'probe.squashfs')
    mkdir(empty, parents=True)
    try:
        for compressor in COMPRESSORS:
            if mksquashfs(empty, image, compressor, 1).exit_code == EasyBuildExit.SUCCESS:
                return compressor
    finally:
        remove_dir(empty)
        remove_file(image)
    raise EasyBuildError("mksquashfs can use neither of %s: is %s working?", ' and '.join(COMPRESSORS),
                         find_mksquashfs())


def pack(source, target, workdir, jobs):
    """Pack the folder source into the SquashFS file target; return the compressor."""
    compressor = best_compressor(workdir)
    res = mksquashfs(source, target, compressor, jobs)
    if res.exit_code != EasyBuildExit.SUCCESS:
        remove_file(target)
        raise EasyBuildError("mksquashfs could not make %s: %s", target, res.output.strip(),
                             exit_code=EasyBuildExit.FAIL_POST_PROC_STEP)
    os.chmod(target, 0o644)
    return compressor
