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
Locks of installations that tell whether their process still runs
"""
import fcntl
import glob
import os
import re
import socket
import time

from easybuild.tools.build_log import EasyBuildError, print_msg, print_warning
from easybuild.tools.config import build_option
from easybuild.tools.filetools import mkdir, remove_dir

HOLDER = '.holder.'
# Hosts may have the same name, and on some file systems flock(2) counts on one host only.
BOOT_IDENTITY = '/proc/sys/kernel/random/boot_id'


class InstallationLock:
    """
    EasyBuild's lock for an installation, of which is known whether its process still runs

    EasyBuild's lock is a folder, which stays when its process is killed. So a process first locks a file beside that
    folder, the holder, one for each host, with flock(2): the kernel ends this lock with the process, whatever ends it.
    A process writes into its holder before it makes the folder, and removes it after the folder. So a folder beside a
    written holder that nobody locks is what a killed process has left.
    """

    def __init__(self, path):
        """Initialise, for the path of EasyBuild's lock"""
        self.path = path
        self.holder = path + HOLDER + socket.gethostname()
        self.descriptor = None

    def wait(self):
        """Take the lock; wait for it as long as EasyBuild's options for locks say."""
        limit, interval = build_option('wait_on_lock_limit'), build_option('wait_on_lock_interval')
        waited = 0
        obstacle = self.take()
        while obstacle:
            if limit != -1 and waited >= limit:
                raise EasyBuildError("Lock %s: %s", self.path, obstacle)
            print_msg("lock %s: %s; waiting %d seconds..." % (self.path, obstacle, interval))
            time.sleep(interval)
            waited += interval
            obstacle = self.take()

    def take(self):
        """Take the lock if no other process has it; return None, or what stands against it."""
        try:
            while not self.lock_holder():
                self.close_holder()
        except BlockingIOError:
            obstacle = "process %s on this host makes the same installation" % self.process_number()
        except OSError as err:
            obstacle = self.judge_without_holder(err)
        else:
            obstacle = self.judge()
            if not obstacle:
                self.write_holder()
                return None
        self.close_holder()
        return obstacle

    def release(self):
        """Give up the lock, after EasyBuild has removed its folder."""
        if self.descriptor is None:
            return
        if not os.path.exists(self.path):
            self.remove_holder(self.holder)
        self.close_holder()

    def lock_holder(self):
        """Open and lock the holder of this host; return False if its process has just removed it."""
        mkdir(os.path.dirname(self.holder), parents=True)
        try:
            self.descriptor = os.open(self.holder, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except PermissionError:
            # It is another user's.
            self.descriptor = os.open(self.holder, os.O_RDONLY | os.O_NOFOLLOW)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.stat(self.holder))
        except FileNotFoundError:
            return False

    def judge(self):
        """With the holder of this host locked: remove the folder if a killed process has left it, or return why not."""
        if not os.path.exists(self.path):
            return None
        written = os.fstat(self.descriptor).st_size > 0
        if not written:
            self.remove_holder(self.holder)
        hosts = [path[len(self.path + HOLDER):] for path in self.other_holders()]
        if hosts:
            return "a process on %s may make the same installation; if none does, remove the lock" % ', '.join(hosts)
        if not written:
            return "nothing tells whose it is; if nobody makes the same installation, remove it"
        if self.boot_of_holder() not in (b'', boot_identity()):
            return ("process %s of this host, before it was started anew, or of another host of its name may make the "
                    "same installation; if it does not, remove the lock" % self.process_number())
        print_msg("removing the lock of an installation that was killed (process %s)" % self.process_number())
        remove_dir(self.path)
        return None

    def judge_without_holder(self, err):
        """Where the holder cannot be locked, only EasyBuild's own lock counts."""
        if os.path.exists(self.path):
            return "whether its process still runs cannot be found out (%s); if it does not, remove the lock" % err
        print_warning("Cannot lock %s (%s): if this installation is killed, remove the lock %s yourself.",
                      self.holder, err, self.path)
        return None

    def write_holder(self):
        """Say whose the lock is, in a file that every user can read."""
        for path in self.other_holders():
            self.remove_holder(path)
        if os.fstat(self.descriptor).st_uid == os.geteuid():
            os.fchmod(self.descriptor, 0o644)
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, b'%d %s\n' % (os.getpid(), boot_identity()))

    def process_number(self):
        """Number of the process that has written the holder of this host"""
        digits = re.match(b'[0-9]*', os.pread(self.descriptor, 20, 0)).group()
        return digits.decode() or '(unknown)'

    def boot_of_holder(self):
        """The kernel of the process that has written the holder of this host; nothing where it does not say"""
        match = re.fullmatch(b'[0-9]+ ([0-9a-f-]{36})\n', os.pread(self.descriptor, 100, 0))
        return match.group(1) if match else b''

    def other_holders(self):
        """Paths of the holders of other hosts"""
        return sorted(set(glob.glob(glob.escape(self.path + HOLDER) + '*')) - {self.holder})

    def remove_holder(self, path):
        """Remove a holder, unless it is another user's who does not let us."""
        try:
            os.unlink(path)
        except OSError as err:
            if os.path.exists(path):
                print_warning("Cannot remove %s: %s", path, err)

    def close_holder(self):
        """Close the holder, which unlocks it."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def boot_identity():
    """What tells this kernel, since it was started, from that of every other host; nothing where it does not say"""
    try:
        with open(BOOT_IDENTITY, 'rb') as handle:
            return handle.read(50).strip()
    except OSError:
        return b''
