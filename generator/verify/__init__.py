"""Proving that an installed layer is what its easyconfig gives."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from filecmp import cmp
from pathlib import Path

from ebsif.console import Console
from ebsif.errors import FileError
from ebsif.files import sha256, temporary_folder
from ebsif.finding import Finding
from ebsif.inside.provenance import LayerRecord
from ebsif.installation import RECORD, InstalledLayer, read_record
from ebsif.owners import owners
from ebsif.scratch import ELSEWHERE
from ebsif.verify.contents import Contents, Difference, contents_of, differences, unpack
from ebsif.verify.rebuild import rebuild
from ebsif.verify.signature import check_signature


@dataclass
class Verified:
    """What was found out about an installation.

    Parameters
    ----------
    findings
        What was looked at, in this order.
    differences
        What its layer, packed or unpacked, differs in from the one that was made again, by the name of that.
    """

    findings: list[Finding] = field(default_factory=list)
    differences: dict[str, list[Difference]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether the installation is what its easyconfig gives, as far as was looked."""
        return not any(finding.level == "error" for finding in self.findings)


def verify(
    installed: InstalledLayer, console: Console, *, quick: bool = False, allowed_signers: Path | None = None
) -> Verified:
    """Compare an installation with its easyconfig.

    Parameters
    ----------
    quick
        Whether to look only at the SHA256 of the images, and not to make the layer again.
    allowed_signers
        The file that names those of whom one must have signed; None to look at no signature.

    Raises
    ------
    EbsifError
        When the layer cannot be made again.
    """
    verified = Verified(list(_quick_checks(installed, console)))
    if allowed_signers:
        verified.findings.append(check_signature(installed, allowed_signers))
    if quick:
        return verified
    if any(finding.what == "image" and finding.level == "error" for finding in verified.findings):
        verified.findings.append(Finding("layer", "the layer was not made again: that takes the right image", "error"))
        return verified
    with temporary_folder(instead=ELSEWHERE) as scratch:
        made = rebuild(installed.easyconfig, installed.image, scratch, console)
        compare(installed, made, scratch, verified)
    return verified


def _quick_checks(installed: InstalledLayer, console: Console) -> Iterator[Finding]:
    yield _base(installed, console)
    name = installed.layer_image.name
    if installed.layer_image.exists():
        found, recorded = sha256(installed.layer_image, console), installed.record.image_sha256
        if found == recorded:
            yield Finding("layer", f"{name} has the SHA256 of {RECORD}: {found}")
        else:
            yield Finding("layer", f"{name} has SHA256 {found}, and {RECORD} says {recorded}", "error")
    elif not installed.layer_folder.is_dir():
        yield Finding("layer", f"{installed.path} has no layer any more: install it again", "error")


def _base(installed: InstalledLayer, console: Console) -> Finding:
    """Tell whether the image is the one of the easyconfig."""
    name, wanted = installed.easyconfig.image, installed.easyconfig.checksum
    if installed.image is None:
        return Finding("image", f"the image {name} is gone", "error", "install it again")
    if installed.image.name != name:
        return Finding("image", f"the image is {installed.image.name}, and the easyconfig says {name}", "error")
    found = sha256(installed.image, console)
    if wanted is None:
        return Finding("image", f"the easyconfig has no SHA256 of the image, which has {found}", "warning")
    if found != wanted:
        return Finding("image", f"{installed.image} has SHA256 {found}, and the easyconfig says {wanted}", "error")
    return Finding("image", f"{installed.image} has the SHA256 of the easyconfig: {found}")


def compare(installed: InstalledLayer, made: Path, scratch: Path, verified: Verified) -> None:
    """Compare an installation with one that was made again, and add what was found.

    Parameters
    ----------
    made
        The folder of the other installation.
    scratch
        A folder for what is unpacked.
    """
    record = read_record(made)
    verified.findings.extend([_record(installed, record), *_pin(installed, record)])
    packed, folder, again = installed.layer_image, installed.layer_folder, made / installed.layer_image.name
    is_packed, gives = packed.exists(), installed.easyconfig.path.name
    same_bytes = is_packed and cmp(packed, again, shallow=False)
    if same_bytes:
        verified.findings.append(Finding("layer", f"{packed.name} is what {gives} gives, byte for byte"))
    if (is_packed and not same_bytes) or folder.is_dir():
        expected_root = scratch / "expected"
        expected = unpack(again, expected_root)
    if is_packed and not same_bytes:
        try:
            found = unpack(packed, scratch / "found")
        except FileError as error:
            verified.findings.append(Finding("layer", str(error), "error"))
        else:
            same = f"{packed.name} holds what {gives} gives, packed by another mksquashfs or compressor"
            _judge(verified, packed, _different(found, scratch / "found", expected, expected_root), gives, same)
    if folder.is_dir():
        _judge(verified, folder, _different(contents_of(folder), folder, expected, expected_root), gives, None)


def _different(found: Contents, found_root: Path, expected: Contents, expected_root: Path) -> list[Difference]:
    """Return what is wrong with a layer, and which package brings each file: the right layer knows that."""
    wrong = list(differences(found, found_root, expected, expected_root))
    known = owners(expected_root) if wrong else {}
    return [replace(difference, package=known.get(difference.path)) for difference in wrong]


def _judge(verified: Verified, layer: Path, found: list[Difference], gives: str, packed_anew: str | None) -> None:
    """Add what a layer differs in, or that it differs in nothing, but for its bytes if a text is given that says so."""
    if found:
        verified.differences[layer.name] = found
        count = f"{len(found)} difference{'s' if len(found) > 1 else ''}"
        verified.findings.append(Finding("layer", f"{layer.name} is not what {gives} gives: {count}", "error"))
    elif packed_anew:
        verified.findings.append(Finding("layer", packed_anew, "warning"))
    else:
        verified.findings.append(Finding("layer", f"{layer.name} holds what {gives} gives"))


def _record(installed: InstalledLayer, again: LayerRecord) -> Finding:
    """Tell whether what is written down of a layer is what would be written down now, but for how it was packed."""
    found, gives = installed.record, installed.easyconfig.path.name
    if found.definition is None:
        what = "what it was made from, since an earlier version of ebsif has written it"
        return Finding("record", f"{RECORD} does not say {what}", "warning")
    if found.definition != again.definition:
        return Finding("record", f"{RECORD} names other files or parameters than {gives}", "error")
    if found.content_sha256 != again.content_sha256:
        what = f"the content digest {found.content_sha256}, and {gives} gives {again.content_sha256}"
        return Finding("record", f"{RECORD} has {what}", "error")
    return Finding("record", f"{RECORD} is what {gives} gives, with the content digest {again.content_sha256}")


def _pin(installed: InstalledLayer, again: LayerRecord) -> Iterator[Finding]:
    """Tell whether the layer that was made again holds what the easyconfig expects, if it expects something."""
    expected = installed.easyconfig.content_digest
    if expected and expected != again.content_sha256:
        found = f"content_digest of {installed.easyconfig.path.name} is {expected}, and the layer made again has"
        yield Finding(
            "content", f"{found} {again.content_sha256}: another version of ebsif may have pinned it", "error"
        )
