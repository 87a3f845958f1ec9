"""EasyBuild's own tools work on our easyblocks."""

import ast
import hashlib

import pytest

from tests.support.site import Site
from tests.support.wheels import Wheel

pytestmark = pytest.mark.e2e


def test_inject_checksums_completes_an_easyconfig_that_a_person_has_written(site: Site, hello_wheel: Wheel) -> None:
    entry = ("hello", "1.0", {"sources": [hello_wheel.path.name]})
    easyconfig = site.write("venv", [entry])
    # EasyBuild finds the list by its end, on a line of its own.
    easyconfig.write_text(easyconfig.read_text().replace("exts_list = [", "exts_list = [\n").replace("})]", "}),\n]"))
    (site.sources / hello_wheel.path.name).write_bytes(hello_wheel.path.read_bytes())
    done = site.eb(easyconfig, "--inject-checksums", "--force")
    assert done.returncode == 0, done.stdout
    statements = ast.parse(easyconfig.read_text()).body
    values = {node.targets[0].id: node.value for node in statements
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}  # fmt: skip
    image = hashlib.sha256(site.machine.bases["venv"].read_bytes()).hexdigest()
    assert image in ast.unparse(values["checksums"])
    assert hello_wheel.sha256 in ast.unparse(values["exts_list"])
