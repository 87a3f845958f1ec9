"""The solver's reasons, in our words."""

from ebsif.lock.conda.messages import no_candidates, unreachable, unsolvable
from ebsif.lock.conda.virtual import virtual_packages
from tests.support.manifests import make_manifest
from tests.support.requests import conda_request

VIRTUAL = virtual_packages(make_manifest(), {"__cuda": "12.4"})
LEAD = "Cannot solve the request because of: "


def test_virtual_packages_are_those_of_the_base() -> None:
    assert virtual_packages(make_manifest(machine="aarch64"), {"__cuda": "12.4", "__archspec": "1=zen3"}) == {
        "__archspec": ("1", "zen3"),
        "__cuda": ("12.4", "0"),
        "__glibc": ("2.36", "0"),
        "__linux": ("3.2.0", "0"),
        "__unix": ("0", "0"),
    }


def test_a_newer_c_library_than_the_base_has_is_named() -> None:
    said = unsolvable(
        f"{LEAD}usesnew * cannot be installed because there are no viable options:\n"
        "└─ usesnew 1.0 would require\n"
        "   └─ newlibc *, which cannot be installed because there are no viable options:\n"
        "      └─ newlibc 1.0 | 1.1 would require\n"
        "         └─ __glibc >=2.40,<3.0.a0, for which no candidates were found.\n",
        conda_request("usesnew"),
        VIRTUAL,
    )
    assert str(said) == "newlibc 1.0 | 1.1 needs glibc >=2.40,<3.0.a0, and the base has glibc 2.36"


def test_another_need_of_the_machine_is_named_with_the_remedy() -> None:
    needs = (
        "gpu * cannot be installed because there are no viable options:\n"
        "└─ gpu 1.0 would require\n   └─ {} >=12.6, for which no candidates were found.\n"
    )
    said = str(unsolvable(needs.format("__rocm"), conda_request("gpu"), VIRTUAL))
    assert said.startswith("gpu 1.0 needs __rocm >=12.6, which the base does not tell of")
    assert said.endswith("add it to `virtual_packages`")
    said = str(unsolvable(needs.format("__cuda"), conda_request("gpu"), VIRTUAL))
    assert said == "gpu 1.0 needs __cuda >=12.6, and for the base it is 12.4"


def test_a_package_for_another_system_is_named() -> None:
    needs = "mac 1.0 would require\n└─ {} *, for which no candidates were found.\n"
    for name, system in (("__osx", "macOS"), ("__win", "Windows")):
        said = str(unsolvable(needs.format(name), conda_request("mac"), VIRTUAL))
        assert said == f"mac 1.0 is for {system}, and the base is Linux"


def test_a_base_without_the_c_library_of_gnu_is_named() -> None:
    said = unsolvable(f"{LEAD}No candidates were found for __glibc >=2.17.\n", conda_request("a"), {})
    assert str(said) == "the environment needs glibc >=2.17, and the base has none"


def test_an_explanation_is_shortened_and_says_what_was_asked_for() -> None:
    tree = "\n".join(f"└─ left {number} would require" for number in range(30))
    said = str(unsolvable(f"{LEAD}{tree}\n", conda_request("left >=1", "other", "right"), VIRTUAL))
    assert said.startswith("packages conflict: └─ left 0 would require\n")
    assert len(said.splitlines()) == 14
    assert said.splitlines()[-2:] == ["… and 18 more lines", "Asked for: left >=1 (environment.yml:4)"]


def test_a_package_that_is_not_there_is_named_with_versions_or_platforms_that_are() -> None:
    spec = conda_request("tool >=9")
    there = str(no_candidates("tool", ">=20", spec, [str(number) for number in range(12)], [], "linux-64"))
    assert there.startswith("the channels (conda-forge) have no tool >=20 (environment.yml:4); ")
    assert there.endswith("the newest are: 4, 5, 6, 7, 8, 9, 10, 11")
    elsewhere = str(no_candidates("tool", "*", spec, [], ["osx-64", "win-64"], "linux-64"))
    assert elsewhere == "tool (environment.yml:4) is only there for osx-64, win-64, and the base is linux-64"
    nowhere = str(no_candidates("tool", "*", spec, [], [], "linux-64"))
    assert nowhere == "the channels (conda-forge) have no tool (environment.yml:4): is the name right?"


def test_a_channel_that_does_not_answer_is_named_with_the_reason() -> None:
    error = Exception(
        "Request failed after 2 retries\nCaused by: error sending request for url (http://127.0.0.1:9/x/noarch/r.json)\n"
        "Caused by: tcp connect error\nCaused by: Connection refused (os error 111)"
    )
    assert str(unreachable(error, conda_request("tool"))) == (
        "the channel cannot be reached (http://127.0.0.1:9/x/noarch): Connection refused (os error 111)"
    )


def test_a_channel_whose_list_cannot_be_read_is_named_with_the_reason() -> None:
    error = Exception("malformed version string '1/0': encountered more characters at line 1 column 36")
    assert str(unreachable(error, conda_request("tool"))) == f"a channel cannot be used (conda-forge): {error}"
