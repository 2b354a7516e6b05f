"""Who trained which steps: a line in the run folder's history.jsonl at every start and at every orderly end.

{"event": "start" | "end", "step": optimizer steps done by then, "time", "hosts", "processes", "slurm_job_id", ...}
Invariant: it names machines and times, so it is no part of what two equal runs have in common; a start without an
end was killed, and its steps after the next start's `step` were trained again.
"""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch.distributed as dist

HISTORY = "history.jsonl"


def note(folder: Path, event: str) -> None:
    """Append one line (all processes call this, rank 0 writes)."""
    hosts = [""] * dist.get_world_size()
    dist.all_gather_object(hosts, platform.node())
    if dist.get_rank() > 0:
        return
    line = {
        "event": event,
        "step": recorded_steps(folder),
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "hosts": sorted(set(hosts)),
        "processes": len(hosts),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "slurm_restart_count": os.environ.get("SLURM_RESTART_COUNT"),
    }
    with open(folder / HISTORY, "a", encoding="utf-8", newline="\n") as handle:
        handle.write(json.dumps(line) + "\n")


def recorded_steps(folder: Path) -> int:
    """The steps that metrics.jsonl holds: one line each, and at a start exactly those of the checkpoint."""
    path = folder / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0
