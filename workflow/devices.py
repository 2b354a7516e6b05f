"""Run a command on GPUs that no other command started in this way has: for a machine without a scheduler.

in : python -m workflow.devices COUNT COMMAND...; the GPUs of CUDA_VISIBLE_DEVICES, else those that nvidia-smi lists
out: the command in this process's place, with CUDA_VISIBLE_DEVICES naming COUNT of them, as soon as so many are free;
     one line and exit code 2 where there are not so many
Invariant: a GPU is a command's until that ends, however it ends: the lock on it is an open file of the command.
Commands of other people on the machine are not seen.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Become the command; returns only where that cannot be."""
    count, command = int(arguments[0]), arguments[1:]
    devices = all_devices()
    if len(devices) < count:
        has = f"{len(devices)} ({', '.join(devices)})" if devices else "none"
        print(
            f"error: {count} GPUs are asked for and there are {has}; change `gpu` in the profile's set-resources",
            file=sys.stderr,
        )
        return 2
    while len(taken := take(devices, count)) < count:
        time.sleep(POLL_SECONDS)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    os.execvp(command[0], command)


def all_devices() -> list[str]:
    """The GPUs that this person may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        try:
            asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
            named = ",".join(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split())
        except (OSError, subprocess.CalledProcessError):
            return []
    return [name.strip() for name in named.split(",") if name.strip()]


def take(devices: list[str], count: int) -> list[str]:
    """Lock `count` of the devices, or none: whoever waits with a part of them may wait for ever."""
    taken: dict[str, int] = {}
    for device in devices:
        if len(taken) < count and (lock := locked(device)) is not None:
            taken[device] = lock
    if len(taken) == count:
        return list(taken)
    for lock in taken.values():
        os.close(lock)
    return []


def locked(device: str) -> int | None:
    """The open file that holds a device, inherited by the command; None where somebody has it."""
    folder = Path(tempfile.gettempdir(), f"megatron-cdt-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / device.replace("/", "_"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.set_inheritable(lock, True)
    return lock


def on_devices(resources: Any) -> str:
    """What stands before a job's command: nothing where it asks for no GPU, or where Slurm has given it some."""
    count = resources.get("gpu", 0)
    return f"python -m workflow.devices {int(count)} " if count and "SLURM_JOB_ID" not in os.environ else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
