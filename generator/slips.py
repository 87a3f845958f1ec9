"""Names of variables that look like a slip of a known one: nobody reads them, and nobody says so."""

import difflib
from collections.abc import Iterable

# What programs read, by how the names begin: what sites and recipes are likely to set, and what is near to that.
_KNOWN = {
    # https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html; RCCL reads the same names.
    "NCCL": (
        "ALGO", "BUFFSIZE", "COLLNET_ENABLE", "CROSS_NIC", "DEBUG", "DEBUG_FILE", "DEBUG_SUBSYS", "IB_DISABLE",
        "IB_HCA", "IB_TC", "IB_TIMEOUT", "MAX_CTAS", "MAX_NCHANNELS", "MIN_CTAS", "MIN_NCHANNELS", "NET",
        "NET_GDR_LEVEL", "NET_GDR_READ", "NET_PLUGIN", "NSOCKS_PERTHREAD", "NTHREADS", "NVLS_ENABLE", "P2P_DISABLE",
        "P2P_LEVEL", "PROTO", "SHM_DISABLE", "SOCKET_FAMILY", "SOCKET_IFNAME", "SOCKET_NTHREADS", "TOPO_FILE",
        "TUNER_PLUGIN",
    ),
    # https://docs.habana.ai/en/latest/PyTorch/PyTorch_Scaling_Guide, and https://pytorch.org/docs/stable/distributed.html
    "HCCL": ("SOCKET_IFNAME",),
    "GLOO": ("SOCKET_IFNAME",),
    # https://rocm.docs.amd.com/projects/MIOpen, "Environment variables", "Kernel cache" and "Performance database"
    "MIOPEN": (
        "CUSTOM_CACHE_DIR", "DISABLE_CACHE", "ENABLE_LOGGING", "ENABLE_LOGGING_CMD", "FIND_ENFORCE", "FIND_MODE",
        "LOG_LEVEL", "SYSTEM_DB_PATH", "USER_DB_PATH",
    ),
    # https://rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html, and its environment variables
    "HIP": ("LAUNCH_BLOCKING", "VISIBLE_DEVICES"),
    "CUDA": ("LAUNCH_BLOCKING", "VISIBLE_DEVICES"),
    "ROCR": ("VISIBLE_DEVICES",),
    "HSA": ("ENABLE_SDMA", "OVERRIDE_GFX_VERSION", "XNACK"),
    # https://ofiwg.github.io/libfabric: fi_cxi(7), fi_mr(3), fabric(7)
    "FI": (
        "CXI_DEFAULT_CQ_SIZE", "CXI_DISABLE_HOST_REGISTER", "CXI_RDZV_PROTO", "CXI_RX_MATCH_MODE", "HMEM_DISABLE_P2P",
        "LOG_LEVEL", "MR_CACHE_MAX_COUNT", "MR_CACHE_MAX_SIZE", "MR_CACHE_MONITOR", "PROVIDER",
    ),
    # https://cpe.ext.hpe.com/docs/latest/mpt/mpich: intro_mpi(3)
    "MPICH": ("GPU_SUPPORT_ENABLED", "OFI_NIC_MAPPING", "OFI_NIC_POLICY"),
    # https://pytorch.org/docs/stable/torch_environment_variables.html, torch.hub and torch.utils.cpp_extension
    "TORCH": ("EXTENSIONS_DIR", "HOME"),
    "TORCHINDUCTOR": ("CACHE_DIR", "FX_GRAPH_CACHE"),
    "PYTORCH": ("ALLOC_CONF", "CUDA_ALLOC_CONF", "HIP_ALLOC_CONF"),
    "TRITON": ("CACHE_DIR", "HOME"),
    # https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    "HF": ("DATASETS_CACHE", "HOME", "HUB_CACHE", "HUB_OFFLINE", "TOKEN"),
    # https://docs.vllm.ai/en/latest/configuration/env_vars
    "VLLM": ("CACHE_ROOT", "TARGET_DEVICE", "USE_V1"),
    # https://www.openmp.org/spec-html/5.2/openmpch21.html
    "OMP": ("NUM_TEAMS", "NUM_THREADS", "PLACES", "PROC_BIND"),
}  # fmt: skip
_NAMES = [f"{family}_{name}" for family, names in _KNOWN.items() for name in names]

# No word begins like these: also a name of which nothing else is known is a slip.
_DISTINCT = ("MIOPEN", "NCCL", "TORCHINDUCTOR")
_OF_OTHERS = ("CCL", "RCCL")  # oneCCL; RCCL has some names of its own
# Two letters exchanged, or one too few, in ten.
_NEAR = 0.9
_NEAR_FAMILY = 0.75


def slips(names: Iterable[str]) -> dict[str, str]:
    """Return, of names of variables, those that look like a slip, each with the name that was probably meant."""
    found = {name: _meant(name) for name in names}
    return {name: meant for name, meant in found.items() if meant is not None}


def _meant(name: str) -> str | None:
    if name in _NAMES:
        return None
    nearest = difflib.get_close_matches(name, _NAMES, n=1, cutoff=_NEAR)
    if nearest:
        return nearest[0]
    family, _, rest = name.partition("_")
    if not rest or family in _KNOWN or family in _OF_OTHERS:
        return None
    alike = difflib.get_close_matches(family, _DISTINCT, n=1, cutoff=_NEAR_FAMILY)
    # Collective libraries of other vendors differ in the first letter.
    return f"{alike[0]}_{rest}" if alike and alike[0][0] == family[0] else None
