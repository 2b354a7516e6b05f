"""jobs.tsv: every attempt of every job, what it cost, and where it ran.

in : the job records of a run; Snakemake's benchmark files; Slurm's accounting, where `sacct` answers
out: a table, one line per attempt, in the order of the starts; an empty cell is not known
"""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from workflow.audit.run import Run

COLUMNS = (
    *("command", "output", "rule", "attempt", "exit_code", "started", "ended", "seconds", "cpu_seconds"),
    *("peak_memory_mib", "gpus", "gpu_hours", "host", "slurm_job_id", "slurm_restarts", "slurm_nodes"),
    *("benchmark_seconds", "benchmark_max_rss_mib", "sacct_state", "sacct_elapsed_seconds", "sacct_max_rss"),
    *("sacct_tres", "record"),
)
SACCT_FIELDS = ("JobIDRaw", "State", "ElapsedRaw", "MaxRSS", "AllocTRES", "NodeList")
SACCT_SECONDS = 60


def jobs_table(run: Run, accounting: dict[str, dict]) -> str:
    """The table as tab-separated text with a header line; `accounting` is what `ask_sacct` returned."""
    attempts = Counter()
    lines = ["\t".join(COLUMNS)]
    for job in run.jobs:
        # What a training starts by itself is part of that training: counting it too would double the hours.
        if job.get("parent"):
            continue
        output = run.output_of(job) or ""
        # A training on several nodes has a record on each: they are one attempt.
        attempts[output] += job["slurm"].get("SLURM_NODEID", "0") == "0"
        row = row_of(run, job, accounting) | {"output": output, "attempt": attempts[output]}
        lines.append("\t".join(cell(row.get(column)) for column in COLUMNS))
    return "\n".join(lines) + "\n"


def row_of(run: Run, job: dict, accounting: dict[str, dict]) -> dict:
    """One attempt."""
    slurm, benchmark = job["slurm"], benchmark_of(run, job)
    accounted = accounting.get(slurm.get("SLURM_JOB_ID", ""), {})
    memory = job.get("peak_memory_bytes")
    return {
        **{key: job.get(key) for key in ("exit_code", "started", "ended", "seconds", "cpu_seconds", "gpus", "host")},
        "command": f"{job['program']} {job['arguments'][0]}",
        "rule": rule_of(run, job),
        "peak_memory_mib": memory / 2**20 if memory else None,
        "gpu_hours": job["gpus"] * job["seconds"] / 3600 if job.get("ended") else None,
        "slurm_job_id": slurm.get("SLURM_JOB_ID"),
        "slurm_restarts": slurm.get("SLURM_RESTART_COUNT"),
        "slurm_nodes": accounted.get("NodeList") or slurm.get("SLURM_JOB_NODELIST"),
        "benchmark_seconds": benchmark.get("s"),
        "benchmark_max_rss_mib": benchmark.get("max_rss"),
        "sacct_state": accounted.get("State"),
        "sacct_elapsed_seconds": accounted.get("ElapsedRaw"),
        "sacct_max_rss": accounted.get("MaxRSS"),
        "sacct_tres": accounted.get("AllocTRES"),
        "record": job["name"],
    }


def log_of(run: Run, job: dict) -> str | None:
    """Where a job's messages went; what srun starts sends them through a pipe, and a training is told by its output."""
    if log := run.inside(job.get("log") or ""):
        return log
    trained = run.output_of(job) if job["arguments"][0] == "train" else None
    return f"logs/train/{Path(trained).name}.log" if trained else None


def rule_of(run: Run, job: dict) -> str | None:
    """The rule of a job: the folder, or the name, of its log."""
    log = log_of(run, job)
    return Path(log).with_suffix("").parts[1] if log and log.startswith("logs/") else None


def benchmark_of(run: Run, job: dict) -> dict[str, str]:
    """The line that Snakemake measured for a job: its benchmark lies where its log lies, under another name."""
    log = log_of(run, job)
    path = run.folder / Path("benchmarks", *Path(log).parts[1:]).with_suffix(".tsv") if log else None
    if not path or not path.is_file():
        return {}
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return dict(zip(lines[0], lines[-1], strict=False)) if len(lines) > 1 else {}


def ask_sacct(run: Run) -> dict[str, dict]:
    """{Slurm job: its accounting}; empty where no job came from Slurm or nothing answers."""
    ids = sorted({job["slurm"]["SLURM_JOB_ID"] for job in run.jobs if "SLURM_JOB_ID" in job.get("slurm", {})})
    if not ids or not shutil.which("sacct"):
        return {}
    command = ["sacct", "--jobs", ",".join(ids), "--parsable2", "--noheader", "--format", ",".join(SACCT_FIELDS)]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=SACCT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {}
    if asked.returncode:
        told = " ".join(asked.stderr.split())
        print(f"warning: the audit goes without Slurm's accounting: {told}", file=sys.stderr)
    return accounting_of(asked.stdout)


def accounting_of(text: str) -> dict[str, dict]:
    """sacct's lines by job; memory is known of a job's steps only, so the largest of them is the job's."""
    jobs: dict[str, dict] = {}
    for line in text.splitlines():
        told = dict(zip(SACCT_FIELDS, line.split("|"), strict=False))
        job, _, step = told["JobIDRaw"].partition(".")
        if not step:
            jobs[job] = told | {"MaxRSS": jobs.get(job, {}).get("MaxRSS", "")}
        elif told["MaxRSS"]:
            known = jobs.setdefault(job, {})
            known["MaxRSS"] = max(known.get("MaxRSS", ""), told["MaxRSS"], key=kibibytes)
    return jobs


def kibibytes(text: str) -> float:
    """`12345K` or `1.5G` as a number of KiB."""
    units = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
    return float(text[:-1]) * units[text[-1]] if text and text[-1] in units else float(text or 0) / 1024


def cell(value: object) -> str:
    """A value for a table: nothing for None, no tab and no line end."""
    return "" if value is None else " ".join(str(value).split())
