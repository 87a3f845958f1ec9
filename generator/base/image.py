"""The base of a recipe: what its manifest says, or, without the image, what its name says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ebsif.base.manifest import Activation, Kind, Manifest
from ebsif.errors import EbsifError
from ebsif.files import is_there
from ebsif.recipe import Recipe
from ebsif.site import Family, Site
from ebsif.values import pattern


@dataclass(frozen=True)
class ImageName:
    """What the name of an image file says.

    Parameters
    ----------
    family
        The family of images whose names look like this.
    software
        How EasyBuild calls the main package.
    version, rocm, python, variant, date
        What the name says of each; None where it says nothing.
    with_
        What else it says is inside, such as ``horovod-0.28.1``.
    start_with
        How the family wants commands to be started; None where what an inspection finds is enough.
    """

    family: str
    software: str | None = None
    version: str | None = None
    rocm: str | None = None
    python: str | None = None
    with_: tuple[str, ...] = ()
    variant: str | None = None
    date: str | None = None
    start_with: str | None = None


@dataclass(frozen=True)
class Base:
    """The base of a recipe.

    Parameters
    ----------
    file
        Name of the image file.
    path
        Where it lies; None when it is not at hand.
    manifest
        What is in it: found out if it is at hand, else as its publisher says; None when nobody says.
    name
        What its name says, if the site knows images with such names.
    machine
        The kind of processor that it must be for, where the site says so.
    """

    file: str
    path: Path | None = None
    manifest: Manifest | None = None
    name: ImageName | None = None
    machine: str | None = None

    @property
    def rocm(self) -> str | None:
        """Version of ROCm."""
        if self.manifest:
            return self.manifest.rocm
        return self.name.rocm if self.name else None

    @property
    def python(self) -> str | None:
        """Version of Python, as in 3.12."""
        if self.manifest:
            return self.manifest.python.minor if self.manifest.python else None
        return self.name.python if self.name else None

    @property
    def family(self) -> str | None:
        """Name of the family of images that its name belongs to."""
        return self.name.family if self.name else None

    def known(self) -> Manifest:
        """Return the manifest of a base.

        Raises
        ------
        EbsifError
            When there is none.
        """
        if self.manifest is None:
            raise EbsifError(f"the image {self.file} is not at hand, so ebsif cannot inspect it")
        return self.manifest


@dataclass(frozen=True)
class StartUp:
    """How Python is started in a base.

    Parameters
    ----------
    kind
        What Python environment it has.
    python
        The program.
    start_with
        ``exec`` or ``run``.
    activation
        The command that a person would type; None when there is nothing to type.
    env
        What activating sets; None when nobody has looked.
    path
        The folders that activating puts before ``PATH``.
    """

    kind: Kind
    python: str | None
    start_with: str
    activation: str | None
    env: Mapping[str, str] | None
    path: tuple[str, ...]


def start_up(recipe: Recipe, base: Base) -> StartUp:
    """Return how Python is started in a recipe's base: as its manifest says, else as the recipe expects.

    Raises
    ------
    EbsifError
        When the base is not at hand, and the recipe does not say what to expect; or when activating it does what a
        module cannot do.
    """
    manifest, expected = base.manifest, recipe.expected
    wanted = base.name.start_with if base.name else None
    if manifest:
        python = manifest.python.path if manifest.python else None
        activation = manifest.activation
        _check_usable(recipe, base, activation)
        return StartUp(
            manifest.kind, python, wanted or manifest.start_with, activation.command, activation.env,
            tuple(activation.path),
        )  # fmt: skip
    if expected:
        return StartUp(expected.kind, expected.python, wanted or expected.start_with, expected.activation, None, ())
    raise EbsifError(
        f"the image {base.file} is not at hand, and the recipe does not say what to expect in it (`expected:`)"
    )


def _check_usable(recipe: Recipe, base: Base, activation: Activation) -> None:
    """Refuse an activation that a module cannot repeat, unless the recipe sets the variable or needs no activation."""
    needs_activation = recipe.layer != "conda" or recipe.stack
    left = [problem for name, problem in activation.unusable.items() if name not in recipe.container_env]
    if needs_activation and left:
        raise EbsifError(
            f"a module cannot do all that `{activation.command}` does in {base.file}: {'; '.join(left)}. Say in "
            "`container_env` of the recipe what a variable other than PATH should be instead, or take another base"
        )


def read_name(file: str, families: Iterable[Family]) -> ImageName | None:
    """Return what the name of an image says, or None when no family has such names."""
    for family in families:
        said = _said(file, family)
        if said is None:
            continue
        package = said.get("package", "")
        return ImageName(
            family=family.name,
            start_with=family.start_with,
            software=family.software.get(package, package) or None,
            version=said.get("version", said.get(package)),
            rocm=said.get("rocm"),
            python=said.get("python"),
            with_=(said["with"],) if "with" in said else (),
            variant=said.get("variant"),
            date=said.get("date"),
        )
    return None


def _said(file: str, family: Family) -> dict[str, str] | None:
    """Return what the groups of a family's patterns match in a name; None when the patterns do not match."""
    match = pattern(family.pattern).fullmatch(file.encode(errors="replace").decode())
    if not match:
        return None
    said = {key: value for key, value in match.groupdict().items() if value is not None}
    if not (family.digest and "digest" in said):
        return said
    packed = pattern(family.digest).fullmatch(said["digest"])
    return said | {key: _dotted(value) for key, value in packed.groupdict().items() if value} if packed else None


def _dotted(digits: str) -> str:
    """Return the version that a digest writes without dots: 70 is 7.0, 210 is 2.10."""
    return f"{digits[:1]}.{digits[1:]}" if len(digits) > 1 else digits


def locate(image: str, site: Site, folder: Path) -> Path | None:
    """Return where an image lies, or None.

    Parameters
    ----------
    image
        Its file name, looked for in the site's folders; or a path, relative to `folder`.
    """
    if "/" in image:
        path = folder / image
        return path if is_there(path) else None
    candidates = [folder / image, *(images / image for images in site.image_folders())]
    return next((path for path in candidates if is_there(path)), None)
