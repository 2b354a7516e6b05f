"""What the Snakemake that leads a run makes of a failed job: whether it is tried again, and what is told of it.

in : Snakemake's messages of failed jobs; the records that commands leave (contracts/job_record.py)
out: bad input (exit code 2) is not tried again, since the same command would say the same; the log of an attempt that
     another follows is kept as LOG.attempt-N; at the end of the run every complaint once, with the logs it is from
Snakemake 9 offers `retries` for each rule and nothing for an exit code, so the attempts of such a job are used up here.
Invariant: nothing that fails here fails a job, and without records every failure is tried again.
"""

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

BAD_INPUT = 2
SHOWN = 3


class FailedJobs(logging.Handler):
    """Listens to the messages of one Snakemake.

    It is called while a failure is told, which is before Snakemake decides on another attempt.
    """

    def __init__(self, workflow: Any) -> None:
        super().__init__(logging.ERROR)
        self.workflow = workflow
        # What an earlier Snakemake's jobs found wrong may have been mended.
        self.seen = {path.name for path in Path("results").glob("*/records/jobs/*.json")}
        self.bad: list[dict] = []
        self.complaints: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """See to one failed job; a group tells of each of its jobs."""
        if getattr(record, "event", None) != LogEvent.JOB_ERROR:
            return
        dag = self.workflow.dag
        job = next((job for job in dag.jobs if dag.jobid(job) == record.jobid), None)
        if job is None:
            return
        forget_nodes(self.workflow.scheduler.get_executor(job))
        logs = [str(log) for log in job.log]
        if complaint := self.complaint_of(logs) or (complaint_at_end(logs) if job.is_local else None):
            self.complaints.setdefault(complaint, []).extend(logs)
            give_up(dag.get_job_group(job) or job)
        elif job.attempt <= job.restart_times:
            keep(logs, job.attempt)

    def complaint_of(self, logs: list[str]) -> str | None:
        """What a command with one of these logs found wrong with its input; None where it ended otherwise."""
        for folder in {Path(*Path(log).parts[:2], "records/jobs") for log in logs}:
            self.read_new_records(folder)
        return next((bad["error"] for bad in reversed(self.bad) if bad["log"] in logs and bad.get("error")), None)

    def read_new_records(self, folder: Path) -> None:
        """Note what the jobs that have ended since the last look found wrong; a study has records by the thousand."""
        for path in sorted(path for path in folder.glob("*.json") if path.name not in self.seen):
            record = read_record(path)
            if record and record.get("exit_code") is not None:
                self.seen.add(path.name)
                self.bad += [record] if record["exit_code"] == BAD_INPUT else []

    def say(self) -> None:
        """Every complaint once, with the logs that hold it."""
        for complaint, logs in self.complaints.items():
            more = f" and {len(logs) - SHOWN} more" if len(logs) > SHOWN else ""
            print(f"error: {complaint} (log: {', '.join(logs[:SHOWN])}{more})", file=sys.stderr)


def watch_failures(workflow: Any) -> FailedJobs:
    """The listener of this Snakemake; the first call, e.g. by the first run of a study, makes it."""
    watch = next((handler for handler in logger.handlers if isinstance(handler, FailedJobs)), None)
    if watch is None:
        logger.addHandler(watch := FailedJobs(workflow))
    return watch


def read_record(path: Path) -> dict | None:
    """One record; None where it is being written, or is no record."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def complaint_at_end(logs: list[str]) -> str | None:
    """What the last line of a log finds wrong: for a job that leaves no record (audit) and has just written it here."""
    for log in logs:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines() if Path(log).is_file() else []
        if lines and lines[-1].startswith("error: "):
            return lines[-1].removeprefix("error: ")
    return None


def give_up(job: Any) -> None:
    """Use up the attempts of a job, or of the group that it is part of.

    Not by the property: that forgets what the job has taken of the machine, and Snakemake would give back more memory
    than it had.
    """
    job._attempt = max(job.attempt, job.restart_times + 1)


def forget_nodes(executor: Any) -> None:
    """Exclude no node from the next attempt but those that the profile names.

    Version 2.8 of the Slurm plugin excludes all nodes of a job of which one died, for as long as Snakemake runs: a job
    that needs as many as are left or more is then refused at once. Slurm itself gives nothing to a node that is down.
    """
    if failed := getattr(executor, "_failed_nodes", None):
        named = executor.workflow.executor_settings.exclude_failed_nodes or ""
        failed.intersection_update(name.strip() for name in named.split(","))


def keep(logs: list[str], attempt: int) -> None:
    """Copy the logs that the next attempt overwrites."""
    for log in logs:
        try:
            shutil.copyfile(log, f"{log}.attempt-{attempt}")
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                print(f"warning: {log} is not kept: {error.strerror}", file=sys.stderr)
