"""What a run's jobs were: jobs.tsv (every attempt, what it cost, where it ran) and replay.sh (to run them again).

in : the job records of a run; Snakemake's benchmark files; Slurm's accounting, where `sacct` answers
out: a table, one line per attempt, in the order of the starts, where an empty cell is not known; a bash script with the
     command behind every output, its paths in the run folder following $root
"""

import shlex
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
REPLAY_HEAD = """#!/usr/bin/env bash
# The command behind every output of the run {root}, in the order in which they ran.
# Run from the folder in which the workflow ran, with the code of the commit in run.json:
#   bash {root}/audit/replay.sh                          lists the outputs
#   root=results/replayed bash {root}/audit/replay.sh all     computes all of them again, in another folder
#   root=results/replayed bash {root}/audit/replay.sh OUTPUT  computes one (what it reads has to be there)
set -euo pipefail
root=${{root:-{root}}}
wanted=${{1:-}}
stage() {{
  local output=$1
  shift
  if [ -z "$wanted" ]; then
    echo "$output"
  elif [ "$wanted" = all ] || [ "$wanted" = "$output" ]; then
    mkdir -p "$(dirname "$root/$output")"
    "$@"
  fi
}}
printed() {{
  local output=$1
  shift
  "$@" > "$output"
}}
"""


def jobs_table(run: Run, accounting: dict[str, dict]) -> str:
    """The table as tab-separated text with a header line; `accounting` is what `ask_sacct` returned."""
    numbers = Counter()
    lines = ["\t".join(COLUMNS)]
    for jobs in attempts_of(run):
        output = run.output_of(jobs[0]) or ""
        numbers[output] += 1
        row = row_of(run, jobs, accounting) | {"output": output, "attempt": numbers[output]}
        lines.append("\t".join(cell(row.get(column)) for column in COLUMNS))
    return "\n".join(lines) + "\n"


def attempts_of(run: Run) -> list[list[dict]]:
    """The records of each attempt, in the order of the starts: a training on several nodes has one on each.

    What a training starts by itself is part of that training: counting it too would double the hours.
    """
    attempts: list[list[dict]] = []
    open_ones: dict[tuple, list[dict]] = {}
    for job in run.jobs:
        if job.get("parent"):
            continue
        slurm = job["slurm"]
        place = (run.output_of(job), slurm.get("SLURM_JOB_ID"), slurm.get("SLURM_RESTART_COUNT"))
        joined = open_ones.get(place) if int(slurm.get("SLURM_NNODES", 1)) > 1 else None
        if joined and slurm.get("SLURM_NODEID") not in [other["slurm"].get("SLURM_NODEID") for other in joined]:
            joined.append(job)
        else:
            open_ones[place] = [job]
            attempts.append(open_ones[place])
    return attempts


def row_of(run: Run, jobs: list[dict], accounting: dict[str, dict]) -> dict:
    """One attempt; of several nodes the sums, the first start, the last end, and an exit code that is not 0."""
    job = min(jobs, key=lambda job: int(job["slurm"].get("SLURM_NODEID", 0)))
    slurm, benchmark = job["slurm"], benchmark_of(run, job)
    accounted = accounting.get(slurm.get("SLURM_JOB_ID", ""), {})
    memory = max((each.get("peak_memory_bytes") or 0 for each in jobs), default=0)
    ended = [each for each in jobs if each.get("ended")]
    whole = len(ended) == len(jobs)
    return {
        "command": f"{job['program']} {job['arguments'][0]}",
        "rule": rule_of(run, job),
        "exit_code": next((each["exit_code"] for each in jobs if each["exit_code"] != 0), 0),
        "started": min(each["started"] for each in jobs),
        "ended": max(each["ended"] for each in ended) if whole else None,
        "seconds": max(each["seconds"] for each in ended) if whole else None,
        "cpu_seconds": sum(each["cpu_seconds"] for each in ended) if whole else None,
        "peak_memory_mib": memory / 2**20 if memory else None,
        "gpus": sum(each["gpus"] for each in ended) if whole else None,
        "gpu_hours": sum(each["gpus"] * each["seconds"] for each in ended) / 3600 if whole else None,
        "host": ",".join(sorted({each["host"] for each in jobs})),
        "slurm_job_id": slurm.get("SLURM_JOB_ID"),
        "slurm_restarts": slurm.get("SLURM_RESTART_COUNT"),
        "slurm_nodes": accounted.get("NodeList") or slurm.get("SLURM_JOB_NODELIST"),
        "benchmark_seconds": benchmark.get("s"),
        "benchmark_max_rss_mib": benchmark.get("max_rss"),
        "sacct_state": accounted.get("State"),
        "sacct_elapsed_seconds": accounted.get("ElapsedRaw"),
        "sacct_max_rss": accounted.get("MaxRSS"),
        "sacct_tres": accounted.get("AllocTRES"),
        "record": ",".join(each["name"] for each in jobs),
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
        sacct = subprocess.run(command, capture_output=True, text=True, timeout=SACCT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {}
    if sacct.returncode:
        told = " ".join(sacct.stderr.split())
        print(f"warning: the audit goes without Slurm's accounting: {told}", file=sys.stderr)
    return accounting_of(sacct.stdout)


def accounting_of(text: str) -> dict[str, dict]:
    """sacct's lines by job; memory is known of a job's steps only, so the largest of them is the job's."""
    jobs: dict[str, dict] = {}
    for line in text.splitlines():
        told = dict(zip(SACCT_FIELDS, line.split("|"), strict=False))
        job, _, step = told["JobIDRaw"].partition(".")
        if not step:
            jobs[job] = told | {"MaxRSS": jobs.get(job, {}).get("MaxRSS", "")}
        elif told["MaxRSS"]:
            whole = jobs.setdefault(job, {})
            whole["MaxRSS"] = max(whole.get("MaxRSS", ""), told["MaxRSS"], key=kibibytes)
    return jobs


def kibibytes(text: str) -> float:
    """`12345K` or `1.5G` as a number of KiB."""
    units = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
    return float(text[:-1]) * units[text[-1]] if text and text[-1] in units else float(text or 0) / 1024


def cell(value: object) -> str:
    """A value for a table: nothing for None, no tab and no line end."""
    return "" if value is None else " ".join(str(value).split())


def replay_script(run: Run) -> str:
    """The script; an argument from which a secret was taken out says so and has to be put in again."""
    jobs = sorted(run.last_jobs.items(), key=lambda item: item[1]["started"])
    lines = [f"stage {shlex.quote(output)} {command(run, job)}" for output, job in jobs]
    return REPLAY_HEAD.format(root=run.root) + "".join(f"{line}\n" for line in lines)


def command(run: Run, job: dict) -> str:
    """A job's command line, quoted for bash, its paths in the run folder beginning with $root."""
    words = ["python", "-m", job["program"], *job["arguments"]]
    if job.get("stdout"):
        words = ["printed", job["stdout"], *words]
    return " ".join(in_root(word, run.root) for word in words)


def in_root(word: str, root: str) -> str:
    """One word, quoted, every `<root>/` in it replaced by the variable."""
    return '"$root"/'.join(shlex.quote(part) if part else "" for part in word.split(f"{root}/")) or "''"
