"""The command line, whichever Python's argparse reads it."""

import itertools

import pytest

from ebsif.parser import make_parser

OPTIONS = (["--base", "x.sif"], ["--force"], ["--variant", "demo"])


@pytest.mark.parametrize("places", list(itertools.product(range(4), repeat=3)), ids=str)
def test_options_may_stand_anywhere_among_the_packages(places: tuple[int, ...]) -> None:
    words = [["Demo"], ["numpy"], ["scipy"], []]
    for option, place in zip(OPTIONS, places, strict=True):
        words[place] = [*option, *words[place]]
    parsed = make_parser("new").parse_args(["--quiet", "new", *itertools.chain(*words)])
    assert (parsed.name, parsed.packages) == ("Demo", ["numpy", "scipy"])
    assert (parsed.quiet, parsed.base, parsed.force, parsed.variant) == (True, "x.sif", True, "demo")


def test_what_is_no_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser("new").parse_args(["new", "Demo", "--base", "x.sif", "--no-such-option", "numpy"])
    assert "--no-such-option" in capsys.readouterr().err
