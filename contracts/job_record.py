"""A record of every job that a workflow runs: command, host, times, exit code, environment, and the code that ran.

in : MEGATRON_CDT_RECORDS=<folder>; without it nothing is written. {run} in it is the run of --output or of the log
out: <folder>/jobs/<start>-<host>-<pid>.json, and, once for all that share them, environments/<sha256>.json and
     code/<sha256>.json (the modules of this repository that the process had loaded, each with its fingerprint)
Invariants: a job's file is there from its start, so an attempt that was killed leaves one without an end; secrets are
taken out; a record that cannot be written is a warning and never the end of a job.
"""

import contextlib
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from contracts.code_places import HASHING, REPOSITORY, ROOMS
from contracts.code_syntax import module_fingerprint
from contracts.errors import InputError, one_line
from contracts.files import atomic_text
from contracts.fingerprint import canonical_json, sha256_value
from contracts.job_environment import job_environment
from contracts.secrets import scrub_arguments, scrub_text, scrub_value

FOLDER_VARIABLE = "MEGATRON_CDT_RECORDS"
PARENT_VARIABLE = "MEGATRON_CDT_PARENT_JOB"
SLURM_VARIABLES = (
    *("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT", "SLURM_CLUSTER_NAME"),
    *("SLURM_JOB_PARTITION", "SLURM_JOB_NODELIST", "SLURM_NNODES", "SLURM_NODEID", "SLURM_PROCID"),
)
# Recording is no part of what a stage computes: its own modules are left out of the code that ran.
RECORDER = ("contracts.job_record", "contracts.job_environment", "contracts.secrets", *HASHING)


@contextlib.contextmanager
def recorded(program: str, arguments: list[str]) -> Iterator[None]:
    """Record this process as one job; the exit code is read from how the block ends."""
    folder = folder_of(arguments)
    if not folder or os.environ.get("LOCAL_RANK", "0") != "0":  # one record a host; the others saw the same
        yield
        return
    started = time.time()
    record = beginning(program, arguments, started)
    name = f"{datetime.fromtimestamp(started, UTC):%Y%m%dT%H%M%S.%f}-{platform.node()}-{os.getpid()}"
    write(folder, name, record)
    os.environ[PARENT_VARIABLE] = name
    ended = {"exit_code": 0}
    try:
        yield
    except BaseException as error:
        ended = how_it_ended(error)
        raise
    finally:
        write(folder, name, record | ending(folder, started) | ended)


def how_it_ended(error: BaseException) -> dict:
    """The exit code that this error gives the process, and what it tells a person to change."""
    if isinstance(error, InputError):
        return {"exit_code": 2, "error": scrub_text(one_line(error))}
    if isinstance(error, SystemExit):
        return {"exit_code": error.code if isinstance(error.code, int) else int(error.code is not None)}
    return {"exit_code": 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1}


def folder_of(arguments: list[str]) -> str | None:
    """Where the records of this job go: results/{run}/records, the run being that of --output, or of the log."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or "{run}" not in folder:
        return folder
    output = arguments[arguments.index("--output") + 1] if "--output" in arguments[:-1] else file_behind(2) or ""
    parts = Path(output).parts
    return folder.replace("{run}", parts[1]) if len(parts) > 1 and parts[0] == "results" else None


def beginning(program: str, arguments: list[str], started: float) -> dict:
    """What is known of a job at its start."""
    return {
        "program": program,
        "arguments": scrub_arguments(arguments),
        "started": timestamp(started),
        "ended": None,
        "exit_code": None,
        "host": platform.node(),
        "rank": os.environ.get("RANK"),
        "parent": os.environ.get(PARENT_VARIABLE),
        "log": file_behind(2),
        "stdout": file_behind(1) if file_behind(1) != file_behind(2) else None,
        "slurm": {name: os.environ[name] for name in SLURM_VARIABLES if name in os.environ},
    }


def ending(folder: str, started: float) -> dict:
    """What is known of a job at its end; its processes' peak memory is that of the largest one."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ended = time.time()
    environment = scrub_value(job_environment())
    return {
        "ended": timestamp(ended),
        "seconds": ended - started,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "peak_memory_bytes": 1024 * max(usage.ru_maxrss for usage in usages),
        "gpus": visible_gpus(environment),
        "environment": shared_file(folder, "environments", environment),
        "code": shared_file(folder, "code", loaded_code()),
    }


def loaded_code() -> dict[str, str]:
    """{module: fingerprint of what it says} of this repository's modules that the process has loaded."""
    loaded = {}
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        of_a_stage = name.split(".")[0] in ROOMS and name not in RECORDER and not name.endswith(".__main__")
        if of_a_stage and path and Path(path).is_relative_to(REPOSITORY):
            loaded[name] = module_fingerprint(name)
    return loaded


def visible_gpus(environment: Mapping) -> int:
    """GPUs that the job could use: those of CUDA_VISIBLE_DEVICES, else all of the machine."""
    named = environment["variables"].get("CUDA_VISIBLE_DEVICES")
    return len(environment["gpus"]) if named is None else len([name for name in named.split(",") if name])


def file_behind(descriptor: int) -> str | None:
    """The file that stdout or stderr goes to, relative to the working folder; None for a terminal or a pipe."""
    try:
        target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        return target.relative_to(Path.cwd()).as_posix() if target.is_file() else None
    except (OSError, ValueError):
        return None


def shared_file(folder: str, kind: str, value: object) -> str:
    """Write a value under its own digest, unless another job has; the digest."""
    digest = sha256_value(value)
    path = Path(folder, kind, f"{digest}.json")
    if not path.is_file():
        write_json(path, value)
    return digest


def write(folder: str, name: str, record: dict) -> None:
    """A job's own file."""
    write_json(Path(folder, "jobs", f"{name}.json"), record)


def write_json(path: Path, value: object) -> None:
    """One line of JSON, whole or not at all; a full disk must not end a job that could do its work."""
    try:
        atomic_text(path, canonical_json(value) + "\n")
    except InputError as error:
        print(f"warning: this job is not recorded: {error}", file=sys.stderr)


def timestamp(seconds: float) -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
