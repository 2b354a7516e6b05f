"""One Snakemake at a time makes a run, and a killed one leaves nothing that stands in the way of the next.

in : the name of a run, in the working folder
out: a claim on results/<run>/, held until this process ends, however it ends; exit code 2 and one line where another
     Snakemake has it
Snakemake's own lock outlives a kill -9, and so do the Slurm jobs of a killed Snakemake. Whoever gets the claim knows
that their owner is gone: it waits for the jobs that still run, cancels those that never began, and removes the lock.
Invariant: no job of an earlier Snakemake writes to the run's folder once the claim is held.
"""

import base64
import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

STATE = Path(".snakemake")
POLL_SECONDS = 5.0
OVER = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
)


def claim_run(run: str) -> TextIO:
    """The claim on a run: an open file, to be kept for as long as the run is being made."""
    results = f"results/{run}/"
    handle = take_lock(STATE / "runs" / f"{run}.lock", results)
    if left_behind := locks_of(results):
        wait_for_jobs(jobs_of_killed(results))
        for lock in left_behind:
            lock.unlink()
    return handle


def take_lock(path: Path, results: str) -> TextIO:
    """Lock `path` (POSIX: shared file systems know it, and the kernel lets go when the process ends)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (held for the life of the process)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Anything but EACCES and EAGAIN: a file system without locks, which cannot refuse anybody.
        if error.errno in (errno.EACCES, errno.EAGAIN):
            handle.seek(0)
            print(
                f"error: {Path(results).resolve()}: {handle.read().strip()} is making this run; "
                "wait for it, end it, or look on with -n",
                file=sys.stderr,
            )
            sys.exit(2)
    handle.truncate(0)
    handle.write(f"Snakemake {os.getpid()} on {socket.gethostname()}")
    handle.flush()
    return handle


def locks_of(results: str) -> list[Path]:
    """The lock files that a Snakemake which made this run left behind."""
    locks = sorted((STATE / "locks").glob("*.lock"))
    return [path for path in locks if any(line.startswith(results) for line in path.read_text().splitlines())]


def jobs_of_killed(results: str) -> set[str]:
    """Slurm's ids of the jobs that were to make files of this run and have not been reported finished."""
    jobs = set()
    incomplete = STATE / "incomplete"
    for path in incomplete.rglob("*"):
        if path.is_file() and output_of(path.relative_to(incomplete)).startswith(results):
            jobs.add(json.loads(path.read_text()).get("external_jobid"))
    return jobs - {None}


def output_of(marker: Path) -> str:
    """The output that a marker of Snakemake's stands for: its path in base64, in pieces where that is long."""
    return base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in marker.parts)).decode()


def wait_for_jobs(jobs: set[str]) -> None:
    """Return when none of these Slurm jobs can write any more."""
    told = False
    while states := states_of(jobs):
        if pending := [job for job, state in states.items() if state == "PENDING"]:
            subprocess.run(["scancel", *pending], check=False)
        running = sorted(set(states) - set(pending))
        if running and not told:
            print(
                f"Waiting for Slurm jobs of a Snakemake that was killed: {', '.join(running)} (scancel ends them)",
                file=sys.stderr,
            )
            told = True
        time.sleep(POLL_SECONDS)


def states_of(jobs: set[str]) -> dict[str, str]:
    """The state of each of these jobs that is not over."""
    if not jobs:
        return {}
    command = ["squeue", "--noheader", "--states=all", "--format=%A %T", f"--jobs={','.join(sorted(jobs))}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return {}
    if asked.returncode and "Invalid job id" not in asked.stderr:
        # The controller does not answer: it may still know the jobs.
        return dict.fromkeys(jobs, "UNKNOWN")
    states = dict(line.split() for line in asked.stdout.splitlines())
    return {job: state for job, state in states.items() if state not in OVER}
