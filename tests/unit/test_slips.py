"""Names of variables that look like a slip of a known one."""

from pathlib import Path

import pytest

from ebsif.cli import main
from ebsif.site import read_site, site_names
from ebsif.slips import slips
from tests.support.manifests import freeze, make_manifest


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CCL_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"),
        ("NCLL_DEBUG", "NCCL_DEBUG"),
        ("NCCL_SOCKET_IFNAMES", "NCCL_SOCKET_IFNAME"),
        ("RCCL_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"),
        ("NCLL_WHATEVER", "NCCL_WHATEVER"),
        ("MIOPN_USER_DB_PATH", "MIOPEN_USER_DB_PATH"),
        ("MIOPN_DEBUG_CONV", "MIOPEN_DEBUG_CONV"),
        ("FI_MR_CACHE_MONITORS", "FI_MR_CACHE_MONITOR"),
        ("TORCH_EXTENSION_DIR", "TORCH_EXTENSIONS_DIR"),
        ("OMP_NUM_THREAD", "OMP_NUM_THREADS"),
    ],
)
def test_a_slip_is_told_with_the_name_that_was_meant(name: str, meant: str) -> None:
    assert slips([name]) == {name: meant}


@pytest.mark.parametrize(
    "name",
    [
        "NCCL_SOCKET_IFNAME", "NCCL_IB_GID_INDEX", "NCCL_MIN_CTAS", "HCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME",
        "CCL_LOG_LEVEL", "CCL_ATL_TRANSPORT", "RCCL_MSCCL_ENABLE", "TORCH_NCCL_BLOCKING_WAIT", "HIP_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES", "CC", "CXX", "CCACHE_DIR", "OMP_NUM_THREADS", "OMP_SCHEDULE", "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS", "HF_TOKEN_PATH", "MPICH_OFI_VERBOSE", "FI_CXI_OFLOW_BUF_SIZE", "PATH", "PYTHONPATH",
        "TMPDIR", "EBSIF_PROJECT", "TOUCH_DIR", "MY_HOME", "VLM_MODEL", "ACCL_TOPO", "MODEL_DIR", "_", "A", "",
    ],
)  # fmt: skip
def test_other_names_are_nobodys_slip(name: str) -> None:
    assert slips([name]) == {}


@pytest.mark.parametrize("name", site_names())
def test_the_sites_that_come_along_have_no_slips(name: str) -> None:
    site = read_site(name)
    for family in (None, *(one.name for one in site.families)):
        assert slips(site.settings(family).variables) == {}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose site means another variable."""
    monkeypatch.chdir(tmp_path)
    freeze(tmp_path, make_manifest())
    Path("site.yml").write_text("name: mine\ndescription: ours\nhost_env: {CCL_SOCKET_IFNAME: hsn}\n")
    Path("r.yml").write_text("name: Demo\nversion: 1.0\nsite: ./site.yml\nbase: x.sif\nlayer: none\n")
    return Path("r.yml")


def test_generate_and_check_warn_and_go_on(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(recipe)]) == 0
    said = "CCL_SOCKET_IFNAME looks like a slip: NCCL_SOCKET_IFNAME may be meant"
    assert f"warning: {said}" in capsys.readouterr().err
    (easyconfig,) = Path().glob("*.eb")
    for file in (recipe, easyconfig):
        main(["check", str(file)])
        assert said in capsys.readouterr().out
