"""Writing into an easyconfig what its layer must hold, once it has been installed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ebsif.console import Console
from ebsif.easyconfig.read import Easyconfig, read_container
from ebsif.errors import EbsifError
from ebsif.files import sha256
from ebsif.generate import Generated, Plan, is_current
from ebsif.installation import RECORD, find_installed, installed_easyconfig


def pin_content(plan: Plan, console: Console) -> Generated:
    """Return the easyconfig of a plan with the content digest of its installation.

    Raises
    ------
    EbsifError
        When the easyconfig is not up to date, not installed, or what is installed is something else.
    """
    if plan.present is None or not is_current(plan):
        raise EbsifError(f"{plan.target} is out of date: run `ebsif generate` and `eb`, then pin what was installed")
    installed = find_installed(plan.target)
    if _without_pin(read_container(installed_easyconfig(installed.path))) != _without_pin(installed.easyconfig):
        raise EbsifError(
            f"{installed.path} was installed with another easyconfig than {plan.target}: install this one "
            "(eb --rebuild)"
        )
    if not installed.record.checked:
        raise EbsifError(
            f"{installed.path} was installed without a sanity check, and `eb` does not look again at content that is "
            "pinned: install it with one (eb --rebuild)"
        )
    image = installed.layer_image
    if not image.exists() or sha256(image, console) != installed.record.image_sha256:
        raise EbsifError(f"{image} is not the one that {RECORD} tells of: install it again (eb --rebuild)")
    pinned = replace(plan, content_digest=installed.record.content_sha256)
    return Generated(pinned, pinned.text(plan.locked), plan.locked)


def _without_pin(easyconfig: Easyconfig) -> Mapping[str, Any]:
    return {name: value for name, value in easyconfig.parameters.items() if name != "content_digest"}
