"""Names and paths in a wrapper are data to its shell, whatever they are, also where nothing else refuses them."""

import subprocess
from pathlib import Path
from typing import Callable

import pytest
from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class

from tests.easyblocks.test_parameters import write

ODD = ["$(touch pwned)", "`touch pwned`", "it's", 'a"b', "two words", "-x", "a;touch pwned", "a\ntouch pwned"]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_name_stays_a_name(odd: str, tmp_path: Path, configure: Callable[..., None]) -> None:
    path = write(tmp_path, "SifContainer", {"sources": ["demo.sif"], "activation_env": {}})
    configure()
    block = get_easyblock_class("SifContainer")(EasyConfig(str(path)))
    block.installdir, block.final_installdir = str(tmp_path), "/gone/%s" % odd
    block.install_wrapper(odd, [odd, odd], path="bin/wrapper")
    done = subprocess.run([str(tmp_path / "bin" / "wrapper")], cwd=str(tmp_path), stderr=subprocess.PIPE, check=False)
    assert done.stderr.decode() == "%s: the installation /gone/%s is not there\n" % (odd, odd)
    assert not (tmp_path / "pwned").exists()
