"""The command ``generate``."""

import argparse
from pathlib import Path

from ebsif.console import Console
from ebsif.generate import Generated, eb_finds_image, generate, is_current, make_plan, preview, write
from ebsif.lock.summary import Summary
from ebsif.pin import pin_content
from ebsif.slips import slips

EXAMPLE = "ebsif generate PyTorch-2.13.0-cpu-python-3.11-singularity-mine.yml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("recipe", type=Path, help="the recipe, a YAML file")
    parser.add_argument(
        "--output", "-o", type=Path, metavar="DIR", help="where to write the easyconfig; by default beside the recipe"
    )
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="DIR",
        help="where to put the packages' files; by default where EasyBuild looks for them",
    )
    parser.add_argument(
        "--upgrade",
        nargs="*",
        metavar="PACKAGE",
        help="look for newer versions, of all packages or of those named; goes behind the recipe",
    )
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true", help="only tell, by the exit status, whether it is up to date")
    either.add_argument(
        "--pin-content",
        action="store_true",
        help="write into the easyconfig what the layer of its installation holds, so that eb refuses another one",
    )
    either.add_argument(
        "--dry-run", "-n", action="store_true", help="only tell what would be in the layer, and print the easyconfig"
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Make the easyconfig, or tell whether it is up to date."""
    plan = make_plan(_recipe(options.recipe), console, folder=options.output)
    if options.check:
        current = is_current(plan)
        if options.json:
            console.json({"easyconfig": str(plan.target), "up_to_date": current})
        else:
            console.say(f"{plan.target}: " + ("up to date" if current else "out of date; run `ebsif generate` again"))
        return 0 if current else 1
    if options.dry_run:
        seen = preview(plan, console, upgrade=options.upgrade, sources=options.sources)
        if options.json:
            console.json(as_json(seen))
        else:
            console.write(seen.text)
        return 0
    if options.pin_content:
        made = pin_content(plan, console)
    else:
        made = generate(plan, console, upgrade=options.upgrade, sources=options.sources)
    if made.changed:
        write(made)
    if options.json:
        console.json(as_json(made))
    else:
        report(made, console)
    return 0


def _recipe(path: Path) -> Path:
    """Return the recipe that a person means, who may have named the easyconfig beside it."""
    beside = path.with_suffix(".yml")
    return beside if path.suffix == ".eb" and beside.exists() else path


def report(made: Generated, console: Console) -> None:
    """Tell what was made."""
    plan = made.plan
    if not plan.base.manifest:
        console.warn(f"the image {plan.base.file} is not at hand: the easyconfig has no SHA256 for it")
    elif plan.base.path is None:
        console.warn(
            f"the image {plan.base.file} is not at hand: what its publisher lists was taken for what it has, and "
            "`ebsif generate` judges again where it is"
        )
    elif not eb_finds_image(plan):
        console.warn(
            f"eb will not find the image {plan.base.path}: `ebsif freeze` copies it to where eb looks, or add its "
            "folder to EASYBUILD_SOURCEPATH"
        )
    for name, meant in slips(plan.settings.variables).items():
        console.warn(f"{name} looks like a slip: {meant} may be meant")
    console.say(f"{plan.target}: " + ("written" if made.changed else "unchanged"))


def as_json(made: Generated) -> dict[str, object]:
    """Return what was made, for scripts."""
    files = made.lock.files if made.lock else ()
    told = made.summary or Summary()
    return {
        "easyconfig": str(made.plan.target),
        "module": made.module,
        "changed": made.changed,
        "base": made.plan.base.file,
        "base_sha256": made.plan.base.manifest.sha256 if made.plan.base.manifest else None,
        "packages": {file.name: file.version for file in sorted(files, key=lambda file: file.is_conda)},
        "asked_for": list(told.asked),
        "from_base": dict(told.from_base),
        "layer": dict(told.layer),
        "replaced": {name: {"base": base, "layer": layer} for name, (base, layer) in told.replaced.items()},
        "ignored": dict(told.ignored),
        "warnings": list(made.warnings),
    }
