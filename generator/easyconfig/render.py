"""Writing easyconfigs."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ebsif import __version__
from ebsif.base.image import Base, start_up
from ebsif.easyconfig.describe import base_facts, homepage, variable_suffix
from ebsif.easyconfig.quoting import Literal, comment, literal
from ebsif.easyconfig.read import LOCK_MARK
from ebsif.errors import EbsifError
from ebsif.inside.activation import CONDA_ENVS, VENVS
from ebsif.jinja import templates
from ebsif.lock import LayerRequest
from ebsif.lock.model import Lock, LockedFile
from ebsif.names import module_name, version_suffix
from ebsif.recipe import Recipe
from ebsif.settings import ModuleSettings, merged
from ebsif.site import Site

# Of each kind of layer: its easyblock, and where its environments lie.
_EASYBLOCKS = {"venv": "SifVenv", "conda": "SifConda", "none": "SifContainer"}
_ENVIRONMENTS = {"venv": VENVS, "conda": CONDA_ENVS}
_PACKAGE = "ebsif.easyconfig"
# What EasyBuild says where it does not find such a file.
_OWN = (
    "It was built from a folder of whoever made this easyconfig, and is nowhere else to be had: copy it from their "
    "folder of sources, or run `ebsif generate` where that folder is."
)


def render(
    recipe: Recipe,
    recipe_file: str,
    site: Site,
    base: Base,
    lock: Lock | None,
    request: LayerRequest | None = None,
    features: Sequence[ModuleSettings] = (),
    content_digest: str | None = None,
) -> str:
    """Return the text of an easyconfig; the same arguments give the same text.

    Parameters
    ----------
    recipe_file
        The name of the recipe's file.
    lock
        The files of the layer; None without a layer, and for one that its user fills.
    request
        What the recipe asks to lock.
    features
        What else the module sets, over the site.
    content_digest
        The digest of all that the layer must hold; None to leave that open.

    Raises
    ------
    EbsifError
        When the base has no Python for a venv.
    """
    about = {
        "recipe": recipe,
        "site": site,
        "lock": lock,
        "requested": request.packages(lock) if request and lock else [],
        "facts": base_facts(recipe, base),
        "module": module_name(recipe, base),
        "env_name": variable_suffix(recipe.name),
        "environment": _environment_path(recipe),
        "start_with": start_up(recipe, base).start_with,
    }
    texts = templates(_PACKAGE, {})
    return (
        templates(_PACKAGE, {"literal": literal}, finalize=_only_literal)
        .get_template("easyconfig.eb.j2")
        .render(
            ebsif_version=Literal(__version__),
            recipe=recipe,
            recipe_file=comment(recipe_file),
            base=base,
            lock=lock,
            lock_line=Literal(LOCK_MARK + lock.inputs if lock else ""),
            easyblock=_EASYBLOCKS[recipe.layer],
            versionsuffix=version_suffix(recipe, base),
            homepage=homepage(recipe),
            description=texts.get_template("description.j2").render(about).strip(),
            usage=texts.get_template("usage.j2").render(about).strip(),
            checksum=base.manifest.sha256 if base.manifest and recipe.verify_base else None,
            content_digest=content_digest,
            options={file.filename: _options(file) for file in (lock.files if lock else ())},
            groups=[
                {Literal(name): value for name, value in group.items()}
                for group in _groups(recipe, site, base, lock, request, features)
                if group
            ],
        )
    )


def _only_literal(value: Any) -> Literal:
    if not isinstance(value, Literal):
        raise TypeError(f"the template of easyconfigs must quote {value!r} with the filter `literal`")
    return value


def _groups(
    recipe: Recipe,
    site: Site,
    base: Base,
    lock: Lock | None,
    request: LayerRequest | None,
    features: Sequence[ModuleSettings],
) -> list[dict[str, Any]]:
    """Return the parameters of our easyblocks, in groups that are written together."""
    python = _conda(recipe, base) if recipe.layer == "conda" else _python(recipe, base)
    return [
        _image(recipe, site),
        python,
        _module(recipe, site, base, request.variables if request else {}, features),
        _layer(recipe, lock, request),
    ]


def _options(file: LockedFile) -> dict[Literal, Any]:
    """Return what EasyBuild is told of a file."""
    source: str | dict[str, Any] = file.filename
    if file.commit:
        source = {"filename": file.filename, "git_config": file.commit.config()}
    elif file.remote_name:
        source = {"filename": file.filename, "download_filename": file.remote_name}
    options = {
        # No index has one that was built here, though it may have another of its name.
        "source_urls": [] if file.is_own else [file.source_url] if file.source_url else None,
        "sources": [source],
        "checksums": [file.sha256],
        "start_dir": file.start_dir,
        "download_instructions": _OWN if file.is_own else None,
    }
    return {Literal(name): value for name, value in options.items() if value is not None}


def _environment_path(recipe: Recipe) -> str | None:
    folder = _ENVIRONMENTS.get(recipe.layer)
    return f"{folder}/{recipe.layer_name}" if folder else None


def _image(recipe: Recipe, site: Site) -> dict[str, Any]:
    group: dict[str, Any] = {}
    # EasyBuild finds an image that the recipe names by its full path only if it is told the folder.
    own = [str(PurePosixPath(recipe.base).parent)] if recipe.base.startswith("/") else []
    if own or site.frozen_images:
        group["frozen_images"] = [*own, *site.frozen_images]
    if recipe.image_install != "copy":
        group["image_install"] = recipe.image_install
    return group


def _python(recipe: Recipe, base: Base) -> dict[str, Any]:
    known = start_up(recipe, base)
    group: dict[str, Any] = {}
    if recipe.layer == "venv":
        if known.python is None:
            raise EbsifError(
                f"the image {base.file} has no Python 3.8 or newer with venv and ensurepip, which a venv needs: "
                "write `layer: none` into the recipe, or take another base"
            )
        group |= {"base_python": known.python, "venv_name": recipe.layer_name}
    if known.start_with != "exec":
        group["start_with"] = known.start_with
    if known.activation:
        group["activation"] = known.activation
    if known.env is not None:
        venv_env = base.known().venv_env or {} if recipe.layer == "venv" else {}
        named = {name: value.replace("{venv}", recipe.layer_name) for name, value in venv_env.items()}
        group["activation_env"] = dict(sorted({**known.env, **named}.items()))
    if known.path:
        group["activation_path"] = list(known.path)
    return group


def _conda(recipe: Recipe, base: Base) -> dict[str, Any]:
    """Return the name of a conda environment, how it is started, and what is active below it."""
    known = start_up(recipe, base)
    group: dict[str, Any] = {"conda_name": recipe.layer_name}
    if known.start_with != "exec":
        group["start_with"] = known.start_with
    if recipe.stack:
        # What activation sets is found out at installation, together with what that of the environment does.
        below = {"base_python": known.python, "activation": known.activation}
        group |= {"stack": True, **{name: value for name, value in below.items() if value}}
    return group


def _module(
    recipe: Recipe, site: Site, base: Base, variables: Mapping[str, str], features: Sequence[ModuleSettings]
) -> dict[str, Any]:
    neutral = {"PYTHONPATH": ""} if recipe.layer != "none" and base.manifest and base.manifest.pythonpath else {}
    of_site = merged(site.settings(base.family), *features)
    settings = merged(of_site, recipe)
    group = {
        "commands": list(recipe.commands),
        "binds": settings.binds,
        "conflicts": settings.conflicts,
        "host_env": settings.host_env,
        "container_env": {**neutral, **of_site.container_env, **variables, **recipe.container_env},
        "library_path": settings.library_path,
        "start_env": settings.start_env,
        "start_folders": settings.start_folders,
        "distributed": _distributed(site),
        "gpu": settings.gpu if settings.gpu != "none" else None,
        "user_site": recipe.user_site,
    }
    return {name: value for name, value in group.items() if value}


def _distributed(site: Site) -> dict[str, Any]:
    """Return what is true of the nodes of a site."""
    group = {"ports": site.distributed.ports, "cpu_masks": site.cpu_masks}
    return {name: value for name, value in group.items() if value}


def _layer(recipe: Recipe, lock: Lock | None, request: LayerRequest | None) -> dict[str, Any]:
    asked = request.conda_packages if request else []
    files = lock.installed if lock else []
    group = {
        # Where all packages of conda are asked for, those of all have wrappers anyway.
        "command_packages": [] if {file.name for file in files if file.is_conda} <= set(asked) else asked,
        "allow_base_packages": list(recipe.allow_base_packages),
        "import_check": request.imported(lock) if request and lock else [],
        "import_exceptions": dict(recipe.import_exceptions),
        "build_packages": list(lock.build_packages) if lock else [],
    }
    return {name: value for name, value in group.items() if value}
