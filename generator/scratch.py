"""One setting for where all goes that is written on the way to a result, and what is kept for the next time."""

import os
import tempfile
from pathlib import Path

from ebsif.errors import EbsifError
from ebsif.files import make_folder

SCRATCH = "EBSIF_SCRATCH"
# What a person can do where there is no room.
ELSEWHERE = f"set {SCRATCH} to a folder that has more"
# The folder in it that each variable names then: for ebsif and the programs that it starts, and for EasyBuild.
_FOLDERS = {"TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "EASYBUILD_TMPDIR": "tmp", "EASYBUILD_BUILDPATH": "build"}


def use_scratch() -> None:
    """Let this process, and all that it starts, write into the folder that ``EBSIF_SCRATCH`` names, if it names one.

    It counts more than the variables that it stands for, which modules of a site set, too.

    Raises
    ------
    EbsifError
        When it names no folder, or one that cannot be made.
    """
    scratch = os.environ.get(SCRATCH)
    if not scratch:
        return
    if not Path(scratch).is_absolute():
        raise EbsifError(f"{SCRATCH} must be the absolute path of a folder, and is {scratch!r}")
    for variable, name in _FOLDERS.items():
        folder = Path(scratch, name)
        make_folder(folder, f"set {SCRATCH} to a folder that you may write in")
        os.environ[variable] = str(folder)
    tempfile.tempdir = None  # looked up anew
