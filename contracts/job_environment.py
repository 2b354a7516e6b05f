"""The environment of this process, as seen inside it: machine, GPUs, packages, determinism variables.

out: a JSON value that is the same for every job of one kind on one host, so that a thousand jobs make a few files
Invariants: environment variables are an allow-list of exact names; nothing heavy is imported (torch is asked only
where the job has loaded it already); no CUDA context is made.
"""

import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

# What may change bits, choose devices or say where a job ran. A name that is not here is never written down.
VARIABLES = (
    *("CUBLAS_WORKSPACE_CONFIG", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_LAUNCH_BLOCKING", "CUDA_VISIBLE_DEVICES"),
    *("NCCL_ALGO", "NCCL_PROTO", "NCCL_NVLS_ENABLE", "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS", "NCCL_P2P_DISABLE"),
    *("NVTE_ALLOW_NONDETERMINISTIC_ALGO", "NVTE_FLASH_ATTN", "NVTE_FUSED_ATTN", "NVTE_UNFUSED_ATTN"),
    *("NVTE_TORCH_COMPILE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "NVIDIA_TF32_OVERRIDE", "PYTORCH_CUDA_ALLOC_CONF"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM", "WORLD_SIZE"),
    *("PYTHONHASHSEED", "LANG", "LC_ALL", "TZ"),
)
GPU_FOLDER = Path("/proc/driver/nvidia/gpus")
DRIVER_FILE = Path("/proc/driver/nvidia/version")


def job_environment() -> dict:
    """This process's environment."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": installed_packages(sys.path),
        "torch": torch_facts(),
        "driver": driver_version(),
        "gpus": gpus(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def installed_packages(places: list[str]) -> dict[str, str]:
    """{name: version} of every installed package, by the names of their folders: one listing, no file is opened."""
    versions = {}
    for place in places:
        folder = Path(place)
        for entry in folder.glob("*.dist-info") if place and folder.is_dir() else ():
            name, _, version = entry.name.removesuffix(".dist-info").rpartition("-")
            versions.setdefault(name.lower().replace("_", "-"), version)
    return dict(sorted(versions.items()))


def torch_facts() -> dict | None:
    """What torch was built with and how it is set; None in a job that has not loaded it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    with_cuda = torch.version.cuda is not None
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if with_cuda else None,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())) if with_cuda else None,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
    }


def processor() -> str:
    """The model of the CPU, where the machine says it."""
    return first_match(Path("/proc/cpuinfo"), r"^model name\s*:\s*(.+)$") or platform.machine()


def driver_version() -> str | None:
    """The version of the NVIDIA kernel driver; None where there is none."""
    return first_match(DRIVER_FILE, r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s")


def gpus(folder: Path = GPU_FOLDER) -> list[Mapping[str, str | None]]:
    """Model and UUID of every GPU that the driver shows."""
    files = sorted(folder.glob("*/information")) if folder.is_dir() else []
    return [
        {"model": first_match(file, r"^Model:\s*(.+)$"), "uuid": first_match(file, r"^GPU UUID:\s*(\S+)$")}
        for file in files
    ]


def first_match(file: Path, pattern: str) -> str | None:
    """The first group of a pattern's first match in a file of the kernel; None where either is absent."""
    try:
        match = re.search(pattern, file.read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE)
    except OSError:
        return None
    return match[1].strip() if match else None
