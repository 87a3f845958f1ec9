"""What recipes ask to be locked, without recipes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ebsif.lock import LayerRequest
from ebsif.lock.conda.request import CondaRequest, Spec
from ebsif.lock.pip.line import Line
from ebsif.lock.pip.request import PipRequest


def pip_request(*names: str) -> PipRequest:
    return PipRequest(tuple(Line(name, Path("r.yml"), number, name) for number, name in enumerate(names, 1)))


def conda_request(*texts: str, variables: Mapping[str, str] | None = None) -> CondaRequest:
    """Return the request for packages from conda-forge, each on a line of an ``environment.yml``."""
    path = Path("environment.yml")
    specs = [Spec(text, path, number, text.split()[0], text) for number, text in enumerate(texts, 4)]
    return CondaRequest(tuple(specs), ("conda-forge",), variables=variables or {})


def conda_layer(
    *texts: str, pip: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> LayerRequest:
    return LayerRequest(pip_request(*pip), conda_request(*texts, variables=variables))
