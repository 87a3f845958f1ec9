"""EasyBuild in this process.

EasyBuild may run on Python 3.6, and so may all tests in this folder.
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import hypothesis
import pytest
from easybuild.framework.easyblock import EasyBlock
from easybuild.framework.easyconfig import easyconfig
from easybuild.tools import config, options
from easybuild.tools.config import GENERAL_CLASS

# For --hypothesis-profile, under another Python: the main run has found what many examples find.
hypothesis.settings.register_profile("few", max_examples=10, deadline=None)

GENERIC = Path(__file__).resolve().parents[2] / "easyblocks" / "generic"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Give what configures EasyBuild anew, with options of `eb` and with build options, for a prefix of the test."""
    environment = dict(os.environ)
    for name in environment:
        if name.startswith("EASYBUILD_"):
            del os.environ[name]
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)

    def configure(*arguments: str, **build_options: Any) -> None:
        config.Singleton._instances.clear()
        easyconfig._easyconfigs_cache.clear()
        easyconfig._easyconfig_files_cache.clear()
        settings = ["--prefix=%s" % tmp_path, "--ignoreconfigfiles=*", "--modules-tool=Lmod", *arguments]
        chosen = options.parse_options(args=settings)
        config.init(chosen.options, chosen.get_options_by_section("config"))
        defaults = {
            "external_modules_metadata": {},
            "silent": True,
            "suffix_modules_path": GENERAL_CLASS,
            "valid_module_classes": config.module_classes(),
            "valid_stops": [step[0] for step in EasyBlock.get_steps()],
        }
        config.init_build_options(build_options=dict(defaults, **build_options))
        options.set_tmpdir(str(tmp_path))

    yield configure
    os.environ.clear()
    os.environ.update(environment)
