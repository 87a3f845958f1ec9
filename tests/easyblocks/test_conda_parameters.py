"""What SifConda says to an easyconfig that cannot work, before anything is installed."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class
from easybuild.tools.build_log import EasyBuildError

from tests.easyblocks.test_easybuilds_checks import easyconfig

PYTHON = ("python", "3.11.2", "python-3.11.2-debian_0.conda")
TOOL = ("tool", "1.0", "tool-1.0-0.conda")
HELLO = ("hello", "1.0", "hello-1.0-py3-none-any.whl")
RATTLER = ("py-rattler", "0.28.0", "py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.whl")
INSTALLER = {"build_packages": ["py-rattler"]}


@pytest.fixture(autouse=True)
def configured(configure: Callable[..., None]) -> None:
    configure(force=True, module_only=True)


def make(folder: Path, files: List[Tuple[str, str, str]], parameters: Dict[str, Any]) -> Any:
    extensions = [(name, version, {"sources": [file], "checksums": ["0" * 64]}) for name, version, file in files]
    values = dict({"sources": ["demo.sif"], "exts_list": extensions}, **parameters)
    path = folder / "demo.eb"
    path.write_text(easyconfig("SifConda", "".join("%s = %r\n" % item for item in values.items())))
    return get_easyblock_class("SifConda")(EasyConfig(str(path)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command_packages": ["ffmpeg"]}, "'command_packages': 'ffmpeg' is no conda package in exts_list"),
        ({"conda_name": "../x"}, "'conda_name': '../x' is not a name for a conda environment"),
        ({"build_packages": ["tool", "cmake"]}, "'build_packages': 'cmake' is not in exts_list"),
    ],
)
def test_a_value_that_cannot_work_is_refused_at_once(changes: Dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(EasyBuildError) as caught:
        make(tmp_path, [PYTHON, TOOL, RATTLER], dict(INSTALLER, **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("files", "parameters", "message"),
    [
        ([RATTLER], INSTALLER, "'exts_list': it has no conda package (.conda or .tar.bz2)"),
        ([TOOL], {}, "'exts_list': it has no wheel of py-rattler, which installs conda packages"),
        ([PYTHON, RATTLER], {}, "'build_packages': it must have py-rattler, which only installs the others"),
        ([TOOL, HELLO, RATTLER], INSTALLER, "'exts_list': it has wheels, but no conda package python to use them"),
    ],
)
def test_an_easyconfig_that_lacks_something_is_refused_before_the_first_step(
    files: List[Tuple[str, str, str]], parameters: Dict[str, Any], message: str, tmp_path: Path
) -> None:
    easyblock = make(tmp_path, files, parameters)
    Path(easyblock.installdir).mkdir(parents=True)
    with pytest.raises(EasyBuildError) as caught:
        easyblock.run_all_steps(run_test_cases=False)
    assert message in str(caught.value)
    assert not list((tmp_path / "modules").glob("**/1.0*"))
