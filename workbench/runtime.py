"""The container runtime: the machine's own, or Debian's newest Apptainer in a folder of the cache."""

import inspect
import os
import shutil
from pathlib import Path

from workbench import debian, store
from workbench.errors import NotPreparedError, WorkbenchError
from workbench.process import run
from workbench.progress import Progress

_PACKAGE = "apptainer"
_SUITE = "unstable"
_WRAPPER = Path(__file__).with_name("apptainer.sh")
_TOOLS = {"mksquashfs": "squashfs-tools", "unsquashfs": "squashfs-tools", "ssh-keygen": "openssh-client"}
_HELPERS = {"squashfuse": "squashfuse", "fuse2fs": "fuse2fs", "newuidmap": "uidmap", "gocryptfs": "gocryptfs"}
_FUSE = Path("/dev/fuse")
_USERNS_SWITCH = Path("/proc/sys/kernel/unprivileged_userns_clone")


def find(cache: Path) -> Path:
    """Return the runtime's program.

    Raises
    ------
    NotPreparedError
        When the machine has none and none has been made.
    """
    own = _own(cache)
    if own:
        return own
    made = _made(cache) / "bin" / "apptainer"
    if not made.exists():
        raise NotPreparedError("The container runtime")
    return made


def prepare(cache: Path, progress: Progress) -> None:
    """See to it that there is a runtime, and that an unprivileged user can start containers with it."""
    own = _own(cache)
    if own:
        debian.ensure(_TOOLS, "Making a layer, and signing it")
        progress.note(f"Runtime: {own} (the machine's own)")
        return
    prefix = _made(cache)
    if not prefix.exists() and not debian.can_install():
        raise WorkbenchError(
            "This machine has no container runtime on PATH, and only root on a Debian can have one made by this "
            "command: load the module or ask for the package of Apptainer or SingularityCE"
        )
    debian.ensure({**_TOOLS, **_HELPERS, "patchelf": "patchelf"}, "Mounting images")
    if not prefix.exists():
        with progress.step(f"Runtime: unpacking {_PACKAGE} of Debian {_SUITE}"), store.published(prefix) as work:
            _unpack(work, prefix)
    _open_to_users()
    progress.note(f"Runtime: {run([prefix / 'bin' / 'apptainer', '--version']).strip()} in {prefix / 'bin'}")


def _own(cache: Path) -> Path | None:
    for name in ("apptainer", "singularity"):
        found = shutil.which(name)
        if found and not Path(found).is_relative_to(cache):
            return Path(found)
    return None


def _made(cache: Path) -> Path:
    return cache / f"runtime-{store.key(_PACKAGE, _SUITE, inspect.getsource(_unpack), _WRAPPER.read_text())}"


def _unpack(work: Path, final: Path) -> None:
    """Make `work` a folder that holds Apptainer with all the libraries it needs, for use under the name `final`.

    Apptainer finds its files relative to its own, so one prefix holds everything. But its `starter` looks for them
    four folders up from itself, where Debian's layout has five: hence the links in lib.
    """
    root = work / "root"
    with debian.scratch_folder() as folder:
        suite = debian.Suite(_SUITE, folder)
        suite.unpack(suite.with_libraries(_PACKAGE), root)
    prefix = (root / "usr").rename(work / "apptainer")
    (root / "etc").rename(prefix / "etc")
    shutil.rmtree(root)
    shutil.rmtree(prefix / "share")
    (prefix / "var/lib/apptainer/mnt/session").mkdir(parents=True)
    for name in ("etc", "var"):
        (prefix / "lib" / name).symlink_to(Path("..", name))

    starter = _only(prefix, "lib/*/apptainer/bin/starter")
    libraries = starter.parents[2]
    loader = _only(prefix, "lib/*/ld-linux-*.so.*")
    for program in (prefix / "bin" / "apptainer", starter):
        run([loader, "--library-path", libraries, "--list", program])
        run(["patchelf", "--set-interpreter", final / loader.relative_to(work), program])
        run(["patchelf", "--force-rpath", "--set-rpath", final / libraries.relative_to(work), program])

    (work / "bin").mkdir()
    shutil.copy(_WRAPPER, work / "bin" / "apptainer")
    (work / "bin" / "singularity").symlink_to("apptainer")


def _only(top: Path, pattern: str) -> Path:
    found = sorted(top.glob(pattern))
    if len(found) != 1:
        raise WorkbenchError(
            f"Debian {_SUITE} has changed: {len(found)} files, not one, match {pattern} in {_PACKAGE} and its "
            f"libraries; adapt {__file__} or install Apptainer on this machine"
        )
    return found[0]


def _open_to_users() -> None:
    """Let unprivileged users mount images by FUSE in user namespaces of their own."""
    if not _FUSE.exists():
        raise WorkbenchError(
            f"{_FUSE} is missing, so no unprivileged user can mount an image: load the kernel module `fuse`"
        )
    if _FUSE.stat().st_mode & 0o006 != 0o006:
        _as_root(f"let every user open {_FUSE} (chmod 0666)")
        _FUSE.chmod(0o666)
    if _USERNS_SWITCH.exists() and _USERNS_SWITCH.read_text().strip() == "0":
        _as_root(f"allow user namespaces (write 1 to {_USERNS_SWITCH})")
        _USERNS_SWITCH.write_text("1")


def _as_root(what: str) -> None:
    if os.geteuid() != 0:
        raise WorkbenchError(f"Only root can {what}, which this runtime needs: ask for it")
