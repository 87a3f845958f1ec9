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


def test_what_stands_behind_two_dashes_is_taken_as_it_is() -> None:
    words = ["jobscript", "X/1", "--nodes", "2", "--", "python", "--nodes", "3", "--", "--", "-x", ""]
    parsed = make_parser("jobscript").parse_args(words)
    assert (parsed.module, parsed.nodes) == ("X/1", 2)
    assert parsed.program == ["python", "--nodes", "3", "--", "--", "-x", ""]
