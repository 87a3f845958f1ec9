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
EasyBuild support for the image of a container in an installation, implemented as an easyblock

The image is verified once, as it gets into its place, and is used from there: a copy, a link, or one that installations
share. SifImage is abstract: SifContainer makes a module for it.
"""
import os
import re

from easybuild.easyblocks.generic._sifcopy import copy_and_hash, lay_out, stamp
from easybuild.easyblocks.generic._sifimages import lead_to, link_target, remove_unused, share, shared_path
from easybuild.easyblocks.generic._sifruntime import RUNTIMES, container_command, container_environment, other_machine
from easybuild.easyblocks.generic._sifruntime import sif_header
from easybuild.easyblocks.generic.stagedeasyblock import StagedEasyBlock, existing_folder, is_link_to, may_write
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_warning
from easybuild.tools.config import build_option
from easybuild.tools.filetools import compute_checksum, mkdir, remove_file, symlink, verify_checksum, which
from easybuild.tools.run import run_shell_cmd
from easybuild.tools.utilities import trace_msg

# What timeout(1) returns for a command that it has ended, by SIGTERM and by SIGKILL.
TIMED_OUT, KILLED = 124, 137


class SifImage(StagedEasyBlock):
    """Support for the image of a container in an installation; abstract, see SifContainer"""

    # What a parameter without default value holds.
    PARAMETER_TYPES = {}

    @staticmethod
    def extra_options(extra_vars=None):
        """Extra easyconfig parameters that say where the image comes from"""
        extra_vars = StagedEasyBlock.extra_options(extra_vars)
        extra_vars.update({
            'frozen_images': [[], "Folders with the site's frozen images: the image is searched there too, "
                                  "at installation, and by the module when the installed one is gone", CUSTOM],
            'image_install': ['copy', "How the image gets into the installation: 'copy' (sharing blocks where the "
                                      "file system can), 'share' (one copy for all versions) or 'link'", CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Initialise, and refuse values that could not work before anything is done"""
        super().__init__(*args, **kwargs)
        self.runtime = None
        self.verified = None
        # There is no compiler to wrap.
        self.toolchain.options['rpath'] = False
        self.check_types()
        self.check_parameters()

    # Values of the easyconfig

    @property
    def image_name(self):
        """File name of the image, the first of the sources; None without sources"""
        source = (self.cfg['sources'] or [None])[0]
        return source.get('filename') if isinstance(source, dict) else source

    @property
    def installed_image(self):
        """Path of the image in the installation"""
        return os.path.join(self.installdir, self.image_name)

    @property
    def frozen_folders(self):
        """Folders with frozen images; one that is named by a variable that is not set here does not count"""
        folders = [os.path.expandvars(folder) for folder in self.cfg['frozen_images']]
        return [folder for folder in folders if '$' not in folder]

    @property
    def frozen_paths(self):
        """Paths of the image among the frozen ones; variables in them are for the module and the wrappers to replace"""
        return [os.path.join(folder, self.image_name) for folder in self.cfg['frozen_images']]

    @property
    def images(self):
        """Paths at which the module would find the image here, in this order"""
        return [self.installed_image] + [os.path.join(folder, self.image_name) for folder in self.frozen_folders]

    @property
    def existing_image(self):
        """Path at which the module finds the image, or None"""
        return next((path for path in self.images if os.path.exists(path)), None)

    @property
    def module_only(self):
        """Whether only the module is made"""
        return build_option('module_only') or self.cfg['module_only']

    # Refusing values

    def fail_parameter(self, name, msg, *args):
        """Refuse the value of an easyconfig parameter."""
        raise EasyBuildError("Easyconfig parameter '" + name + "': " + msg, *args,
                             exit_code=EasyBuildExit.VALUE_ERROR)

    def check_texts(self, name, values, pattern, expected):
        """Refuse the value of an easyconfig parameter unless all of values are texts that match a pattern."""
        for value in values:
            if not (isinstance(value, str) and re.fullmatch(pattern, value)):
                self.fail_parameter(name, "%r is not %s", value, expected)

    def check_choice(self, name, choices):
        """Refuse the value of an easyconfig parameter unless it is one of those."""
        if self.cfg[name] not in choices:
            self.fail_parameter(name, "%r is none of %s", self.cfg[name], ', '.join(choices))

    def check_types(self):
        """Refuse values of easyconfig parameters that are no texts, lists or dictionaries where these are wanted."""
        for name, (default, _, _) in self.extra_options().items():
            expected = self.PARAMETER_TYPES.get(name, type(default))
            if self.cfg.get_ref(name) is not None and not isinstance(self.cfg.get_ref(name), expected):
                self.fail_parameter(name, "%r is no %s", self.cfg.get_ref(name), expected.__name__)

    def check_parameters(self):
        """Refuse values of easyconfig parameters that could not work; what is absent is for check_presence."""
        if self.image_name is not None:
            self.check_texts('sources', [self.image_name], r'[^/\s,:]+', "the name of an image file")
        if self.cfg['patches']:
            self.fail_parameter('patches', "an image stays as it is, and so does what packages bring: nothing can be "
                                           "patched")
        self.check_choice('image_install', ('copy', 'share', 'link'))
        if self.cfg['image_install'] == 'share' and self.group is not None:
            self.fail_parameter('image_install', "an image that versions share cannot be for the group %s alone, as "
                                                 "this installation: use 'copy'", self.group[0])
        self.check_texts('frozen_images', self.cfg['frozen_images'], r'[/$][^\n:]*',
                         "an absolute path without colon and line break")
        self.check_installdir()

    def check_presence(self):
        """Refuse an easyconfig that lacks what cannot be done without."""
        if self.image_name is None:
            self.fail_parameter('sources', "the first source must be the container image (a SIF file)")

    def check_installdir(self):
        """Refuse installation folders that could not work."""
        if re.search(r'[,:\n]', self.installdir):
            raise EasyBuildError("The installation folder %s has a comma, colon or line break in its name, which "
                                 "container runtimes cannot bind. Choose another one with --prefix or --installpath.",
                                 self.installdir, exit_code=EasyBuildExit.VALUE_ERROR)
        if self.module_generator.SYNTAX == 'Tcl' and re.search(r'\s', self.installdir):
            raise EasyBuildError("The installation folder %s has a space in its name, which EasyBuild's modules in Tcl "
                                 "syntax cannot have. Choose another one with --prefix or --installpath, or use "
                                 "--module-syntax=Lua.", self.installdir, exit_code=EasyBuildExit.VALUE_ERROR)

    def folders_to_fill(self):
        """Also the one for an image to share that is not there yet"""
        yield from super().folders_to_fill()
        if self.cfg['image_install'] == 'share' and self.image_name is not None:
            wanted = stated_sha256(self.get_checksum_for(self.cfg['checksums'], self.image_name, 0))
            if not (wanted and os.path.exists(self.shared_image(wanted))):
                yield existing_folder(os.path.dirname(self.shared_image(wanted or '')))

    def remove_staged(self):
        """Also remove shared images to which no installation leads any more."""
        super().remove_staged()
        for folder, reason in remove_unused(os.path.dirname(self.final_installdir)).items():
            print_warning("No installation uses the image in %s any more, and it cannot be removed: %s", folder, reason)

    # Steps

    def check_readiness_step(self):
        """Also look whether the easyconfig is complete: not earlier, since EasyBuild may be about to complete it."""
        self.check_presence()
        super().check_readiness_step()

    def obtain_file(self, filename, **kwargs):
        """Look for the image among the site's frozen images too."""
        if filename and filename == self.image_name:
            for folder in self.frozen_folders:
                path = os.path.join(folder, filename)
                if os.path.exists(path):
                    return path
            kwargs['download_instructions'] = kwargs.get('download_instructions') or (
                "The container image %s is missing. Copy it into one of the folders above, or, if your site keeps it "
                "elsewhere, add that folder with --sourcepath or to 'frozen_images' in the easyconfig (now: %s)."
                % (filename, ', '.join(self.frozen_folders) or "none"))
        return super().obtain_file(filename, **kwargs)

    def fetch_sources(self, *args, **kwargs):
        """Also look what the image is, before more is fetched; to fetch files, any host will do."""
        super().fetch_sources(*args, **kwargs)
        if self.owns_lock:
            problem = self.look_at_image(self.src[0]['path'])
            if problem:
                raise EasyBuildError("%s: install it on a host of that kind.", problem)

    def look_at_image(self, path):
        """That an image is for another kind of machine than this host, in words; None when it is not."""
        with open(path, 'rb') as handle:
            header = sif_header(handle)
        if header is None:
            raise EasyBuildError("%s is not a SIF image. Singularity and Apptainer make one with `build` or `pull`.",
                                 path)
        return other_machine(path, header.machine)

    def fetch_step(self, skip_checksums=False):
        """Files are large, and verified as they are copied, unless this only fetches them."""
        super().fetch_step(skip_checksums=skip_checksums or self.owns_lock)

    def checksum_step(self):
        """Put the image beside its place, and verify what is there, which is what is used from now on."""
        if self.dry_run:
            super().checksum_step()
            return
        for source in self.src:
            origin = source['origin'] = source['path']
            source['path'], source['sha256'] = self.provide_image(origin, stated_sha256(source['checksum']))
            if not verify_checksum(source['path'], source['checksum'], {'sha256': source['sha256']}):
                if not build_option('ignore_checksums'):
                    raise EasyBuildError("Checksum verification for %s failed: the easyconfig says %s, the file has "
                                         "SHA256 %s. Use the very image that the easyconfig was made for, or make an "
                                         "easyconfig for this one.", origin, source['checksum'], source['sha256'],
                                         exit_code=EasyBuildExit.FAIL_CHECKSUM)
                print_warning("Ignoring failing checksum verification for %s" % source['name'])
            if self.owns_lock and self.cfg['image_install'] == 'share':
                source['path'] = self.share_image(source['path'], source['sha256'])
            self.verified = stamp(source['path'])

    def provide_image(self, origin, wanted):
        """Path and SHA256 of what is to be used of an image, which is read once, given the SHA256 that is wanted."""
        if not self.owns_lock or self.cfg['image_install'] == 'link':
            return origin, compute_checksum(origin, checksum_type='sha256')
        mkdir(self.sibling('image'), parents=True)
        if self.cfg['image_install'] == 'share' and wanted:
            image = self.shared_image(wanted)
            lead_to(image, self.link_while_installing)
            if os.access(image, os.R_OK, effective_ids=True):
                trace_msg("verifying the image that is shared already, %s" % image)
                if compute_checksum(image, checksum_type='sha256') == wanted:
                    return image, wanted
            if os.path.lexists(image):
                print_warning("%s cannot be read, or is damaged: it gets replaced." % image)
                if not may_write(os.path.dirname(image)):
                    self.refuse_to_change(image)
        size = os.path.getsize(origin)
        trace_msg("copying the image %s (%.1f GB)" % (origin, size / 1e9))
        path = os.path.join(self.sibling('image'), 'copy')
        self.lay_out_file(path, size)
        return path, copy_and_hash(origin, path)

    @staticmethod
    def lay_out_file(path, size):
        """Prepare the place of a file that is about to be written."""
        problem = lay_out(path, size)
        if problem:
            print_warning("%s will not be striped: %s" % (path, problem))

    def shared_image(self, sha256):
        """Path of the image among those that installations beside this one share"""
        return shared_path(os.path.dirname(self.final_installdir), sha256, self.image_name)

    @property
    def link_while_installing(self):
        """What says that a shared image is used by an installation that is not there yet"""
        return os.path.join(self.sibling('image'), self.image_name)

    def share_image(self, path, sha256):
        """Put a verified image among the shared ones, if it does not come from there, and return where it is."""
        image = self.shared_image(sha256)
        if path != image:
            link = self.link_while_installing
            if not is_link_to(link, link_target(image, os.path.dirname(link))):
                # The easyconfig does not say which image it is.
                remove_file(link)
                lead_to(image, link)
            # Nobody is to write to it. Who may read it is what the folders above say, as for all installations.
            os.chmod(path, 0o444 & ~int(build_option('umask') or '0', 8))
            share(path, image)
        return image

    def extract_step(self):
        """There is nothing to unpack."""
        if not self.dry_run:
            self.src[0]['finalpath'] = self.builddir

    def configure_step(self):
        """Find the container runtime, and see whether it can start the image."""
        if self.dry_run:
            return
        self.runtime = find_runtime()
        trace_msg("container runtime: %s" % self.runtime)
        self.check_base()

    def check_base(self):
        """Refuse an image that nobody can use."""
        self.start_base(['true'])

    def start_base(self, command):
        """Output of a command that every image has: that it starts shows that the image does."""
        res = self.run_in_container(command)
        if res.exit_code != EasyBuildExit.SUCCESS:
            raise EasyBuildError("%s cannot start the image %s: %s", self.runtime, self.src[0]['origin'],
                                 res.stderr.strip())
        return res.output

    def build_step(self):
        """There is nothing to build."""

    def install_step(self):
        """Install the image."""
        source = self.src[0]['path'] if self.src else self.image_name
        if self.cfg['image_install'] == 'link':
            trace_msg("linking to the image %s" % source)
            if not self.dry_run:
                symlink(os.path.realpath(source), self.installed_image)
        elif self.dry_run:
            trace_msg("copying the image %s" % source)
        elif self.cfg['image_install'] == 'share':
            os.symlink(link_target(source, self.installdir), self.installed_image)
        else:
            self.open_to_others(source, 0o666)
            os.rename(source, self.installed_image)
            os.rmdir(os.path.dirname(source))
            self.src[0]['path'] = self.installed_image

    @staticmethod
    def open_to_others(path, permissions):
        """Give a file permissions, as far as the umask allows them, which may be EasyBuild's own (--umask)."""
        umask = os.umask(0o077)
        os.umask(umask)
        os.chmod(path, permissions & ~umask)

    # Sanity check

    def why_not_started(self):
        """Why nobody can start the image on this host, in words; None when nothing is known to be in the way."""
        if self.existing_image is None:
            return "The container image is gone. It was looked for at: %s" % ', '.join(self.images)
        return self.look_at_image(self.existing_image)

    def check_image(self):
        """Look whether the image is what was verified: it is not read again if it is the very file, unchanged."""
        image, checksum = self.existing_image, self.get_checksum_for(self.cfg['checksums'], self.image_name, 0)
        if self.module_only or image is None or stamp(image) == self.verified or build_option('ignore_checksums'):
            return []
        found = compute_checksum(image, checksum_type='sha256')
        if verify_checksum(image, checksum, {'sha256': found}):
            return []
        return ["the image %s is no longer the one of the easyconfig: that says %s, and the file has SHA256 %s"
                % (os.path.realpath(image), checksum, found)]

    def sanity_check_rpath(self, *args, **kwargs):
        """Nothing here is linked by EasyBuild."""
        return []

    # Running things in the container

    def layer_binds(self):
        """Bind specifications for the layer of the installation."""
        return []

    def run_in_container(self, command, verb='exec', binds=(), env=None, scratch=None, limit=None):
        """
        Run a command in a container of the image, and return what run_shell_cmd returns, with standard error apart.

        :param command: list of the program and its arguments
        :param verb: 'exec', or 'run' to go through the runscript of the image
        :param binds: bind specifications
        :param env: environment variables in the container
        :param scratch: a folder for its temporary files, if it must see nothing else of the host
        :param limit: number of seconds after which it is ended, and its status is TIMED_OUT or KILLED
        """
        image = self.src[0]['path'] if self.src else self.existing_image
        words = container_command(self.runtime, image, command, verb, binds, scratch)
        if limit is not None:
            words = ['timeout', '--kill-after=10', str(limit)] + words
        return run_shell_cmd(words, use_bash=False, env=container_environment(self.runtime, env or {}),
                             split_stderr=True, fail_on_error=False, hidden=True)


def stated_sha256(checksum):
    """The SHA256 that an easyconfig states for a file; None when it states none, or in another way"""
    return checksum if isinstance(checksum, str) and re.fullmatch('[0-9a-f]{64}', checksum) else None


def runtime_on_path():
    """Path of the container runtime that is on $PATH, or None."""
    paths = (which(name, on_error='ignore') for name in RUNTIMES)
    return next((path for path in paths if path), None)


def find_runtime():
    """Path of the container runtime that is on $PATH."""
    path = runtime_on_path()
    if path:
        return path
    raise EasyBuildError("Neither apptainer nor singularity is on $PATH: install one of them, or load the module "
                         "that provides it, and try again.", exit_code=EasyBuildExit.MISSING_SYSTEM_DEPENDENCY)
