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
Copies of files of which the SHA256 is known: that of the bytes which were written, whatever happens to the source

Used by ebsif, too: needs nothing but the standard library.
"""
import fcntl
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Callable

BLOCK = 1 << 22  # bytes
FICLONE = 0x40049409  # ioctl_ficlone(2)


def shares_blocks(source: BinaryIO, target: BinaryIO) -> bool:
    """Share the blocks of a file with another; whether the file system can"""
    try:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
    except OSError:
        return False
    return True


def ignore(_: int) -> None:
    """Do nothing with the number of bytes that were read."""


def copy_and_hash(source: str, target: str, advance: Callable[[int], None] = ignore) -> str:
    """
    Copy a file, reading it once and sharing its blocks where the file system can; return the SHA256 of the copy.

    :param advance: is told the number of bytes of each block
    """
    digest = hashlib.sha256()
    with open(source, 'rb') as reader, open(target, 'w+b') as writer, ThreadPoolExecutor(max_workers=1) as pool:
        shared = shares_blocks(reader, writer)
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
        # A full disk or quota may turn out only now. The hash of the last block is there when the pool ends.
        os.fsync(writer.fileno())
    return digest.hexdigest()
