"""The user's own way to the network, handed on into the container.

It may change where files come from, but not which files they are. An index that replaces the user's default one counts
as a mirror of it, and is handed on. Further indexes and folders of links are not: they belong in the recipe, since
nobody else would find the files without them.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from ebsif.errors import EbsifError
from ebsif.files import read_text, write_atomically

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_SETTINGS = {
    "index-url": "PIP_INDEX_URL",
    "proxy": "PIP_PROXY",
    "timeout": "PIP_DEFAULT_TIMEOUT",
    "default-timeout": "PIP_DEFAULT_TIMEOUT",
    "retries": "PIP_RETRIES",
    "trusted-host": "PIP_TRUSTED_HOST",
}
# Settings by which pip would find more files, and what of a recipe does the same for everybody.
_UNUSED = {"extra-index-url": "`extra_indexes`", "find-links": "`extra_indexes`, or the path of each wheel"}
PYPI = "https://pypi.org/simple"
_BUNDLE = "certificates.pem"
NETRC = "netrc"
_MAXIMUM_SIZE = 1_000_000  # of that
# Without a network, the message should come soon; pip itself tries five times more for each file.
_DEFAULTS = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "2"}


def network_environment(folder: Path, inside: PurePosixPath) -> dict[str, str]:
    """Return the variables that let pip in a container use the network as pip on the host would, and nothing else.

    Parameters
    ----------
    folder
        A folder that the container sees; copies of the user's certificates and passwords (``netrc``) are put there.
    inside
        Where it sees that.
    """
    settings = pip_settings()
    env = _DEFAULTS | {name: os.environ[name] for name in _both_cases(_PROXIES) if name in os.environ}
    env |= {variable: settings[option] for option, variable in _SETTINGS.items() if option in settings}
    bundle = settings.get("cert") or next((os.environ[name] for name in _CERTIFICATES if os.environ.get(name)), None)
    if bundle:
        try:
            shutil.copyfile(bundle, folder / _BUNDLE)
        except OSError as error:
            raise EbsifError(f"cannot read the certificates {bundle}: {error.strerror}") from error
        env["PIP_CERT"] = str(inside / _BUNDLE)
    netrc = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if netrc.is_file():
        write_atomically(folder / NETRC, read_text(netrc, _MAXIMUM_SIZE).encode(), 0o600)
        env["NETRC"] = str(inside / NETRC)
    return env


def default_index() -> str:
    """Return the package index that pip takes when no other is named: PyPI, or the user's mirror of it."""
    return pip_settings().get("index-url", PYPI)


def unused_settings() -> list[str]:
    """Return a sentence for each setting by which the user's own pip might find what is missing."""
    return [
        f"{name} in the settings of your pip is not used, since others do not have it: write {instead} into the recipe"
        for name, instead in _UNUSED.items()
        if pip_settings().get(name)
    ]


def pip_settings() -> Mapping[str, str]:
    """Return the user's settings of pip on this machine, from files and variables."""
    return _ask_pip(tuple(sorted(os.environ.items())))


@cache
def _ask_pip(environment: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return what pip says: in the same environment, it is asked once."""
    words = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(
        words, env=dict(environment), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        # Not all that it says: it quotes lines, in which there may be passwords.
        reason = (done.stderr.strip() or f"status {done.returncode}").splitlines()[0]
        raise EbsifError(
            f"pip cannot read its settings on this machine, from which ebsif takes index, proxy and certificates: "
            f"{reason} (`{' '.join(words)}` says more): correct them"
        )
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(global|install|:env:)\.([a-z-]+)=(['\"].*)", line)
        if match:
            # Several values stand on lines of their own.
            found[match[1]][match[2]] = " ".join(str(ast.literal_eval(match[3])).split())
    return {**found["global"], **found["install"], **found[":env:"]}


def _both_cases(names: tuple[str, ...]) -> list[str]:
    return [*names, *(name.upper() for name in names)]
