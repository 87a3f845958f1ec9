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
The room that packages will take: missing room is told before, and not after minutes of work
"""
import os
import zipfile
from typing import List, Optional, Tuple

# Bytecode is about as large as half of what it is made from; a file of it is made for nearly each.
BYTECODE = 1.5
# Packages of conda are compressed in a way that Python cannot look into: a typical ratio, and size of a file.
CONDA_RATIO, CONDA_FILE = 4, 20000


def unpacked(files: List[str]) -> Tuple[int, int]:
    """Size, and number of files, that packages will have when they are unpacked and compiled, about"""
    size, number = 0.0, 0
    for path in files:
        # What is no wheel in spite of its name is told by what installs it.
        if zipfile.is_zipfile(path) and path.endswith('.whl'):
            with zipfile.ZipFile(path) as wheel:
                members = wheel.infolist()
            sources = sum(member.file_size for member in members if member.filename.endswith('.py'))
            size += sum(member.file_size for member in members) + sources * (BYTECODE - 1)
            number += len(members) + sum(member.filename.endswith('.py') for member in members)
        else:
            size += os.path.getsize(path) * CONDA_RATIO
            number += os.path.getsize(path) * CONDA_RATIO // CONDA_FILE
    return int(size), number


def amount(size: int) -> str:
    """A size in words"""
    return "%.1f GB" % (size / 1e9) if size >= 1e9 else "%.1f MB" % (size / 1e6)


def shortage(folder: str, size: int, files: int) -> Optional[str]:
    """What a folder lacks to have files of that size and number, in words; None when it lacks nothing"""
    there = os.statvfs(folder)
    free = there.f_bavail * there.f_frsize
    if free < size:
        return "about %s are needed in %s, and %s are free" % (amount(size), folder, amount(free))
    # A file system that makes room for files as they come has none.
    if there.f_files and there.f_favail < files:
        return "about %d files are needed in %s, and no more than %d can be made" % (files, folder, there.f_favail)
    return None
