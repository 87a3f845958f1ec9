"""A course's environment files, as learners have them, and small packages of all that they name."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.support import conda_server
from tests.support.conda import Channel
from tests.support.conda_packages import make_package, make_python_package
from tests.support.git import forge, make_repository, package_files
from tests.support.index import serve
from tests.support.internet import Internet, internet
from tests.support.wheels import make_wheel
from workbench import store

HERE = Path(__file__).parent
FILES = sorted(file.stem for file in HERE.glob("*.yml"))

_IN_PYTHON = ("filelock", "fsspec", "jinja2", "markupsafe", "numpy", "pip", "setuptools", "wheel")
_ON_PYPI = (("einops", "0.8.0"), ("tqdm", "4.66.5"), ("torch", "2.4.1"), ("numpy", "2.1.1"))
# As the index of PyTorch has them; each needs another one there, and what conda brings.
_ROCM = (
    ("pytorch-triton-rocm", "3.0.0", ("filelock",)),
    ("torch", "2.4.1+rocm6.0", ("filelock", "fsspec", "jinja2", "pytorch-triton-rocm==3.0.0")),
    ("torchvision", "0.19.1+rocm6.0", ("numpy", "torch==2.4.1+rocm6.0")),
)
_FOR_PYTHON = "cp311-cp311-linux_x86_64"


@contextmanager
def course(folder: Path, channel: Channel) -> Iterator[Internet]:
    """Give an internet that has what the files name: conda-forge, PyPI, the index of PyTorch, and GitHub.

    Parameters
    ----------
    channel
        Has a Python.
    """
    for part in ("conda/conda-forge/linux-64", "pypi/whl/rocm6.0", "github/learner"):
        (folder / part).mkdir(parents=True)
    _fill_channel(folder / "conda" / "conda-forge", channel)
    _fill_index(folder / "pypi")
    # Nobody has released it.
    repository = make_repository(folder / "github" / "learner", "small-gpt")
    repository.commit(package_files("small-gpt", "0.0.1", requires=("numpy", "tqdm")))
    with (
        conda_server.serve(folder / "conda") as channels,
        serve(folder / "pypi") as index,
        forge(folder / "github") as github,
    ):
        hosts = {
            "conda.anaconda.org": channels.url,
            "download.pytorch.org": index.address,
            "github.com": github.url,
            "pypi.org": index.address,
        }
        with internet(folder, hosts) as online:
            yield online


def _fill_channel(folder: Path, channel: Channel) -> None:
    python = channel.package("python", "3.11.2")
    shutil.copy(python, folder / "linux-64")
    specs = {spec for file in FILES for spec in _specs(file) if not spec.startswith("python=")}
    for spec in sorted(specs):
        name, version, build = (*spec.split("="), "0")[:3]
        if name in _IN_PYTHON:
            make_python_package(folder, name, version, f"__version__ = {version!r}\n", build=build)
        else:
            make_package(folder, name, version, build=build, subdir="linux-64", files={f"share/{name}": version})
    Channel(folder).index()


def _specs(file: str) -> Iterator[str]:
    """Yield the packages of conda in a file that have a version."""
    for spec in yaml.safe_load((HERE / f"{file}.yml").read_text())["dependencies"]:
        if isinstance(spec, str) and "=" in spec:
            yield spec


def _fill_index(folder: Path) -> None:
    (setuptools,) = store.cache_root().glob("wheels-small-*/setuptools-*.whl")
    shutil.copy(setuptools, folder)
    for name, version in _ON_PYPI:
        make_wheel(folder, name, version)
    for name, version, requires in _ROCM:
        make_wheel(folder / "whl" / "rocm6.0", name, version, requires=requires, tag=_FOR_PYTHON)
