"""Types of the texts in recipes, sites and manifests, each with its validation."""

import re
from typing import Annotated, Any

import re2
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from ebsif.inside.activation import (
    CONTAINER_PATH,
    CONTAINER_VARIABLE,
    LIBRARY_FOLDER,
    START_VALUE,
    VARIABLE_NAME,
    VARIABLE_VALUE,
)
from ebsif.inside.runtime import SIF_MACHINES
from ebsif.inside.text import BIND, COMMAND_NAME, CPU_MASK, ENVIRONMENT_NAME, MODULE_NAME, SHA256

# The end of a sentence about an address that holds a secret, and what to do instead.
NO_SECRET = (
    "must not hold a password or token, which would be passed on with the easyconfig: leave it out, and put it into "
    "~/.netrc, or for channels where conda's tools keep theirs"
)
# Before the host, or in a folder as channels have it.
_SECRET = re.compile(r"://[^/?#]*@|^(https?://.*/)?t/[^/]")
# What no index or channel needs to be found: a query, and a long folder in which letters and digits alternate.
_TOKEN = re.compile(r"\?|/(?=[A-Za-z0-9]{16,}(?:/|$))[A-Za-z]*\d+[A-Za-z]+\d")

# Where a package of conda names its channel: before colons, between which there may be a namespace, or in brackets.
_CHANNEL_BEFORE = re.compile(r"(?P<channel>[^\[]*?):[^:/\[]*:")
_CHANNEL_BEHIND = re.compile(r"[\[,]\s*channel\s*=\s*(?P<quote>['\"]?)(?P<channel>[^'\",\]]*)(?P=quote)")

# How a folder is named so that changes of it count at once, which no layer can have.
_EDITABLE = re.compile(r"(-e|--editable)[ =]")

# Characters that no name and no path may have, for use in a class of characters.
_ODD = r"\x00-\x1f\x7f"


class StrictModel(BaseModel):
    """A model that knows all its keys and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def matching(pattern: str, expected: str) -> AfterValidator:
    """Return the validation of a text that matches a regular expression as a whole."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{value!r} is not {expected}")
        return value

    return AfterValidator(check)


def pattern(text: str) -> Any:
    """Return a regular expression that somebody else has written: matching takes time in proportion to the text.

    Raises
    ------
    ValueError
        When it is none of RE2, which has neither references to groups nor looks ahead or back.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options=options)
    except re2.error as error:
        said = error.args[0]
        reason = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise ValueError(f"{text!r} is not a regular expression of RE2: {reason}") from error


def _one_line(value: str) -> str:
    if not re.fullmatch(VARIABLE_VALUE, value):
        raise ValueError(f"{value!r} has a line break or a control character, which cannot be passed on")
    return value


def holds_secret(url: str) -> bool:
    """Tell whether the address of a file, or the name of a channel, holds a password or token."""
    return bool(_SECRET.search(url))


def reveals_secret(place: str) -> bool:
    """Tell whether the address of an index or a channel, or of a file there, holds what looks like a password or token.

    An index's own addresses of files may hold more that looks so: folders with the names of hashes.
    """
    return holds_secret(place) or bool(_TOKEN.search(place))


def index_url(value: str) -> str:
    """Return the address of a package index, which goes into command lines, easyconfigs and messages.

    Raises
    ------
    ValueError
        When it holds what looks like a password or token.
    """
    if reveals_secret(value):
        raise ValueError(f"the address of a package index {NO_SECRET}")
    return value


def channel(value: str) -> str:
    """Return the name or URL of a channel.

    Raises
    ------
    ValueError
        When it stands for several or for a folder of the machine, or holds what looks like a password or token.
    """
    if reveals_secret(value):
        raise ValueError(f"a channel {NO_SECRET}")
    if value == "defaults":
        raise ValueError("'defaults' stands for several channels, on whose terms sites differ: name the channels")
    if value == "local":
        raise ValueError("'local' stands for a folder of whoever builds packages: write that as file:///…")
    return value.rstrip("/")


def channels_of(spec: str) -> list[str]:
    """Return the channels that a package names, as in ``conda-forge::x`` or ``x[channel=y]``; the last one counts."""
    found = [match for match in (_CHANNEL_BEFORE.match(spec), _CHANNEL_BEHIND.search(spec)) if match]
    return [match["channel"].strip() for match in found]


def _match_spec(value: str) -> str:
    value = rest = _one_line(value).strip()
    for named in channels_of(value):
        channel(named)
        rest = rest.replace(named, "", 1)
    if value.startswith("-") or re.match(r"(git|hg|svn|bzr)\+", value):
        raise ValueError("this is no package of conda: what pip installs stands in a section `pip`")
    if "://" in rest and reveals_secret(rest):
        raise ValueError(f"the address of a file {NO_SECRET}")
    if "://" in rest:
        raise ValueError(f"{value!r} names a file: list files with their SHA256 in an @EXPLICIT file instead")
    return value


def _count(value: object) -> int:
    # Numbers are read as the text that was written.
    if not re.fullmatch(r"\d{1,7}", str(value)):
        raise ValueError(f"{value!r} is not a number of things")
    return int(str(value))


_MACHINES = tuple(SIF_MACHINES.values())


def _machine(value: str) -> str:
    if value not in _MACHINES:
        raise ValueError(f"{value!r} is no machine: write what `uname -m` says there, one of {', '.join(_MACHINES)}")
    return value


def _requirement(value: str) -> str:
    value = _one_line(value).strip()
    if not value or (value.startswith("-") and not _EDITABLE.match(value)):
        raise ValueError(f"{value!r} is not a package: options of pip belong into a requirements file")
    return value


SoftwareName = Annotated[
    str,
    matching(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", "a name for EasyBuild: letters, digits and any of _.+- after the first"),
]
Version = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9_.+]*(-[A-Za-z0-9_.+]+)*", "a version: letters, digits and any of _.+-")
]
Suffix = Annotated[str, matching(r"(-[A-Za-z0-9_.+-]+)?", "a version suffix: a dash, then letters, digits, _.+-")]
NamePart = Annotated[str, matching(r"[A-Za-z0-9_.+-]+", "a part of a name: letters, digits and any of _.+-")]
EnvironmentName = Annotated[str, matching(ENVIRONMENT_NAME, "a name for an environment: letters, digits, and _.+-")]
Machine = Annotated[str, AfterValidator(_machine), WithJsonSchema({"enum": list(_MACHINES)})]
Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": r"^\d{1,7}$"}),
]
CpuMask = Annotated[str, matching(CPU_MASK, "a mask of processors, such as 0xfe00")]
Date = Annotated[str, matching(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", "a date written as YYYYMMDD")]
Sha256 = Annotated[str, matching(SHA256, "a SHA256: 64 of the digits 0-9 and a-f")]
Text = Annotated[str, AfterValidator(_one_line)]
ImageFile = Annotated[
    str,
    matching(rf"[^\s,:{_ODD}]*[^\s,:/{_ODD}]", "the name or path of an image, without space, comma or colon"),
]
ContainerPath = Annotated[str, matching(CONTAINER_PATH, "an absolute path without colon and line break")]
LibraryFolder = Annotated[str, matching(LIBRARY_FOLDER, r"an absolute path without any of : ; $ ` \ and line breaks")]
Folder = Annotated[
    str, matching(rf"[/$~][^:,{_ODD}]*", "an absolute path, or one that begins with ~ or a $VARIABLE")
]
Bind = Annotated[
    str,
    matching(BIND, "one bind, source[:destination[:options]], with an absolute path and without comma"),
]
Command = Annotated[str, matching(COMMAND_NAME, "the name of a command")]
Variable = Annotated[str, matching(VARIABLE_NAME, "the name of an environment variable")]
Variables = dict[Variable, Text]
ContainerVariable = Annotated[
    Variable,
    matching(
        CONTAINER_VARIABLE,
        "a variable to set: PATH in the container is that of the image, behind what activating puts there",
    ),
]
ContainerVariables = dict[ContainerVariable, Text]
FeatureName = Annotated[str, matching(r"[a-z0-9][a-z0-9_-]*", "the name of a feature: small letters, digits, and _-")]
ModuleName = Annotated[str, matching(MODULE_NAME, "the name of a module")]
StartValue = Annotated[
    Text, matching(START_VALUE, "a text in which $ only begins $NAME, ${NAME}, ${NAME:-text} or ${NAME:+text}")
]
GlibcVersion = Annotated[str, matching(r"2\.\d+", "a version of glibc, such as 2.39")]
PythonVersion = Annotated[str, matching(r"3\.\d+\.\d+", "the full version of a Python, such as 3.12.3")]
PackageName = Annotated[
    str,
    matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "the name of a Python package"),
    AfterValidator(lambda name: str(canonicalize_name(name))),
]
PackageSpelling = Annotated[str, matching(rf"[^{_ODD}]+", "the name or version of a package")]
Requirement = Annotated[str, AfterValidator(_requirement)]
IndexUrl = Annotated[
    str,
    AfterValidator(index_url),
    matching(r"(https?|file)://[^\s]+", "a URL that begins with https://, http:// or file://"),
]
CondaChannel = Annotated[
    str,
    AfterValidator(channel),
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*|(https?|file)://\S+",
        "a channel: a name such as conda-forge, or a URL that begins with https://, http:// or file://",
    ),
]
MatchSpec = Annotated[str, AfterValidator(_match_spec)]
VirtualPackageName = Annotated[
    str,
    matching(
        r"__(?!unix$|linux$|glibc$)[a-z0-9_]+",
        "a virtual package that a recipe may give, such as __cuda: __unix, __linux and __glibc are those of the base",
    ),
]
VirtualPackageVersion = Annotated[
    str, matching(r"[A-Za-z0-9_.+!]+(=[A-Za-z0-9_.+]+)?", "a version, or version=build, as in 12.4 or 1=zen3")
]
