"""The README shows where each file of the product is, and shows no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.rst").read_text()
TREE = README[README.index("    easyblocks/generic/") : README.index("Where to change what")]

# These folders have many modules of one kind, or say with one sentence which of them does what.
AS_A_WHOLE = (
    "easyblocks/generic/sif/commands", "easyblocks/generic/sif/runscripts", "generator/commands", "generator/deployed",
    "generator/easyconfig", "generator/inside", "generator/lock/conda", "generator/lock/pip", "generator/sites",
    "generator/templates", "generator/verify",
)  # fmt: skip


def product_files() -> set[str]:
    """Return the files of easyblocks and generator, without those that hold nothing."""
    files = [
        path
        for top in ("easyblocks", "generator")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and not {"__pycache__", "ebsif.egg-info"} & set(path.parts) and path.suffix != ".pyc"
    ]
    return {
        str(path.relative_to(ROOT))
        for path in files
        if path.name not in ("__main__.py", "py.typed") and (path.name != "__init__.py" or path.parent.name == "lock")
    }


def named_files() -> set[str]:
    """Return the paths that the tree names: of a line's first column, below the folder that it stands under."""
    paths, top = set(), ""
    for line in TREE.splitlines():
        if not line.strip() or line.startswith(" " * 8):
            continue
        names = re.findall(r"[\w.-]+(?:/[\w.-]+)*/?", line[:32])
        if not line.startswith("      "):
            top = names[0]
            continue
        folder = names[0].rpartition("/")[0]
        for name in names:
            if name.startswith("."):
                name = names[0].rpartition(".")[0] + name
            elif "/" not in name and folder:
                name = f"{folder}/{name}"
            paths.add(top + name.rstrip("/"))
    return paths


def test_the_tree_names_each_file_or_its_folder() -> None:
    whole = {path for path in product_files() if path.startswith(tuple(f"{folder}/" for folder in AS_A_WHOLE))}
    assert product_files() - whole - named_files() == set()
    assert {folder for folder in AS_A_WHOLE if folder not in named_files()} == set()


def test_the_tree_names_nothing_that_is_not_there() -> None:
    assert [path for path in sorted(named_files()) if not (ROOT / path).exists()] == []


def test_sentences_of_whole_folders_name_each_module() -> None:
    for folder in ("generator/easyconfig", "generator/lock/pip", "generator/lock/conda", "generator/verify"):
        start = TREE.index(f"      {folder.removeprefix('generator/')}/ ")
        sentence = re.split(r"\n {6}\S", TREE[start:])[0]
        modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
        assert {module for module in modules if not re.search(rf"\b{module}\b", sentence)} == set()
