"""Signing what is written down of a layer, and checking that, with `ssh-keygen` and keys that people have anyway."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ebsif.console import Console
from ebsif.errors import EbsifError, ToolError
from ebsif.files import can_write, sha256, write_atomically
from ebsif.finding import Finding
from ebsif.installation import RECORD, InstalledLayer

# What a signature is for, so that it counts for nothing else.
NAMESPACE = "ebsif-layer"
SUFFIX = ".sig"


def signature_file(installed: InstalledLayer) -> Path:
    """Return where the signature of an installation lies."""
    return installed.path / f"{RECORD}{SUFFIX}"


def sign(installed: InstalledLayer, key: Path, console: Console) -> Path:
    """Sign what is written down of a layer, which must be the one that was installed; return the signature's file.

    Parameters
    ----------
    key
        The file of a private key; or of a public one, whose private key the agent has.

    Raises
    ------
    EbsifError
        When the layer is another one now, or the signature cannot be made or written.
    """
    target = signature_file(installed)
    if not can_write(target.parent):
        raise EbsifError(
            f"you may not write in {target.parent}, where the signature belongs: who owns it may sign, after "
            "`chmod u+w` where it was installed read-only"
        )
    image = installed.layer_image
    if not image.exists() or sha256(image, console) != installed.record.image_sha256:
        raise EbsifError(f"{image} is not the one that {RECORD} tells of: only what was installed can be signed")
    done = _ssh_keygen(["sign", "-f", str(key), "-n", NAMESPACE], installed.path / RECORD)
    if done.returncode != 0:
        raise ToolError(f"ssh-keygen could not sign with {key}: {_said(done)}")
    write_atomically(target, done.stdout, 0o644)
    return target


def check_signature(installed: InstalledLayer, allowed_signers: Path) -> Finding:
    """Tell whether somebody who may has signed what is written down of a layer.

    Parameters
    ----------
    allowed_signers
        The file that names them, with their public keys (ssh-keygen(1), ALLOWED SIGNERS).

    Raises
    ------
    EbsifError
        When that file or `ssh-keygen` is not there.
    """
    if not allowed_signers.is_file():
        raise EbsifError(f"there is no file {allowed_signers} with those who may sign (ssh-keygen(1), ALLOWED SIGNERS)")
    record, signature = installed.path / RECORD, signature_file(installed)
    if not signature.is_file():
        return Finding("signature", f"nobody has signed {RECORD}: there is no {signature}", "error", "ebsif sign")
    options = ["-f", str(allowed_signers), "-n", NAMESPACE, "-s", str(signature)]
    found = _ssh_keygen(["find-principals", *options], record)
    if found.returncode != 0:
        return Finding("signature", f"nobody of {allowed_signers} has signed {RECORD}: {_said(found)}", "error")
    for name in found.stdout.decode(errors="replace").splitlines():
        done = _ssh_keygen(["verify", *options, "-I", name], record)
        if done.returncode == 0:
            return Finding("signature", f"{name} has signed {RECORD}")
    return Finding("signature", f"the signature of {RECORD} is not good: {_said(done)}", "error")


def _ssh_keygen(words: Sequence[str], file: Path) -> "subprocess.CompletedProcess[bytes]":
    """Have `ssh-keygen` do something about signatures with a file, which it reads from its standard input."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise ToolError("ssh-keygen is not on PATH: install the client of OpenSSH, 8.2 or newer")
    return subprocess.run([program, "-Y", *words], input=file.read_bytes(), capture_output=True, check=False)


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    return "; ".join((done.stderr or done.stdout).decode(errors="backslashreplace").strip().splitlines()) or "no reason"
