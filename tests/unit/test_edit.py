"""The next version of a recipe: some values change, and all else stays as its author wrote it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ebsif.document import parse
from ebsif.edit import edited, replaced_item

RECIPE = """\
# My environment.
name: PyTorch
version: 2.6.0  # that of the base
variant: 'mine'
base: old.sif
expected:
  kind: conda
  packages:
    torch: 2.6.0

# Commands that I need.
commands: [python3]
"""


def test_a_value_is_replaced_and_comments_stay() -> None:
    text = edited(RECIPE, {"version": "2.7.1", "base": "new.sif"}, after="version")
    assert text == RECIPE.replace("2.6.0  #", "2.7.1  #").replace("old.sif", "new.sif")


def test_a_new_key_comes_where_it_belongs() -> None:
    text = edited(RECIPE, {"date": "20261124"}, after="version")
    assert text == RECIPE.replace("# that of the base\n", "# that of the base\ndate: 20261124\n")


def test_a_key_is_removed_with_what_is_in_it_but_not_the_next_comment() -> None:
    text = edited(RECIPE, {"expected": None}, after="version")
    assert text == RECIPE.replace("expected:\n  kind: conda\n  packages:\n    torch: 2.6.0\n", "")


def test_the_last_key_can_be_removed() -> None:
    assert edited(RECIPE, {"commands": None}, after="version").endswith("# Commands that I need.\n")


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert edited(RECIPE, {"date": None}, after="version") == RECIPE


@given(value=st.text())
def test_any_value_reads_back(value: str) -> None:
    text = edited(RECIPE, {"variant": value, "homepage": value}, after="version")
    data = parse(text, Path("recipe.yml")).data
    assert (data["variant"], data["homepage"]) == (value, value)


def test_an_item_of_a_list_is_replaced() -> None:
    text = "commands:\n  - python3.10  # for scripts\n  - 'python3.10'\n  - python3\nname: python3.10\n"
    assert replaced_item(text, "commands", "python3.10", "python3.12") == (
        "commands:\n  - python3.12  # for scripts\n  - python3.12\n  - python3\nname: python3.10\n"
    )


def test_an_item_that_is_not_there_changes_nothing() -> None:
    assert replaced_item(RECIPE, "commands", "torchrun", "x") == RECIPE
    assert replaced_item(RECIPE, "packages", "torchrun", "x") == RECIPE
    assert replaced_item(RECIPE, "name", "PyTorch", "x") == RECIPE
