"""Operations on files that carry a name: what a file system with a metadata server sees of a program."""

import re
from pathlib import Path, PurePosixPath

# What is bound to these places in the container lies in the installation.
_BOUND = {"/user-software": "user-software", "/runscripts": "runscripts"}
_CALL = re.compile(r"^(?:\d+ +)?(?P<name>\w+)\((?P<arguments>.*)\) += (?P<status>-?\d+|\?)")
_FOLDER = re.compile(r"^(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, (?P<rest>.*)")
_PATH = re.compile(r'^"(?P<path>(?:[^"\\]|\\.)*)"')
_LISTED = re.compile(r"^\d+<(?P<path>[^>]*)>")
_LISTING = "getdents64"
_OPENING = ("open", "openat", "openat2", "creat")
OPENED, MISSED, LOOKED, LISTED = "files opened", "looked for in vain", "looked at", "folders listed"
ALL = (OPENED, MISSED, LOOKED, LISTED)


def command(log: Path) -> list[str]:
    """Return the words before a program's own that write down its operations on files, and those of all it starts."""
    return ["strace", "-f", "-y", "-s", "4096", "-e", f"trace=%file,{_LISTING}", "-e", "signal=none", "-o", str(log)]


def count(log: str, installation: Path) -> dict[str, int]:
    """Return how many operations of each kind met a file of the installation.

    Parameters
    ----------
    log
        What `command` wrote.
    installation
        The folder of the installation. What lies below the places to which it is bound in the container counts when
        it is a folder there; when it is an image, the host sees the image alone.
    """
    counts = dict.fromkeys(ALL, 0)
    tops = [str(installation)]
    tops += [place for place, name in _BOUND.items() if (installation / name).is_dir()]
    for line in _whole(log.splitlines()):
        call = _CALL.match(line)
        if call is None:
            continue
        path = _path(call["name"], call["arguments"])
        if path is None or not any(path == top or path.startswith(f"{top}/") for top in tops):
            continue
        if call["name"] == _LISTING:
            kind = LISTED
        elif call["status"].startswith("-"):
            kind = MISSED
        else:
            kind = OPENED if call["name"] in _OPENING else LOOKED
        counts[kind] += 1
    return counts


def _whole(lines: list[str]) -> list[str]:
    """Return the lines, with calls in one piece that another process has interrupted."""
    begun: dict[str, str] = {}
    whole = []
    for line in lines:
        process = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[process] = line.removesuffix("<unfinished ...>")
        elif " resumed>" in line and process in begun:
            whole.append(begun.pop(process) + line.split(" resumed>", 1)[1])
        else:
            whole.append(line)
    return whole


def _path(name: str, arguments: str) -> str | None:
    """Return the path that a call names, if it names one."""
    if name == _LISTING:
        listed = _LISTED.match(arguments)
        return listed["path"] if listed else None
    relative = _FOLDER.match(arguments)
    folder = relative["folder"] if relative else "/"
    found = _PATH.match(relative["rest"] if relative else arguments)
    if found is None or not found["path"]:
        return None  # the file is open already
    return str(PurePosixPath(folder, found["path"]))
