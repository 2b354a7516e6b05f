"""Where a run or a study is: done, running, failed and waiting by stage, what is under way, when it may be finished.

in : a configuration; the files of results/<run>/ and the records of its jobs (contracts/job_record.py)
out: a table on the terminal, or JSON. Nothing is planned or written, so it may be asked while Snakemake runs or not,
     here or on a cluster whose folder this is.
A job counts as done where its output is there: what would run again for another reason, `workflow.why` says.
Run: python -m workflow.status --configfile config/demo.yaml [--watch] [--json] [RUN ...]
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contracts.errors import InputError
from workflow.failed_jobs import read_record
from workflow.run_config import check_against_schema, fill_defaults, read_schema
from workflow.run_plan import STAGE_FOLDERS, RunPlan
from workflow.study import runs_in

CELL = "{model}/{way}/{benchmark}/{task}/{length}"
CELL_LOG = "{model}-{way}-{benchmark}-{task}-{length}.log"
# The rules behind the data's folders, as their logs are called.
DATA_LOGS = {"tokenizer": "train_tokenizer", "tokens": "tokenize", "packs": "pack", "start": "start_model"}
# {kind of analysis: (its rule, what it makes, its log)}
INSTRUMENTS = {
    "measured": ("analyse", "instruments/{model}/{task}/{length}/table.json", "{model}-{task}-{length}"),
    "denoising": ("denoise", "denoising/{model}/{task}/{length}/denoising.json", "{model}-{task}-{length}"),
    "maps": ("map_attention", "maps/{task}/{length}/attention_maps.json", "{task}-{length}"),
}
GO_ON = 75  # the exit code of a training that was told to stop and goes on in its next attempt
# A job of another machine that has written nothing for so long is perhaps no more (seconds).
SILENT = 900
WATCH_SECONDS = 5


@dataclass(frozen=True)
class Work:
    """One thing that a run makes: its output, and the log of the job that makes it."""

    stage: str
    name: str
    output: str
    log: str


@dataclass
class RunStatus:
    """What is known of one run; times in seconds, names of works by their state."""

    run: str
    stages: dict[str, dict[str, int]] = field(default_factory=dict)  # {stage: {done, all}}
    running: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds_left: float = 0.0
    untimed: list[str] = field(default_factory=list)  # stages with work left of which nothing was timed yet
    gpu_hours: float = 0.0
    processor_hours: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether everything is there."""
        return all(stage["done"] == stage["all"] for stage in self.stages.values())


def works_of(plan: RunPlan) -> Iterator[Work]:
    """Everything that a run makes, in the order of its stages."""
    results = plan.results
    for folder in STAGE_FOLDERS:
        kind, _, split = folder.partition("/")
        rule = "mix" if kind == "tokens" and plan.config["mix"] else DATA_LOGS[kind]
        log = "/".join(filter(None, (rule, split)))
        yield Work("data", folder, f"{results}/{folder}", f"{results}/logs/{log}.log")
    for name in plan.methods:
        yield Work("trainings", name, f"{results}/models/{name}", f"{results}/logs/train/{name}.log")
    samples = zip(
        plan.sample_paths(f"{results}/samples/{{benchmark}}/{{task}}/{{length}}.jsonl"),
        plan.sample_paths(f"{results}/logs/build_samples/{{benchmark}}-{{task}}-{{length}}.log"),
        strict=True,
    )
    yield from (Work("samples", output.split("/samples/")[1], output, log) for output, log in samples)
    for stage, file, rule in (("answers", "predictions.jsonl", "generate"), ("scores", "score.json", "score")):
        outputs = plan.cell_paths(f"{results}/eval/{CELL}/{file}")
        logs = plan.cell_paths(f"{results}/logs/{rule}/{CELL_LOG}")
        for output, log in zip(outputs, logs, strict=True):
            by_trainer = stage == "answers" and "/gradient/" in output
            log = log.replace("/logs/generate/", "/logs/detect_critical_tokens/") if by_trainer else log
            yield Work(stage, "/".join(output.split("/")[3:-1]), output, log)
    for kind, (rule, place, log) in INSTRUMENTS.items():
        outputs = plan.analysis.paths(kind, f"{results}/analysis/{place}")
        logs = plan.analysis.paths(kind, f"{results}/logs/{rule}/{log}.log")
        for output, log_path in zip(outputs, logs, strict=True):
            yield Work("instruments", "/".join(output.split("/")[3:-1]), output, log_path)
    yield Work("report", "report", f"{results}/report.html", f"{results}/logs/report.log")


def status_of(plan: RunPlan) -> RunStatus:
    """Where one run is."""
    status, records = RunStatus(plan.run), records_by_log(Path(plan.results, "records/jobs"))
    waiting: list[Work] = []
    for work in works_of(plan):
        counts = status.stages.setdefault(work.stage, {"done": 0, "all": 0})
        counts["all"] += 1
        last = records.get(work.log, [{}])[-1]
        if is_alive(last):
            status.running.append(f"{work.name}{progress(plan, work)}")
            waiting.append(work)
        elif os.path.exists(work.output):
            counts["done"] += 1
        else:
            waiting.append(work)
            if last.get("exit_code") not in (None, 0, GO_ON):
                status.failed.append(f"{work.name}: {last.get('error') or 'no reason on record'} (log: {work.log})")
    ended = [record for of_log in records.values() for record in of_log if record.get("ended")]
    status.processor_hours = sum(record.get("cpu_seconds", 0.0) for record in ended) / 3600
    status.gpu_hours = sum(record["seconds"] * record.get("gpus", 0) for record in ended) / 3600
    status.seconds_left, status.untimed = seconds_left(plan, waiting, records)
    return status


def records_by_log(folder: Path) -> dict[str, list[dict]]:
    """{log: the records of its attempts, oldest first}; a job without a log is of no rule."""
    found: dict[str, list[dict]] = {}
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    for name in names:
        record = read_record(folder / name)
        if record and record.get("log"):
            found.setdefault(record["log"], []).append({**record, "process": int(name.split("-")[-1].split(".")[0])})
    return found


def is_alive(record: Mapping) -> bool:
    """Whether the job of a record works: its process is here, or on another machine its log was written of late."""
    if not record or record.get("ended"):
        return False
    if record["host"] == platform.node():
        return record["program"] in command_of(record["process"])
    log = Path(record["log"])
    return log.is_file() and time.time() - log.stat().st_mtime < SILENT


def command_of(process: int) -> str:
    """The command line of a process of this machine; nothing where there is none, or where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def progress(plan: RunPlan, work: Work) -> str:
    """The step of a training that is under way."""
    if work.stage != "trainings":
        return ""
    times = times_of_training(plan, work.name)
    steps = plan.train_settings(work.name)["steps"]
    return f" (step {times[-1]['step']:,} of {steps:,})" if times else " (starting)"


def times_of_training(plan: RunPlan, name: str) -> list[dict]:
    """The last lines of a training's timing.jsonl."""
    path = Path(plan.run_folder(name), "timing.jsonl")
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()[-20:]
    return [json.loads(line) for line in lines if line.endswith("}")]


def seconds_left(plan: RunPlan, waiting: list[Work], records: Mapping[str, list[dict]]) -> tuple[float, list[str]]:
    """Work that is left by the times so far, over as many jobs as run now; and the stages without any times."""
    by_rule: dict[str, list[float]] = {}
    for log, attempts in records.items():
        by_rule.setdefault(Path(log).parent.name, []).extend(
            attempt["seconds"] for attempt in attempts if attempt.get("exit_code") == 0
        )
    steps = {name: times_of_training(plan, name) for name in plan.methods}
    step_seconds = [line["milliseconds"] / 1000 for times in steps.values() for line in times]
    left, untimed = 0.0, {}
    for work in waiting:
        if work.stage == "trainings" and step_seconds:
            done = steps[work.name][-1]["step"] if steps[work.name] else 0
            left += (plan.train_settings(work.name)["steps"] - done) * sum(step_seconds) / len(step_seconds)
        elif times := by_rule.get(Path(work.log).parent.name):
            left += sum(times) / len(times)
        else:
            untimed[work.stage] = True
    at_once = sum(is_alive(attempts[-1]) for attempts in records.values())
    return left / max(at_once, 1), list(untimed)


def table(statuses: list[RunStatus]) -> str:
    """All runs as text."""
    lines = []
    for status in statuses:
        stages = "  ".join(f"{name} {count['done']}/{count['all']}" for name, count in status.stages.items())
        lines.append(f"{status.run}: {'finished' if status.finished else finish(status)}")
        lines.append(f"  {stages}")
        lines += [f"  running: {name}" for name in status.running]
        lines += [f"  failed: {name}" for name in status.failed]
        if status.gpu_hours or status.processor_hours:
            lines.append(f"  so far: {status.gpu_hours:.1f} GPU hours, {status.processor_hours:.1f} processor hours")
    return "\n".join(lines)


def finish(status: RunStatus) -> str:
    """What is left of a run, in words."""
    minutes = status.seconds_left / 60
    timed = f"about {minutes:.0f} minutes" if minutes < 100 else f"about {minutes / 60:.1f} hours"
    untimed = f"{', '.join(status.untimed)} (not timed yet)" if status.untimed else ""
    left = " and ".join(part for part in (timed if status.seconds_left else "", untimed) if part)
    return f"{left or 'a moment'} left" + ("" if status.running else "; nothing is running")


def plans(path: str, wanted: list[str]) -> list[RunPlan]:
    """The plans of a configuration's runs; InputError names what is wrong with it, or a run that it does not have."""
    runs, schema = runs_in(path), read_schema()
    if unknown := [run for run in wanted if run not in runs]:
        raise InputError(f"{unknown[0]}: no run of {path}; its runs: {', '.join(runs)}")
    chosen = []
    for run in wanted or runs:
        check_against_schema(runs[run], schema)
        fill_defaults(runs[run], schema, schema["$defs"])
        chosen.append(RunPlan(runs[run], schema))
    return chosen


def main(arguments: list[str]) -> int:
    """Print where the runs are; exit code 0, or 2 and one line."""
    parser = argparse.ArgumentParser(prog="python -m workflow.status", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs of a study; left out: all")
    parser.add_argument("--configfile", default="config/demo.yaml", help="a configuration or a study")
    parser.add_argument(
        "--watch", action="store_true", help=f"look again every {WATCH_SECONDS} seconds, until finished"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    try:
        chosen = plans(options.configfile, options.runs)
        while True:
            statuses = [status_of(plan) for plan in chosen]
            told = json.dumps([asdict(status) for status in statuses]) if options.json else table(statuses)
            print(f"\033[2J\033[H{told}" if options.watch and not options.json else told, flush=True)
            if not options.watch or all(status.finished for status in statuses):
                return 0
            time.sleep(WATCH_SECONDS)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
