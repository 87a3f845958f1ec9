"""The demo's base images, each a SIF file that behaves as one kind of LUMI's containers does."""

import inspect
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench import debian, store, venvs
from workbench.errors import NotPreparedError, WorkbenchError
from workbench.process import run
from workbench.progress import Progress

_SUITE = "bookworm"
_PYTHON = "3.11"
_PACKAGES = "ca-certificates,libstdc++6,python3,python3-venv"
_MANYLINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_PLATFORMS = (*(f"{platform}_{os.uname().machine}" for platform in _MANYLINUX), "any")
_COMPRESSION = "-comp zstd -Xcompression-level 3"
_PARTS = Path(__file__).with_name("bases")
_LEAN = ("doc", "info", "locale", "man")
_CLEAN_ENV = ("env", "-i", "HOME=/root", "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")


@dataclass(frozen=True)
class Base:
    """What defines a base image.

    Parameters
    ----------
    name
        What the tests call it.
    sif
        The name of its file, in the manner of LUMI's.
    parts
        The folders of ``bases/`` that it is made from, in this order: the files below ``root``, then ``setup.sh``.
    requirements
        The file of ``bases/requirements/`` that lists its Python packages.
    proof
        A bash script that shows, by succeeding inside, that the image works.
    """

    name: str
    sif: str
    parts: tuple[str, ...]
    requirements: str = "small"
    proof: str = ""

    @property
    def big(self) -> bool:
        """Whether it holds torch."""
        return self.requirements == "torch"

    @property
    def key(self) -> str:
        """A hash of all that goes into the image."""
        content = store.tree_key(_PARTS, [*(_PARTS / part for part in self.parts), requirements(self.requirements)])
        steps = [inspect.getsource(step) for step in (_add_part, _pack)]
        return store.key(_rootfs_key(), _COMPRESSION, self.sif, self.parts, content, *steps)


_IMPORT_TORCH = 'eval "${WITH_CONDA-}"; python -c "import numpy, torch"'
_TORCH = f"demo-pytorch-cpu-python-{_PYTHON}-pytorch-v2.13.0"
BASES = (
    Base("venv", f"demo-small-cpu-python-{_PYTHON}-venv.sif", ("venv",)),
    Base("venv-pythonpath", f"demo-small-cpu-python-{_PYTHON}-venv-pythonpath.sif", ("venv", "venv-pythonpath")),
    Base("conda", f"demo-small-cpu-python-{_PYTHON}-conda.sif", ("conda",)),
    Base("conda-active", f"demo-small-cpu-python-{_PYTHON}-conda-active.sif", ("conda", "conda-active")),
    Base("bare", "demo-rocm-rocm-6.2.4.sif", ("bare",)),
    Base("venv-torch", f"{_TORCH}.sif", ("venv",), "torch", _IMPORT_TORCH),
    Base("conda-torch", f"{_TORCH}-conda.sif", ("conda",), "torch", _IMPORT_TORCH),
)


def find(cache: Path, base: Base) -> Path:
    """Return the SIF file of a base.

    Raises
    ------
    NotPreparedError
        When it has not been built, or its definition has changed since.
    """
    sif = _folder(cache, base) / base.sif
    if not sif.exists():
        raise NotPreparedError(f"The base image '{base.name}'")
    return sif


def prepare_parts(cache: Path, bases: Sequence[Base], progress: Progress) -> None:
    """Make what several base images share, if one of them is to be built."""
    for base in bases:
        if not _folder(cache, base).exists():
            if os.geteuid() != 0:
                raise WorkbenchError(
                    f"Building the base image '{base.name}' needs root (for mmdebstrap and chroot): have root run "
                    f"this command with EBSIF_CACHE={cache}, or use an image that this machine has"
                )
            _prepare_rootfs(cache, progress)
            _prepare_wheels(cache, base.requirements, progress)


def prepare(cache: Path, base: Base, runtime: Path, progress: Progress) -> None:
    """Build a base image with the runtime, if it is not there; `prepare_parts` comes before."""
    if not _folder(cache, base).exists():
        rootfs = _prepare_rootfs(cache, progress)
        wheels = _prepare_wheels(cache, base.requirements, progress)
        with progress.step(f"Base {base.name}: building"), store.published(_folder(cache, base)) as work:
            tree = work / "tree"
            run(["cp", "--archive", "--reflink=auto", rootfs, tree])
            for part in base.parts:
                _add_part(tree, _PARTS / part, wheels, requirements(base.requirements))
            _pack(tree, work / base.sif, runtime)
            run([runtime, "exec", "--cleanenv", "--no-home", work / base.sif, "bash", "-c", base.proof])
            store.remove_tree(tree)
    progress.note(f"Base {base.name}: {find(cache, base)}")


def _folder(cache: Path, base: Base) -> Path:
    return cache / f"base-{base.name}-{base.key}"


def requirements(name: str) -> Path:
    """Return the file of requirements of a name."""
    return _PARTS / "requirements" / f"{name}.txt"


def _rootfs_key() -> str:
    script = (_PARTS / "rootfs.sh").read_text()
    return store.key(_SUITE, _PACKAGES, _LEAN, script, inspect.getsource(_prepare_rootfs))


def _prepare_rootfs(cache: Path, progress: Progress) -> Path:
    """Return the folder of a small Debian with Python, the start of each base."""
    final = cache / f"rootfs-{_rootfs_key()}"
    if not final.exists():
        debian.ensure(
            {"mmdebstrap": "mmdebstrap", str(debian.KEYRING): "debian-archive-keyring"}, "Building a base image"
        )
        options = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _LEAN]
        options += [
            "--dpkgopt=force-unsafe-io",
            '--aptopt=Acquire::Languages "none"',
            f"--customize-hook={_PARTS / 'rootfs.sh'}",
        ]
        with progress.step(f"Bases: installing a small Debian {_SUITE}"), store.published(final) as work:
            source = work.with_name("sources.list")
            source.write_text(debian.source_line(_SUITE))
            # In a mount namespace of its own: what it mounts goes with it, even if it is killed.
            command = ["unshare", "--mount", "mmdebstrap", "--variant=essential", f"--include={_PACKAGES}"]
            run([*command, *options, _SUITE, work, source])
            work.chmod(0o755)
    return final


def _prepare_wheels(cache: Path, name: str, progress: Progress) -> Path:
    """Return the folder with the wheels that a file of requirements names, as pip finds them on this machine."""
    listed = requirements(name)
    final = wheels_folder(cache, name, listed.read_text())
    download_wheels(final, listed, progress)
    return final


def wheels_folder(cache: Path, name: str, requirements: str) -> Path:
    """Return where the wheels are, or will be, that the text of a file of requirements names."""
    return cache / f"wheels-{name}-{store.key(requirements, _PYTHON, _PLATFORMS)}"


def download_wheels(final: Path, listed: Path, progress: Progress) -> None:
    """Download the wheels that a file of requirements names, for the Python of the bases, unless they are there."""
    if not final.exists():
        target = [f"--platform={platform}" for platform in _PLATFORMS]
        target += [f"--python-version={_PYTHON}", "--implementation=cp", "--abi=abi3", "--abi=none"]
        target += [f"--abi=cp{_PYTHON.replace('.', '')}", "--only-binary=:all:", "--no-deps"]
        with (
            progress.step(f"Downloading the wheels of {listed.name}"),
            store.published(final) as work,
            tempfile.TemporaryDirectory() as venv,
        ):
            venvs.create(Path(venv))
            run([Path(venv, "bin/python"), "-m", "pip", "download", *target, "--dest", work, "--requirement", listed])


def _add_part(tree: Path, part: Path, wheels: Path, requirements: Path) -> None:
    """Put a part's files into an image's tree, and run its set-up inside."""
    run(["cp", "--recursive", "--no-dereference", f"{part / 'root'}/.", tree])
    for source in (part / "root").rglob("*"):  # whatever the umask of this copy of the project was
        if not source.is_symlink():
            executable = source.is_dir() or source.stat().st_mode & 0o100
            (tree / source.relative_to(part / "root")).chmod(0o755 if executable else 0o644)
    if not (part / "setup.sh").exists():
        return
    inside = tree / "workbench"
    shutil.copytree(part, inside, ignore=shutil.ignore_patterns("root", "__pycache__"))
    shutil.copy(requirements, inside / "requirements.txt")
    shutil.copytree(wheels, inside / "wheels", copy_function=os.link)
    shell = ["sh", "/workbench/setup.sh", "/workbench/wheels", "/workbench/requirements.txt"]
    run(["chroot", tree, *_CLEAN_ENV, *shell])
    store.remove_tree(inside)


def _pack(tree: Path, sif: Path, runtime: Path) -> None:
    with tempfile.TemporaryDirectory(dir=sif.parent) as scratch:
        folders = {"APPTAINER_TMPDIR": scratch, "SINGULARITY_TMPDIR": scratch}
        run([runtime, "build", "--mksquashfs-args", _COMPRESSION, sif, tree], env=folders)
    sif.chmod(0o444)
