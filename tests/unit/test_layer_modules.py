"""Which modules packages bring, what a layer hides of the image, and what cannot be imported."""

import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ebsif.inside import LAYER_PY
from ebsif.inside.layer import modules
from tests.support.layer_py import check


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["six.py", "six-1.17.0.dist-info/RECORD"], ["six"]),
        (["yaml/__init__.py", "yaml/loader.py", "yaml/_yaml.cpython-311-x86_64-linux-gnu.so"], ["yaml"]),
        (["_cffi_backend.cpython-311-x86_64-linux-gnu.so", "cffi/__init__.py"], ["_cffi_backend", "cffi"]),
        (["fast.abi3.so"], ["fast"]),
        # Packages that share a name: what is theirs.
        (["google/auth/__init__.py", "google/api/http_pb2.py"], ["google.api.http_pb2", "google.auth"]),
        # No modules: libraries, data, and what is named like nothing that can be imported.
        (["nvidia/cublas/lib/libcublas.so.12", "pillow.libs/libjpeg.so", "a-b/c.py", "../../../bin/tool.py"], []),
        (["tests/__init__.py", "docs/conf.py", "setup.py", "conftest.py"], []),
        ([], []),
    ],
)  # fmt: skip
def test_modules_of_a_package(files: Sequence[str], expected: Sequence[str]) -> None:
    assert modules(files) == expected


class Places:
    """An image's Python and a layer on top of it, as two venvs, and packages that somebody has put there."""

    def __init__(self, folder: Path) -> None:
        self.base, self.layer = folder / "base", folder / "layer"
        venv.EnvBuilder(symlinks=True).create(self.base)
        venv.EnvBuilder(symlinks=True).create(self.layer)
        packages = next(self.layer.glob("lib/*/site-packages"))
        subprocess.run([self.base / "bin" / "python", LAYER_PY, "stack", packages], check=True, capture_output=True)

    def add(self, place: Path, name: str, files: Mapping[str, str], *, needs: str = "") -> None:
        folder = next(place.glob("lib/*/site-packages"))
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)

    def hidden(self, *allowed: str) -> list[str]:
        return check(self.layer, allowed=allowed)["packages"]

    def not_imported(self, *names: str, unneeded: bool = False) -> list[str]:
        return check(self.layer, imports=names, unneeded=unneeded)["imports"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_a_package_that_hides_a_module_of_another_one_of_the_image_is_refused(places: Places) -> None:
    places.add(places.base, "pytorch-triton-rocm", {"triton/__init__.py": "backend = 'hip'\n"})
    places.add(places.layer, "triton", {"triton/__init__.py": "backend = 'cuda'\n"})
    assert places.hidden() == [
        "triton of the layer hides the module triton of the image, which comes from pytorch-triton-rocm. Leave triton "
        "out, or add pytorch-triton-rocm to 'allow_base_packages' to replace it on purpose"
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "module"),
    [
        ("fast.py", "fast.cpython-311-x86_64-linux-gnu.so", "fast"),
        ("fast.abi3.so", "fast.abi3.so", "fast"),
        ("shared/fast.py", "shared/fast/__init__.py", "shared.fast"),
    ],
)
def test_it_does_not_matter_how_the_module_was_made(places: Places, ours: str, theirs: str, module: str) -> None:
    for path in (theirs, ours):
        for place in (places.base, places.layer):
            (next(place.glob("lib/*/site-packages")) / path).parent.mkdir(parents=True, exist_ok=True)
    places.add(places.base, "of-base", {theirs: ""})
    places.add(places.layer, "of-layer", {ours: ""})
    (told,) = places.hidden()
    assert told.startswith(f"of-layer of the layer hides the module {module} of the image, which comes from of-base.")


@pytest.mark.parametrize("allowed", ["triton", "PyTorch_triton-rocm"])
def test_it_is_allowed_by_either_name(places: Places, allowed: str) -> None:
    places.add(places.base, "pytorch-triton-rocm", {"triton/__init__.py": ""})
    places.add(places.layer, "triton", {"triton/__init__.py": ""})
    assert places.hidden(allowed) == []


def test_a_module_of_the_image_that_no_package_has_brought_is_not_hidden_either(places: Places) -> None:
    places.add(places.base, "other", {"other.py": ""})
    folder = next(places.base.glob("lib/*/site-packages"))
    (folder / "tuned.py").write_text("")
    places.add(places.layer, "tuned", {"tuned.py": ""})
    assert places.hidden("tuned") == []
    places.add(places.layer, "tuned-cuda", {"tuned.py": ""})
    assert ["which comes from no package" in problem for problem in places.hidden()] == [True]


@pytest.mark.parametrize("start", ["", "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"])
def test_packages_may_share_a_name(places: Places, start: str) -> None:
    shared = {"google/__init__.py": start} if start else {}
    places.add(places.base, "google-auth", {**shared, "google/auth.py": ""})
    places.add(places.layer, "google-api", {**shared, "google/api.py": ""})
    assert places.hidden() == []


def test_the_same_package_is_not_called_another(places: Places) -> None:
    places.add(places.base, "PyYAML", {"yaml/__init__.py": ""})
    places.add(places.layer, "pyyaml", {"yaml/__init__.py": ""})
    assert places.hidden() == []


def test_packages_that_work_together_are_imported(places: Places) -> None:
    places.add(places.base, "below", {"below.py": ""})
    places.add(places.layer, "good", {"good.py": "import below, os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == ''\n"})
    assert places.not_imported("good") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise RuntimeError('operator torchvision::nms\\ndoes not exist')",
         "fails with RuntimeError: operator torchvision::nms does not exist"),
        ("import gone", "fails with ModuleNotFoundError: No module named 'gone'"),
        ("import sys; sys.exit(3)", "fails with SystemExit: 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends Python with SIGSEGV"),
    ],
)  # fmt: skip
def test_who_is_to_blame_for_what_cannot_be_imported(places: Places, text: str, said: str) -> None:
    places.add(places.layer, "bad", {"bad.py": text})
    places.add(places.layer, "good", {"good.py": "print('noise')\n"})
    assert places.not_imported("good", "bad") == [f"bad does not work on this image: `import bad` {said}"]


def test_packages_that_cannot_be_imported_together_but_each_alone_are_in_order(places: Places) -> None:
    places.add(places.layer, "one", {"one.py": "import sys\nassert 'two' not in sys.modules\n"})
    places.add(places.layer, "two", {"two.py": ""})
    assert places.not_imported("two", "one") == []


def test_what_is_imported_finds_an_empty_home_of_its_own(places: Places) -> None:
    text = "import pathlib\nhome = pathlib.Path.home()\nassert not list(home.iterdir())\n(home / 'x').write_text('')\n"
    places.add(places.layer, "writer", {"writer.py": text})
    assert places.not_imported("writer") == []


def test_what_another_package_needs_may_be_for_something_that_is_not_there(places: Places) -> None:
    places.add(places.layer, "matplotlib-inline", {"matplotlib_inline.py": "import matplotlib"})
    places.add(places.layer, "ipykernel", {"ipykernel.py": ""}, needs="matplotlib_inline>=0.1")
    assert places.not_imported("ipykernel", "matplotlib-inline", unneeded=True) == []
    assert len(places.not_imported("ipykernel", "matplotlib-inline")) == 1
