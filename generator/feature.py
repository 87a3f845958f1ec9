"""Features: things of the machine, such as its MPI, that modules bring into containers where a recipe asks for them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.version import Version

from ebsif import document
from ebsif.base.image import Base
from ebsif.console import Console
from ebsif.document import Document
from ebsif.errors import EbsifError, InputError
from ebsif.recipe import Recipe
from ebsif.settings import ModuleSettings
from ebsif.site import Site
from ebsif.slurm import MpiType
from ebsif.values import GlibcVersion, StrictModel, Text


class Srun(StrictModel):
    """What programs want of `srun`."""

    mpi: MpiType | None = None
    """How MPI learns of its ranks: what `srun --mpi=` takes."""


class Feature(ModuleSettings):
    """A thing of the machine that a module brings into containers."""

    description: Text
    """What it is."""
    glibc: GlibcVersion | None = None
    """The oldest glibc of images that the machine's libraries work with."""
    srun: Srun = Srun()
    """What programs want of `srun`."""
    proof: Text
    """A command that shows that it works."""


def read_feature(site: Site, name: str) -> Feature:
    """Read a feature of a site.

    Raises
    ------
    EbsifError
        When the site has none of the name; with file and line of what is wrong in it.
    """
    if name not in site.features:
        known = f": it has {', '.join(sorted(site.features))}" if site.features else " (`features` in its file)"
        raise EbsifError(f"the site {site.name} has no feature {name}{known}")
    return document.validate(Feature, document.read(Path(site.features[name])))


def asked_features(recipe: Recipe, written: Document, site: Site, base: Base, console: Console) -> tuple[Feature, ...]:
    """Return the features that a recipe asks for; warn where nobody can tell whether its base can have them.

    Raises
    ------
    EbsifError
        When the site does not have one, its base cannot have it, or two contradict each other.
    """
    found: dict[str, Feature] = {}
    for index, name in enumerate(recipe.features):
        try:
            found[name] = read_feature(site, name)
            _check_glibc(name, found[name], base, console)
        except InputError:
            raise
        except EbsifError as error:
            raise written.error(("features", index), str(error)) from error
    problem = next(contradictions(found), None)
    if problem:
        raise written.error(("features",), problem)
    return tuple(found.values())


def _check_glibc(name: str, feature: Feature, base: Base, console: Console) -> None:
    if feature.glibc is None:
        return
    has = re.match(r"2\.\d+", (base.manifest and base.manifest.glibc) or "")
    if has is None:
        console.warn(
            f"the feature {name} needs glibc {feature.glibc} or newer in the image, and nobody knows that of "
            f"{base.file}: `getconf GNU_LIBC_VERSION` in it tells"
        )
    elif Version(has[0]) < Version(feature.glibc):
        raise EbsifError(
            f"the feature {name} brings libraries of the machine that need glibc {feature.glibc}, and {base.file} has "
            f"glibc {has[0]}, with which they cannot be loaded: take a newer image, or leave the feature out"
        )


def contradictions(features: Mapping[str, Feature]) -> Iterator[str]:
    """Yield a sentence for each thing that features, by their names, want in different ways."""
    names = list(features)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            wanted, also = _wishes(features[one]), _wishes(features[other])
            for what in wanted:
                if also.get(what, wanted[what]) != wanted[what]:
                    yield (
                        f"the features {one} and {other} cannot be together: {one} wants {what} to be "
                        f"{wanted[what]!r}, and {other} {also[what]!r}"
                    )


def _wishes(feature: Feature) -> dict[str, str]:
    """Return everything of which there can be only one, by what it is called in a message."""
    said = {
        f"{name} in {parameter}": value
        for parameter in ("host_env", "container_env", "start_env")
        for name, value in getattr(feature, parameter).items()
    }
    for bind in feature.binds:
        source, _, rest = bind.partition(":")
        said[f"{(rest.split(':')[0] or source).rstrip('/')} in the container"] = source
    single = {"gpu": feature.gpu, "srun --mpi": feature.srun.mpi}
    return said | {what: value for what, value in single.items() if value}


def mpi_of(site: Site) -> str | None:
    """Return what `srun --mpi=` takes on a site: as its features say, else as the site itself does.

    Raises
    ------
    EbsifError
        When its features say different things.
    """
    features = {name: read_feature(site, name) for name in site.features}
    said = {feature.srun.mpi: name for name, feature in features.items() if feature.srun.mpi}
    if len(said) > 1:
        wanted = " and ".join(f"{name} --mpi={mpi}" for mpi, name in said.items())
        raise EbsifError(f"features of the site {site.name} want different things of srun, {wanted}: keep one of them")
    return next(iter(said), site.jobscript.mpi)
