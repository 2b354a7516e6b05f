"""One Snakemake at a time works in a folder, and a killed one leaves nothing that stands in the way of the next.

in : the working folder
out: a claim on it, held until this process ends, however it ends; exit code 2 and one line where another has it
Snakemake's own lock outlives a kill -9, and so do the Slurm jobs of a killed Snakemake. Whoever gets the claim knows
that their owner is gone: it cancels the jobs that never began, waits for those that run, and removes the lock.
Invariant: no job of an earlier Snakemake writes to the folder once the claim is held.
"""

import errno
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TextIO

STATE = Path(".snakemake")
POLL_SECONDS = 5.0
# How long Slurm may be silent: what its jobs do is not known then.
PATIENCE_SECONDS = 300.0
NO_SLURM = "Could not establish a configuration source"


@cache
def claim_folder() -> TextIO:
    """The claim on the working folder: an open file that stays open as long as this process."""
    handle = take_lock(STATE / "claim")
    left_behind = STATE / "locks"
    if left_behind.is_dir() and any(left_behind.iterdir()):
        wait_for_jobs(Path.cwd())
        shutil.rmtree(left_behind)
    return handle


def take_lock(path: Path) -> TextIO:
    """Lock `path` (POSIX: shared file systems know it, and the kernel lets go when the process ends)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (held for the life of the process)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Anything but EACCES and EAGAIN: a file system without locks, which cannot refuse anybody.
        if error.errno in (errno.EACCES, errno.EAGAIN):
            handle.seek(0)
            refuse(f"{Path.cwd()}: {handle.read().strip()} works here; wait for it, end it, or look on with -n")
    handle.truncate(0)
    handle.write(f"Snakemake {os.getpid()} on {socket.gethostname()}")
    handle.flush()
    return handle


def refuse(complaint: str) -> None:
    """End with one line and the exit code of bad input."""
    print(f"error: {complaint}", file=sys.stderr)
    sys.exit(2)


def wait_for_jobs(folder: Path) -> None:
    """Return when no Slurm job of this folder can write any more."""
    told: set[str] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (states := states_of_jobs(folder)) != {}:
        if states is None:
            if time.monotonic() > deadline:
                refuse(f"Slurm does not answer; are jobs of {folder} still running? If not, remove {STATE}/locks")
            states = {}
        else:
            deadline = time.monotonic() + PATIENCE_SECONDS
        if pending := [job for job, state in states.items() if state == "PENDING"]:
            subprocess.run(["scancel", *pending], check=False)
        if running := sorted(set(states) - set(pending) - told):
            told.update(running)
            jobs = ", ".join(running)
            print(f"Waiting for Slurm jobs of a Snakemake that was killed: {jobs} (scancel ends them)", file=sys.stderr)
        time.sleep(POLL_SECONDS)


def states_of_jobs(folder: Path) -> dict[str, str] | None:
    """{job id: state} of this user's Slurm jobs that work in a folder and are not over; None where nobody answers."""
    try:
        squeue = subprocess.run(
            ["squeue", "--noheader", "--me", "--format=%A|%T|%Z"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return {}
    if squeue.returncode:
        return {} if NO_SLURM in squeue.stderr else None
    jobs = [line.split("|", 2) for line in squeue.stdout.splitlines()]
    return {job: state for job, state, place in jobs if Path(place).resolve() == folder.resolve()}
