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
Large files: copies of which the SHA256 is that of the bytes which were written, whatever happens to the source, and
where they lie on a file system of many servers

Used by ebsif, too: needs nothing but the standard library.
"""
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Callable, List, Optional, Tuple

BLOCK = 1 << 22  # bytes
FICLONE = 0x40049409  # ioctl_ficlone(2)
LUSTRE = 0x0BD00BD0  # statfs(2)
KEEP_SIZE = 1  # fallocate(2)
# What reserving says when there is no room: on the disk, in somebody's quota, and for a file at all.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Many nodes read such a file at once: on Lustre it is spread over several servers.
LARGE = 1 << 30  # bytes
STRIPES = ['--stripe-count', '8', '--stripe-size', '4M']


def shares_blocks(source: BinaryIO, target: BinaryIO) -> bool:
    """Share the blocks of a file with another; whether the file system can"""
    try:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
    except OSError:
        return False
    return True


def reserve(descriptor: int, size: int) -> None:
    """
    Reserve room for a file that is about to be written, where the file system can.

    :raises OSError: when there is not as much, on the disk or in a quota
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), 'fallocate', None)
    if function and size and function(descriptor, KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(size)) != 0:
        number = ctypes.get_errno()
        # Whatever else is in the way: then it turns out while it is written.
        if number in NO_ROOM:
            raise OSError(number, os.strerror(number))


def ignore(_: int) -> None:
    """Do nothing with the number of bytes that were read."""


def copy_and_hash(source: str, target: str, advance: Callable[[int], None] = ignore) -> str:
    """
    Copy a file, reading it once and sharing its blocks where the file system can; return the SHA256 of the copy.

    :param advance: is told the number of bytes of each block
    :raises OSError: before anything is written, if the file system knows that there is no room
    """
    digest = hashlib.sha256()
    with open(source, 'rb') as reader, open(target, 'w+b') as writer, ThreadPoolExecutor(max_workers=1) as pool:
        shared = shares_blocks(reader, writer)
        if not shared:
            reserve(writer.fileno(), os.stat(source).st_size)
        origin = writer if shared else reader
        hashing = None
        for block in iter(lambda: origin.read(BLOCK), b''):
            # Of two blocks at most, the one is hashed while the other is read and written.
            if hashing:
                hashing.result()
            hashing = pool.submit(digest.update, block)
            if not shared:
                writer.write(block)
            advance(len(block))
        writer.flush()
        if not shared:
            # The source may have become shorter than what was reserved.
            os.ftruncate(writer.fileno(), writer.tell())
        # A full disk or quota may turn out only now. The hash of the last block is there when the pool ends.
        os.fsync(writer.fileno())
    return digest.hexdigest()


def stamp(path: str) -> Tuple[int, ...]:
    """By what a file is told from others, and from what it was before it was changed"""
    info = os.stat(path)
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def lay_out(path: str, size: int) -> Optional[str]:
    """
    Where a large file is about to be written, let Lustre spread it over several servers, unless its folder says how

    :return: what went wrong, in words; then the file is laid out as all others are
    """
    folder, lfs = os.path.dirname(path), shutil.which('lfs')
    if size < LARGE or lfs is None or file_system(folder) != LUSTRE:
        return None
    try:
        # 0 is what the file system does, and 1 is what that is unless somebody has thought about it.
        if run_lfs([lfs, 'getstripe', '-d', '--stripe-count', folder]) not in ('0', '1'):
            return None
        # A file that is there has its layout.
        if os.path.exists(path):
            os.remove(path)
        run_lfs([lfs, 'setstripe'] + STRIPES + [path])
    except (OSError, subprocess.CalledProcessError) as err:
        return str(getattr(err, 'output', None) or err).strip()
    return None


def run_lfs(command: List[str]) -> str:
    """Run lfs(1), and return what it says."""
    return subprocess.check_output(command, stderr=subprocess.STDOUT, universal_newlines=True).strip()


def file_system(path: str) -> Optional[int]:
    """The kind of file system that a path is on, as statfs(2) says; Python has no function for it"""
    function = getattr(ctypes.CDLL(None), 'statfs', None)
    # It begins with the kind, a long, and is shorter.
    answer = (ctypes.c_long * 64)()
    known = function and function(os.fsencode(path), answer) == 0
    return answer[0] if known else None
