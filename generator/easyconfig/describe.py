"""Describing what is in a base, for the people who find the easyconfig."""

from collections.abc import Iterator

from packaging.utils import canonicalize_name

from ebsif.base.image import Base
from ebsif.names import python_version
from ebsif.recipe import Recipe

# The packages that people choose a base for; it has hundreds.
NOTABLE = (
    "torch", "torchvision", "torchaudio", "jax", "jaxlib", "flax", "tensorflow", "keras", "horovod", "mpi4py", "numpy",
    "deepspeed", "flash-attn", "transformers", "accelerate", "vllm", "triton", "xformers", "bitsandbytes", "ray",
)  # fmt: skip

HOMEPAGES = {
    "jax": "https://docs.jax.dev/",
    "mpi4py": "https://mpi4py.readthedocs.io/",
    "pytorch": "https://pytorch.org/",
    "rocm": "https://rocm.docs.amd.com/",
    "tensorflow": "https://www.tensorflow.org/",
}


def homepage(recipe: Recipe) -> str:
    """Return the home page of the software."""
    return recipe.homepage or HOMEPAGES.get(recipe.name.lower(), "unknown")


def base_facts(recipe: Recipe, base: Base) -> list[str]:
    """Return what is in a base, a phrase for each thing, as far as it is known."""
    return [base.file, *(_inspected(base) if base.manifest else _expected(recipe, base))]


def _inspected(base: Base) -> Iterator[str]:
    manifest = base.known()
    if manifest.os:
        yield f"{manifest.os.name}, glibc {manifest.glibc}" if manifest.glibc else manifest.os.name
    if manifest.rocm:
        yield f"ROCm {manifest.rocm}"
    if manifest.mpi:
        yield manifest.mpi
    if manifest.libfabric:
        yield f"libfabric {manifest.libfabric}"
    if manifest.python:
        yield f"Python {manifest.python.version} ({manifest.python.path})"
    versions = {canonicalize_name(name): f"{name} {version}" for name, version in manifest.packages.items()}
    notable = [versions[canonicalize_name(name)] for name in NOTABLE if canonicalize_name(name) in versions]
    more = len(versions) - len(notable)
    if notable:
        yield ", ".join(notable) + (f" and {more} more Python packages" if more else "")
    elif versions:
        yield f"{more} Python packages"


def _expected(recipe: Recipe, base: Base) -> Iterator[str]:
    if base.rocm:
        yield f"ROCm {base.rocm}"
    python = python_version(recipe, base)
    if python:
        yield f"Python {python}"
    if recipe.expected and recipe.expected.packages:
        yield ", ".join(f"{name} {version}" for name, version in recipe.expected.packages.items())


def variable_suffix(software: str) -> str:
    """Return how EasyBuild spells a software's name in environment variables (``convert_name`` in filetools.py)."""
    return software.replace("+", "plus").replace("-", "min").replace(".", "").upper()
