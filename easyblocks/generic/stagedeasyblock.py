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
import ctypes
import errno
import fcntl
import glob
import os
import pwd
import re
import socket
import time

from easybuild.framework.easyblock import EasyBlock
from easybuild.framework.easyconfig.easyconfig import ActiveMNS
from easybuild.tools.build_log import EasyBuildError, print_msg, print_warning
from easybuild.tools.config import build_option, update_build_option
from easybuild.tools.filetools import det_lock_path, mkdir, read_file, remove, remove_dir, remove_file
from easybuild.tools.filetools import write_file
from easybuild.tools.hooks import FETCH_STEP

HOLDER = '.holder.'
# Hosts may have the same name, and on some file systems flock(2) counts on one host only.
BOOT_IDENTITY = '/proc/sys/kernel/random/boot_id'

# A file in an installation that has come into its place, for as long as what was there before is not out of it.
ARRIVING = '.arriving'

# Folders beside an installation: in the first it grows; in the other, what goes into it is verified before.
STAGED = ('new', 'image')

# linux/fs.h and fcntl.h
AT_FDCWD = -100
RENAME_EXCHANGE = 2


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


    def boot_of_holder(self):
        """The kernel of the process that has written the holder of this host; nothing where it does not say"""
        match = re.fullmatch(b'[0-9]+ ([0-9a-f-]{36})\n', os.pread(self.descriptor, 100, 0))
        return match.group(1) if match else b''


def boot_identity():
    """What tells this kernel, since it was started, from that of every other host; nothing where it does not say"""
    try:
        with open(BOOT_IDENTITY, 'rb') as handle:
            return handle.read(50).strip()
    except OSError:
        return b''


class StagedEasyBlock(EasyBlock):
    """
    An easyblock whose installation replaces the one that is there only when it is complete, together with its module

    The new installation grows beside its place, with its module in it; where modules are looked for, there is a link to
    the module in the installation. So installation and module change places with the old ones in one system call, which
    exchanges two folders. Where the file system cannot do that, two renames follow each other; if EasyBuild is killed
    between them, the next `eb` puts the old installation back.

    What a user has filled (user_data) goes over to the new installation as it is at that moment. Of the old one, what
    running processes still look into (kept_folders) stays until the next `eb`.
    """

    def __init__(self, *args, **kwargs):
        """Initialise"""
        super().__init__(*args, **kwargs)
        self.final_installdir = self.installdir
        self.owns_lock = False

    def sibling(self, what):
        """Path of a hidden folder beside the installation."""
        parent, name = os.path.split(self.final_installdir)
        return os.path.join(parent, '.%s.%s' % (name, what))

    def user_data(self):
        """Names of folders in the installation that its user fills, and that a new one takes over"""
        return []

    def kept_folders(self):
        """Names of folders in the installation that processes look into for as long as they run"""
        return []

    def has_loadable_module(self):
        """Whether the module can be loaded here, for the devel module of EasyBuild"""
        return True

    def run_all_steps(self, *args, **kwargs):
        """Run all steps; if one fails, leave behind what was there before."""
        if self.dry_run or build_option('ignore_locks'):
            return self.run_staged_steps(*args, **kwargs)
        lock = InstallationLock(det_lock_path(self.final_installdir.replace('/', '_')))
        lock.wait()
        try:
            return self.run_staged_steps(*args, **kwargs)
        finally:
            lock.release()

    def run_staged_steps(self, *args, **kwargs):
        """Run all steps; remove what a failed one has left."""
        existed = os.path.isdir(self.final_installdir)
        try:
            return super().run_all_steps(*args, **kwargs)
        finally:
            if self.owns_lock:
                self.installdir = self.final_installdir
                self.finish_publishing()
                self.remove_staged()
            if not (self.dry_run or existed) and os.path.isdir(self.installdir) and not os.listdir(self.installdir):
                # The fetch step makes it.
                os.rmdir(self.installdir)

    def post_init(self):
        """Also clean up after an installation that was killed, and after the one before."""
        super().post_init()
        # The option --fetch ignores locks: another process may be installing.
        if self.dry_run or self.cfg['stop'] == FETCH_STEP:
            return
        self.check_owners()
        self.owns_lock = True
        if not os.path.exists(self.final_installdir) and os.path.exists(self.sibling('old')):
            os.rename(self.sibling('old'), self.final_installdir)
        self.finish_publishing()
        self.remove_old()
        self.remove_staged()

    def remove_staged(self):
        """Remove what has grown beside the installation."""
        for what in STAGED:
            remove_dir(self.sibling(what))

    def check_owners(self):
        """Refuse to replace what somebody else has made and does not let us change, before anything is done."""
        for folder in self.folders_to_change():
            owner, wanted = os.stat(folder).st_uid, os.R_OK | os.W_OK | os.X_OK
            if owner != os.geteuid() and not os.access(folder, wanted, effective_ids=True):
                raise EasyBuildError("You may not change %s, which belongs to %s: ask them to install this, or to let "
                                     "their group write there (eb --group-writable-installdir), or install into a "
                                     "place of your own (--installpath).", folder, user_name(owner))

    def folders_to_change(self):
        """Folders into which something new comes, or which are moved or removed; all of them exist"""
        for path in (self.final_installdir, self.mod_filepath):
            yield existing_folder(os.path.dirname(path))
        for place in [self.final_installdir] + [self.sibling(what) for what in ('old',) + STAGED]:
            if os.path.isdir(place):
                yield place
            for folder, names, _ in os.walk(place):
                # Here, and not when it is their turn: those that cannot be read have none.
                for path in [os.path.join(folder, name) for name in names]:
                    if not os.path.islink(path):
                        yield path
                if folder == self.final_installdir:
                    # These are moved as they are.
                    names[:] = sorted(set(names).difference(self.user_data()))

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

    def write_whole(self, path, text):
        """Write a file that others may read at any moment."""
        write_file(hidden(path), text)
        if not self.dry_run:
            write_to_disk(hidden(path))
            os.rename(hidden(path), path)

    # Module

    def make_module_req(self):
        """Paths of the module are those in the folder in which the installation has grown."""
        current = self.installdir
        if os.path.isdir(self.sibling('new')):
            self.installdir = self.sibling('new')
        try:
            return super().make_module_req()
        finally:
            self.installdir = current

    def make_module_step(self, fake=False):
        """Make the module in the new installation, and put both into their place."""
        if fake or self.dry_run:
            return super().make_module_step(fake=fake)
        self.installdir = self.final_installdir
        place, name = self.mod_filepath, 'module' + self.module_generator.MODULE_FILE_EXTENSION
        installed = os.path.join(self.final_installdir, name)
        is_new = os.path.isdir(self.sibling('new'))
        if is_new:
            self.mod_filepath = os.path.join(self.sibling('new'), name)
        else:
            # Only the module is made, maybe without an installation.
            target = installed if os.path.isdir(self.final_installdir) else place
            self.mod_filepath = hidden(target)
        mkdir(os.path.dirname(place), parents=True)
        devel_module = update_build_option('generate_devel_module', False)
        try:
            modpath = super().make_module_step()
            if is_new:
                self.publish()
            else:
                write_to_disk(self.mod_filepath)
                os.rename(self.mod_filepath, target)
        finally:
            remove_file(hidden(place))
            remove_file(hidden(installed))
            self.mod_filepath = place
            update_build_option('generate_devel_module', devel_module)
        if os.path.exists(installed):
            replace_by_link(place, installed)
        self.invalidate_module_caches(modpath)
        self.modules_tool.update()
        if devel_module and ActiveMNS().mns.det_make_devel_module() and self.has_loadable_module():
            with self.fake_module_environment():
                self.make_devel_module()
        return modpath

    # Putting an installation into its place

    def publish(self):
        """Put the complete installation into its final place, and what was there out of it."""
        new = self.sibling('new')
        copies = [os.path.join(new, name) for name in self.user_data()]
        write_file(os.path.join(new, ARRIVING), ''.join('%d\n' % os.stat(path).st_ino for path in copies
                                                        if os.path.exists(path)))
        for folder, _, names in os.walk(new):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                write_to_disk(path)
        if os.path.exists(self.final_installdir):
            exchange(new, self.final_installdir, self.sibling('old'))
        else:
            os.rename(new, self.final_installdir)
        self.finish_publishing()

    def finish_publishing(self):
        """Where a new installation has come into its place: give it what the user has filled, remove the old one."""
        final, old, arriving = self.final_installdir, self.sibling('old'), os.path.join(self.final_installdir, ARRIVING)
        if not os.path.exists(arriving):
            return
        if os.path.exists(self.sibling('new')):
            # They have changed places.
            self.remove_old()
            os.rename(self.sibling('new'), old)
        copies = read_file(arriving).split()
        for name in self.user_data():
            path, place = os.path.join(old, name), os.path.join(final, name)
            if not os.path.exists(path) or str(os.stat(path).st_ino) in copies:
                continue
            # The very folder, which processes see, with what was written into it while the new one has grown.
            if os.path.exists(place):
                exchange(path, place, os.path.join(old, 'copy'))
            else:
                os.rename(path, place)
        remove_file(arriving)
        try:
            self.remove_old(keep=self.kept_folders())
        except EasyBuildError as err:
            print_warning("The old installation is still there, at %s: %s", old, err)

    def remove_old(self, keep=()):
        """Remove what is left of an old installation, but for the folders whose names are given."""
        old = self.sibling('old')
        remove([os.path.join(old, name) for name in list_folder(old) if name not in keep])
        if os.path.isdir(old) and not os.listdir(old):
            os.rmdir(old)


def list_folder(path):
    """Names in a folder; none if there is no folder"""
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def existing_folder(path):
    """The folder at a path or, where there is none, the next one above it"""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def user_name(number):
    """Name of a user, given their number"""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return "user %d" % number


def hidden(path):
    """Path for what is to become a file, beside it"""
    folder, name = os.path.split(path)
    return os.path.join(folder, '.%s.new' % name)


def write_to_disk(path):
    """Have a file or a folder on the disk: some file systems find out only then that there is no space."""
    if os.path.islink(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_by_link(path, target):
    """Let a path be a link to a file, at every moment."""
    if os.path.islink(path) and os.readlink(path) == target:
        return
    remove_file(hidden(path))
    os.symlink(target, hidden(path))
    os.rename(hidden(path), path)


def exchange(one, other, aside):
    """
    Let two folders change places, at once where the file system can do that

    :param aside: path that does not exist; where it cannot, the other folder is there at the end, and nothing at one
    """
    # renameat2(2); Python has no function for it.
    function = getattr(ctypes.CDLL(None, use_errno=True), 'renameat2', None)
    if function and function(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return
    error = ctypes.get_errno()
    if function and error not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise EasyBuildError("Exchanging %s and %s failed: %s", one, other, os.strerror(error))
    os.rename(other, aside)
    os.rename(one, other)
