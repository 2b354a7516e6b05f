"""The folder of one training run: who may write it, which run it belongs to, its line-by-line records and its history.

<run folder>/settings.json fingerprint.json telemetry.json metrics.jsonl validation.jsonl timing.jsonl history.jsonl
checkpoints/ writer.lock
history.jsonl tells who trained which steps, a line at every start and at every orderly end:
{"event": "start" | "end", "step": optimizer steps done by then, "time", "hosts", "processes", "slurm_job_id", ...}
Invariants: one training writes a folder at a time; a folder goes on only under the fingerprint that it was begun
with; after a resume the records hold the steps up to the checkpoint and nothing else. The history names machines and
times, so it is no part of what two equal runs have in common; a start without an end was killed, and its steps after
the next start's `step` were trained again.
"""

import errno
import fcntl
import itertools
import json
import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch.distributed as dist

from contracts.errors import InputError
from contracts.files import atomic_text
from contracts.fingerprint import first_difference, sha256_value

RECORDS = ("metrics.jsonl", "validation.jsonl", "timing.jsonl")
# A killed training may still be on its way out: Slurm gives it 30 s (KillWait). Giving up is final for a workflow.
LOCK_PATIENCE_SECONDS = 60.0

HISTORY = "history.jsonl"


class WriterLock:
    """A lock on the run folder, held until this process ends, however it ends: the kernel lets go of it.

    A POSIX lock: the children of this process do not inherit it, and shared file systems know it.
    """

    def __init__(self, run_folder: Path) -> None:
        run_folder.mkdir(parents=True, exist_ok=True)
        self.handle = open(run_folder / "writer.lock", "a")  # noqa: SIM115 (held for the life of the process)
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while not self.try_lock():
            if time.monotonic() > deadline:
                raise InputError(f"{run_folder}: another training writes here; wait for it, or end it first")
            time.sleep(0.2)

    def try_lock(self) -> bool:
        """Whether the lock is ours now; a file system without locks cannot refuse anybody."""
        try:
            fcntl.lockf(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # EACCES or EAGAIN: somebody has it. Anything else: no locks here.
            return error.errno not in (errno.EACCES, errno.EAGAIN)
        return True

    def release(self) -> None:
        """Let go early, for a process that outlives its run."""
        self.handle.close()


def claim_run_folder(run_folder: Path, settings: Mapping, fingerprint: Mapping, if_changed: str) -> WriterLock:
    """Begin a run in `run_folder`, or go on with the one that it holds; only rank 0 calls this.

    A folder of another run is refused in one line, or with if_changed "set-aside" renamed out of the way. With
    "go-on" a run whose code alone has changed goes on; its fingerprint then names the earlier code too.
    """
    begun = read_fingerprint(run_folder)
    difference = check_run_folder(run_folder, fingerprint, if_changed)
    lock = WriterLock(run_folder)
    if difference and if_changed == "go-on":
        fingerprint = {**fingerprint, "earlier_code": [*begun.get("earlier_code", []), begun.get("code")]}
    elif difference:
        lock.release()
        os.replace(run_folder, name_aside(run_folder, begun))
        lock = WriterLock(run_folder)
    if begun is None or difference:
        atomic_text(run_folder / "settings.json", json.dumps(settings, indent=1, sort_keys=True) + "\n")
        atomic_text(run_folder / "fingerprint.json", json.dumps(fingerprint, indent=1, sort_keys=True) + "\n")
    return lock


def check_run_folder(run_folder: Path, fingerprint: Mapping, if_changed: str) -> str | None:
    """In what the run of this folder differs from ours, or None; a difference that is not allowed is refused."""
    begun = read_fingerprint(run_folder)
    difference = difference_of_runs(begun, fingerprint) if begun is not None else None
    goes_on = if_changed == "go-on" and begun is not None and differs_in_code_alone(begun, fingerprint)
    if difference and if_changed != "set-aside" and not goes_on:
        raise InputError(f"{run_folder}: begun as another run ({difference}); {cure_of(begun, fingerprint)}")
    return difference


def difference_of_runs(begun: Mapping, fingerprint: Mapping) -> str | None:
    """The first thing in which two runs differ; what code a run went through earlier is no difference."""
    return first_difference({key: value for key, value in begun.items() if key != "earlier_code"}, fingerprint)


def differs_in_code_alone(begun: Mapping, fingerprint: Mapping) -> bool:
    """Whether the code is all that has changed: settings, data, start weights, tokenizer and device are the same."""
    return difference_of_runs({**begun, "code": fingerprint.get("code")}, fingerprint) is None


def cure_of(begun: Mapping, fingerprint: Mapping) -> str:
    """What a person can do about a run folder that was begun as another run."""
    cure = "choose another --run-folder, or keep the old one beside it with --if-changed set-aside"
    if differs_in_code_alone(begun, fingerprint):
        return f"{cure}, or go on with the new code: --if-changed go-on"
    return cure


def name_aside(run_folder: Path, fingerprint: Mapping) -> Path:
    """A name beside the run folder that nothing has: <folder>.set-aside-<8 hex of the fingerprint>."""
    names = (f"{run_folder.name}.set-aside-{sha256_value([fingerprint, times])[:8]}" for times in itertools.count())
    return next(run_folder.with_name(name) for name in names if not run_folder.with_name(name).exists())


def read_fingerprint(run_folder: Path) -> dict | None:
    """The fingerprint that a run folder was begun with; None for a folder that holds no run."""
    path = run_folder / "fingerprint.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError:
        raise InputError(f"{path}: not valid JSON; choose another --run-folder") from None


def cut_records_back(run_folder: Path, step: int) -> None:
    """Drop every record after `step`: lines of lost work, and a last line that was never finished."""
    for name in RECORDS:
        path = run_folder / name
        if path.is_file():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if is_until(line, step)]
            atomic_text(path, "".join(f"{line}\n" for line in kept))
    path = run_folder / "metrics.jsonl"
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.is_file() else []
    if steps != list(range(1, step + 1)):
        raise InputError(f"{path}: steps are missing before {step}; remove {run_folder} to train again")


def is_until(line: str, step: int) -> bool:
    """Whether a record is whole and belongs to a step up to `step`."""
    try:
        return json.loads(line)["step"] <= step
    except json.JSONDecodeError:
        return False


class Record:
    """One .jsonl file of the run folder: lines are appended, and on disk after `sync`."""

    def __init__(self, path: Path) -> None:
        self.handle = open(path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115 (closed in `close`)

    def append(self, values: Mapping[str, float | int | None]) -> None:
        """One line; floats at full precision (repr), so that equal text means equal bits."""
        self.handle.write(json.dumps(values, allow_nan=False) + "\n")
        self.handle.flush()

    def sync(self) -> None:
        """Force the lines to disk: a checkpoint must never be ahead of them."""
        os.fsync(self.handle.fileno())

    def close(self) -> None:
        self.sync()
        self.handle.close()


def note_event(run_folder: Path, event: str) -> None:
    """Append a line about a start or an end to history.jsonl (all processes call this, rank 0 writes)."""
    hosts = [""] * dist.get_world_size()
    dist.all_gather_object(hosts, platform.node())
    if dist.get_rank() > 0:
        return
    line = {
        "event": event,
        "step": recorded_steps(run_folder),
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "hosts": sorted(set(hosts)),
        "processes": len(hosts),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "slurm_restart_count": os.environ.get("SLURM_RESTART_COUNT"),
    }
    with open(run_folder / HISTORY, "a", encoding="utf-8", newline="\n") as handle:
        handle.write(json.dumps(line) + "\n")


def recorded_steps(run_folder: Path) -> int:
    """The steps that metrics.jsonl holds: one line each, and at a start exactly those of the checkpoint."""
    path = run_folder / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0
