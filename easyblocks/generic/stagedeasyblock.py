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
import glob
import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor

from easybuild.easyblocks.generic._installationlock import InstallationLock
from easybuild.framework.easyblock import REPROD, EasyBlock
from easybuild.framework.easyconfig.easyconfig import ActiveMNS
from easybuild.tools.build_log import EasyBuildError, print_warning
from easybuild.tools.config import build_option, update_build_option
from easybuild.tools.filetools import adjust_permissions, copy_file, det_lock_path, mkdir, read_file, remove, remove_dir
from easybuild.tools.filetools import remove_file, write_file
from easybuild.tools.hooks import FETCH_STEP
from easybuild.tools.module_generator import avail_module_generators

# A file in an installation that has come into its place, for as long as what was there before is not out of it.
ARRIVING = '.arriving'

# What the module in an installation is called, before the suffix of its syntax.
MODULE = 'module'

# Folders beside an installation: in the first it grows; in the other, what goes into it is verified before.
STAGED = ('new', 'image')

# How many files at once are to get onto the disk.
WRITERS = 16

# linux/fs.h and fcntl.h
AT_FDCWD = -100
RENAME_EXCHANGE = 2


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
        # The option --fetch ignores locks: another process may be installing. Who only looks, changes nothing.
        if self.dry_run or self.cfg['stop'] == FETCH_STEP or build_option('sanity_check_only'):
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
        for path in self.folders_to_fill():
            if not may_write(path):
                self.refuse_to_change(path)
        for path in self.paths_to_move():
            if not (may_move(path) and (may_write(path) or not is_folder(path))):
                self.refuse_to_change(path)

    def refuse_to_change(self, path):
        """Say who can change a path."""
        raise EasyBuildError("You may not change %s, which belongs to %s: ask them to install this, or to let their "
                             "group write there (eb --group-writable-installdir), or install into a place of your own "
                             "(--installpath).", path, user_name(os.lstat(path).st_uid))

    def folders_to_fill(self):
        """Folders into which something new comes; all of them exist"""
        for path in [self.final_installdir] + self.links_to_make():
            yield existing_folder(os.path.dirname(path))

    def paths_to_move(self):
        """What is moved or removed, but for files in folders where who may write may do that; all of it exists"""
        for path in self.links_to_make() + [self.final_installdir] + [self.sibling(what) for what in ('old',) + STAGED]:
            if os.path.lexists(path):
                yield path
            for folder, names, files in os.walk(path):
                # Here, and not when it is their turn: those that cannot be read have none.
                for name in names + (files if is_sticky(folder) else []):
                    yield os.path.join(folder, name)
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
        place, installed = self.mod_filepath, self.installed_module()
        is_new = os.path.isdir(self.sibling('new'))
        if is_new:
            self.mod_filepath = os.path.join(self.sibling('new'), os.path.basename(installed))
            self.keep_other_modules()
        else:
            # Only the module is made, maybe without an installation.
            target = installed if os.path.isdir(self.final_installdir) else place
            self.mod_filepath = hidden(target)
        mkdir(os.path.dirname(place), parents=True)
        devel_module = update_build_option('generate_devel_module', False)
        # It removes links before it makes them anew.
        self.module_generator.create_symlinks = lambda *args, **kwargs: None
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
            del self.module_generator.create_symlinks
            update_build_option('generate_devel_module', devel_module)
        for path, made in self.module_links().items():
            if path != place or os.path.exists(installed):
                mkdir(os.path.dirname(path), parents=True)
                replace_by_link(path, made)
        self.invalidate_module_caches(modpath)
        self.modules_tool.update()
        if devel_module and ActiveMNS().mns.det_make_devel_module() and self.has_loadable_module():
            with self.fake_module_environment():
                self.make_devel_module()
        return modpath

    def keep_other_modules(self):
        """Take over modules in another syntax: those who use it need one, until it is made anew (--module-only)."""
        for generator in avail_module_generators().values():
            name = MODULE + generator.MODULE_FILE_EXTENSION
            old, new = (os.path.join(folder, name) for folder in (self.final_installdir, self.sibling('new')))
            if new != self.mod_filepath and os.path.exists(old):
                copy_file(old, new)

    def installed_module(self):
        """Path of the module in the installation"""
        return os.path.join(self.final_installdir, MODULE + self.module_generator.MODULE_FILE_EXTENSION)

    def module_links(self):
        """Targets of the links that people load the module by, by their paths: among all, and in its class"""
        links = {self.mod_filepath: self.installed_module()}
        for folder in ActiveMNS().det_module_symlink_paths(self.cfg):
            links[self.module_generator.get_module_filepath(mod_path_suffix=folder)] = self.mod_filepath
        return links

    def links_to_make(self):
        """Paths of those links that are not there"""
        return [path for path, target in self.module_links().items() if not is_link_to(path, target)]

    def permissions_step(self):
        """Also let whoever may read a command run it, and the group change what EasyBuild moves there afterwards."""
        super().permissions_step()
        for folder, names, files in os.walk(self.installdir):
            for path in [os.path.join(folder, name) for name in files]:
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode) and mode & stat.S_IXUSR:
                    os.chmod(path, stat.S_IMODE(mode | (mode & 0o444) >> 2))
            if folder == self.installdir:
                names[:] = sorted(set(names).difference(self.user_data()))
        if build_option('group_writable_installdir'):
            for reports in glob.glob(os.path.join(glob.escape(os.path.dirname(self.logfile)), REPROD + '*')):
                adjust_permissions(reports, stat.S_IRWXG, onlydirs=True)

    # Putting an installation into its place

    def publish(self):
        """Put the complete installation into its final place, and what was there out of it."""
        new = self.sibling('new')
        copies = [os.path.join(new, name) for name in self.user_data()]
        write_file(os.path.join(new, ARRIVING), ''.join('%d\n' % os.stat(path).st_ino for path in copies
                                                        if os.path.exists(path)))
        write_all_to_disk(new)
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
        make_writable(old)
        copies = read_file(arriving).split()
        for name in self.user_data():
            path, place = os.path.join(old, name), os.path.join(final, name)
            if not os.path.exists(path) or str(os.stat(path).st_ino) in copies:
                continue
            # The very folder, which processes see, with what was written into it while the new one has grown.
            make_writable(path)
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
        make_writable(old)
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


def is_folder(path):
    """Whether a path is a folder, and no link to one"""
    return os.path.isdir(path) and not os.path.islink(path)


def may_write(folder):
    """Whether we may change what is in a folder, or let ourselves do that"""
    return is_ours(folder) or os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)


def may_move(path):
    """Whether we may move or remove something from a folder that we may write in"""
    folder = os.path.dirname(path)
    return not is_sticky(folder) or is_ours(path) or is_ours(folder)


def make_writable(path):
    """Let ourselves change what is in a folder of ours: of an installation, eb --read-only-installdir forbids it."""
    if is_folder(path) and is_ours(path):
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | stat.S_IRWXU)


def is_ours(path):
    """Whether we own a path, or are root, who may do all"""
    return os.geteuid() in (0, os.lstat(path).st_uid)


def is_sticky(folder):
    """Whether in a folder who owns something alone may move it"""
    return bool(os.stat(folder).st_mode & stat.S_ISVTX)


def hidden(path):
    """Path for what is to become a file, beside it"""
    folder, name = os.path.split(path)
    return os.path.join(folder, '.%s.new' % name)


def write_all_to_disk(top):
    """Have all in a folder on the disk, which is quick where the file system can do for many what it does for one."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names + ['']]
    with ThreadPoolExecutor(WRITERS) as writers:
        for _ in writers.map(write_to_disk, paths):
            pass


def write_to_disk(path):
    """Have a file or a folder on the disk: some file systems find out only then that there is no space."""
    if os.path.islink(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_link_to(path, target):
    """Whether a path is a link with a target"""
    return os.path.islink(path) and os.readlink(path) == target


def replace_by_link(path, target):
    """Let a path be a link to a file, at every moment."""
    if is_link_to(path, target):
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
    try:
        os.rename(one, other)
    except OSError:
        os.rename(aside, other)
        raise
