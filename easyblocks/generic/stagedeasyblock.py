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
Installations that are all there or not there: they grow beside their place, and move into it when they are complete
"""
import glob
import json
import os
import socket

from easybuild.framework.easyblock import EasyBlock
from easybuild.tools.build_log import print_msg, print_warning
from easybuild.tools.filetools import det_lock_path, mkdir, read_file, remove_dir, remove_file, write_file

# What stands beside EasyBuild's lock for each process that wants it: the lock itself does not say whose it is.
CLAIM = '.claim.'
BOOT_ID = '/proc/sys/kernel/random/boot_id'


def process_identity(pid):
    """What tells a process from all others on this host, later ones with the same number included."""
    # The name of the program, in parentheses, may hold anything; the start time is field 22 (proc(5)).
    started = read_file('/proc/%d/stat' % pid).rpartition(')')[2].split()[19]
    return {'host': socket.gethostname(), 'boot': read_file(BOOT_ID).strip(), 'pid': pid, 'started': started}


def is_gone(owner):
    """Whether a process, by its identity, surely runs no more."""
    if owner['host'] != socket.gethostname():
        return False
    if owner['boot'] != read_file(BOOT_ID).strip():
        return True
    try:
        os.kill(owner['pid'], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # Somebody else's, and /proc may hide it.
        return False
    return owner != process_identity(owner['pid'])


def read_claim(path):
    """The process that claims a lock; None when it has just given it up."""
    try:
        with open(path) as handle:
            return json.load(handle)
    except FileNotFoundError:
        return None


class StagedEasyBlock(EasyBlock):
    """An easyblock whose installation replaces the one that is there only when it is complete"""

    def __init__(self, *args, **kwargs):
        """Initialise"""
        super().__init__(*args, **kwargs)
        self.final_installdir = self.installdir
        self.owns_lock = False

    def sibling(self, what):
        """Path of a hidden folder beside the installation."""
        parent, name = os.path.split(self.final_installdir)
        return os.path.join(parent, '.%s.%s' % (name, what))

    @property
    def lock(self):
        """Path of EasyBuild's lock for this installation"""
        return det_lock_path(self.final_installdir.replace('/', '_'))

    def run_all_steps(self, *args, **kwargs):
        """Run all steps; if one fails, leave behind what was there before."""
        if self.dry_run:
            return super().run_all_steps(*args, **kwargs)
        existed = os.path.isdir(self.final_installdir)
        claim = self.claim_lock()
        try:
            self.remove_stale_lock(claim)
            return super().run_all_steps(*args, **kwargs)
        finally:
            if self.owns_lock:
                self.installdir = self.final_installdir
                remove_dir(self.sibling('new'))
                if not existed and os.path.isdir(self.installdir) and not os.listdir(self.installdir):
                    # The fetch step makes it.
                    os.rmdir(self.installdir)
            remove_file(claim)

    def claim_lock(self):
        """Write down that this process may come to hold the lock, before it does; return the path of the file."""
        claim = self.lock + CLAIM + '%s.%d' % (socket.gethostname(), os.getpid())
        temporary = os.path.join(os.path.dirname(claim), '.' + os.path.basename(claim))
        write_file(temporary, json.dumps(process_identity(os.getpid())))
        os.rename(temporary, claim)
        return claim

    def remove_stale_lock(self, own_claim):
        """Remove the lock, if all processes that may hold it are no more, and what they have left."""
        locked = os.path.isdir(self.lock)
        claims = sorted(set(glob.glob(glob.escape(self.lock + CLAIM) + '*')) - {own_claim})
        owners = {claim: read_claim(claim) for claim in claims}
        gone = [claim for claim in claims if owners[claim] and is_gone(owners[claim])]
        alive = [owners[claim] for claim in claims if owners[claim] and claim not in gone]
        if locked and gone and not alive:
            print_msg("removing the lock of an installation that was killed (process %s)"
                      % ', '.join(str(owners[claim]['pid']) for claim in gone), log=self.log)
            remove_dir(self.lock)
        for claim in gone:
            remove_file(claim)
        for owner in alive if locked else []:
            print_warning("Process %d on %s may hold the lock %s: wait for it, or, if it is no more, remove the lock."
                          % (owner['pid'], owner['host'], self.lock))

    def post_init(self):
        """Also clean up after an installation that was killed."""
        super().post_init()
        if self.dry_run:
            return
        self.owns_lock = True
        if not os.path.exists(self.final_installdir) and os.path.exists(self.sibling('old')):
            os.rename(self.sibling('old'), self.final_installdir)
        remove_dir(self.sibling('old'))
        remove_dir(self.sibling('new'))

    def remove_module_file(self):
        """Leave the module in place until the new installation replaces the old one."""
        self.log.info("Keeping module file %s until the new installation is complete", self.mod_filepath)

    def make_installdir(self, dontcreate=None):
        """Make the folder in which the installation grows."""
        if self.dry_run:
            super().make_installdir(dontcreate=dontcreate)
            return
        self.installdir = self.sibling('new')
        remove_dir(self.installdir)
        mkdir(self.installdir, parents=True)

    def publish(self):
        """Put the complete installation into its final place."""
        new, old = self.sibling('new'), self.sibling('old')
        if not os.path.isdir(new):
            return
        self.installdir = self.final_installdir
        if os.path.exists(self.installdir):
            os.rename(self.installdir, old)
        os.rename(new, self.installdir)
        remove_dir(old)

    def make_module_step(self, fake=False):
        """Put the installation into its final place right before its module."""
        if not fake and not self.dry_run:
            self.publish()
        return super().make_module_step(fake=fake)
