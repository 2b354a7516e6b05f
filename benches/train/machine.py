"""Under which circumstances a bench ran: versions, processor, threads, and how busy the machine was."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import torch

LIBRARIES = ("torch", "megatron-core", "transformers", "transformer_engine")


def versions() -> dict[str, str]:
    """Library versions; a library that is absent is left out."""
    installed = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def processor() -> str:
    """The GPU's name, or the CPU's with its number of cores."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    names = [line.split(":", 1)[1].strip() for line in cpu_facts() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def cpu_facts() -> list[str]:
    """Linux's lines about the processors; none elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def load() -> float:
    """Processes that want a core, mean of the last minute."""
    return round(os.getloadavg()[0], 1)


def revision() -> str:
    """The repository's commit, marked where files of it were changed since; "unknown" outside a repository."""
    here = Path(__file__).parent
    words = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    described = subprocess.run(words, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


def circumstances(load_before: float, program: str = "benches.train") -> dict[str, object]:
    """What stands above the tables."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(["python", "-m", program, *sys.argv[1:]]),
        "code": revision(),
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "load": f"{load_before} before, {load()} after (processes that want a core)",
    }
