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
Images that the installations beside them share: one file for each SHA256, to which relative links lead

Links are all that says whether an image is used: what is removed by hand, copied or renamed beside the others counts.
An installation leads a link to the image before it looks for it, keeps this link until it is published with a link of
its own, and looks again in the end. So nobody removes what it uses, nor does a lock outlive a process.

Used by ebsif, too: needs nothing but the standard library.
"""
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import Dict, Iterator, Optional

FOLDER = '.images'


def shared_path(software: str, sha256: str, name: str) -> str:
    """Path of a shared image, beside the installations in the folder software."""
    return os.path.join(software, FOLDER, sha256, name)


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Do something while no other process on this host does such a thing in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Not every file system can; then whoever loses a race finds the image gone, in the sanity check.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def lead_to(image: str, link: str) -> None:
    """Let a path be a link to a shared image, which need not be there yet; nobody removes it from then on."""
    with locked(software_of(image)):
        os.symlink(link_target(image, os.path.dirname(link)), link)


def share(path: str, image: str) -> None:
    """Let a file that was verified be a shared image, in the place of what is there."""
    with locked(software_of(image)):
        for folder in (os.path.dirname(os.path.dirname(image)), os.path.dirname(image)):
            if not os.path.isdir(folder):
                os.mkdir(folder)
                # Whoever may put installations beside it may put images there.
                os.chmod(folder, stat.S_IMODE(os.stat(software_of(image)).st_mode))
        os.rename(path, image)


def remove_unused(software: str) -> Dict[str, Optional[str]]:
    """Remove shared images to which nothing in the folder software leads; return why some could not be."""
    top = os.path.join(software, FOLDER)
    if not os.path.isdir(top):
        return {}
    failed = {}  # type: Dict[str, Optional[str]]
    with locked(software):
        for folder in [os.path.join(top, name) for name in os.listdir(top)]:
            try:
                for image in [os.path.join(folder, name) for name in os.listdir(folder)]:
                    if not is_used(image):
                        os.remove(image)
                remove_if_empty(folder)
            except OSError as err:
                failed[folder] = err.strerror
        remove_if_empty(top)
    return failed


def is_used(image: str) -> bool:
    """Whether a link in a folder beside the shared images leads to one; where nobody can tell, it does."""
    software, name = software_of(image), os.path.basename(image)
    # Hidden folders first, in which installations grow: what is published meanwhile is found in its place.
    for folder in [os.path.join(software, each) for each in sorted(os.listdir(software))]:
        try:
            if os.readlink(os.path.join(folder, name)) == link_target(image, folder):
                return True
        except PermissionError:
            return True
        except OSError:
            # There is no such link.
            continue
    return False


def link_target(image: str, folder: str) -> str:
    """What a link in a folder beside the shared images leads to"""
    return os.path.relpath(image, folder)


def software_of(image: str) -> str:
    """The folder in which installations share an image"""
    return os.path.dirname(os.path.dirname(os.path.dirname(image)))


def remove_if_empty(folder: str) -> None:
    """Remove a folder of ours in which nothing is left."""
    if not os.listdir(folder) and os.access(os.path.dirname(folder), os.W_OK):
        os.rmdir(folder)
