"""What the fan-out costs per cell: Snakemake's own work, and starting a job whose answer is there or is not.

The matrix is evaluated by no model: its cells are planned (a dry run), then every job of it is given empty outputs and
Snakemake's record that it has run (--touch), and the finished matrix is looked through: nothing is to be done. The two
jobs are real ones, of a small model: one that must load it, one whose cell another job has answered ahead.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from benches.train.report import Table, verdict
from contracts.code_reach import code_facts
from eval.building.samples import Cell, write_samples
from eval.registry import known_task
from workflow.planned_jobs import planned_jobs

REPOSITORY = Path(__file__).resolve().parents[2]
TASKS = ("niah_single_1", "niah_multikey_2", "vt", "cwe", "fwe")
METHODS = ("dense", "rag", "flexprefill", "xattention")
DRY_RUN_SECONDS = 10
FILE_ENDINGS = {".json", ".jsonl", ".html"}
# Snakemake with its pause of a tenth of a second after each touched job taken out.
TOUCHING = """
from snakemake.cli import main
from snakemake.executors.touch import Executor

Executor.SLEEPING_TIME = 0.0
main()
"""


def matrix(folder: Path, models: int, lengths: int) -> tuple[Path, int]:
    """(configuration, cells) of `models` x 4 methods x 5 tasks x `lengths`; the models are empty folders."""
    folder.mkdir()
    names = {f"model{number}": str(folder / f"model{number}") for number in range(models - 1)}
    for path in names.values():
        Path(path).mkdir()
        Path(path, "config.json").write_text("{}\n")
    run = yaml.safe_load((REPOSITORY / "config" / "books.yaml").read_text(encoding="utf-8"))
    run["run"], run["corpus"]["path"] = "matrix", str(REPOSITORY / "resources" / "pg19")
    run["train"]["methods"] = ["ce"]
    run["eval"] = {
        "lengths": [1024 * (number + 1) for number in range(lengths)],
        "models": names,
        "inference": {"methods": list(METHODS)},
        "benchmarks": {"ruler": {"tasks": list(TASKS)}},
    }
    assert all(known_task("ruler", task).answer == "text" for task in TASKS)
    path = folder / "matrix.json"
    path.write_text(json.dumps(run))
    return path, models * len(METHODS) * len(TASKS) * lengths


def ended(words: list[str], folder: Path) -> tuple[float, str]:
    """(user CPU seconds of a command and what it starts, what it said); its output is shown where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{process.stdout[-2000:]}{process.stderr[-2000:]}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return used, process.stdout + process.stderr


def user_seconds(words: list[str], folder: Path) -> float:
    """User CPU seconds of a command and what it starts."""
    return ended(words, folder)[0]


def finish(options: list[str], folder: Path) -> None:
    """Give every job of the matrix empty outputs and Snakemake's record of its run."""
    with contextlib.chdir(folder):
        planned = planned_jobs([*options, "--profile", str(REPOSITORY / "local")])
    for name in (name for job in planned for name in job.outputs):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix in FILE_ENDINGS else path.mkdir(exist_ok=True)
    ended([sys.executable, "-c", TOUCHING, "--touch", "--cores", "1", "--quiet", "all", *options], folder)


def planning_rows(configuration: Path, cells: int) -> list[dict]:
    """The matrix before its first job: planned, and listed; and after its last."""
    folder, options = configuration.parent, ["--snakefile", str(REPOSITORY / "Snakefile")]
    options += ["--configfile", str(configuration)]
    look = [sys.executable, "-m", "snakemake", "--dry-run"]
    seconds = {
        "planned (-n -q)": user_seconds([*look, *options, "--quiet"], folder),
        "planned, every job listed (-n)": user_seconds([*look, *options], folder),
    }
    finish(options, folder)
    seconds["finished, looked through"], said = ended([*look, *options], folder)
    if "Nothing to be done" not in said:
        raise RuntimeError(f"the finished matrix has something to do:\n{said[-2000:]}")
    return [
        {
            "what": f"{cells:,} cells {what}",
            "CPU s": used,
            "ms a cell": 1000 * used / cells,
            "target": f"< {DRY_RUN_SECONDS} s",
            "": verdict(used < DRY_RUN_SECONDS),
        }
        for what, used in seconds.items()
    ]


def fan_out_table(scratch: Path, model: Path, tokenizer, models: int, lengths: int) -> Table:
    """The dry runs, a job that loads its model, one that finds its answer, and what a part of the cells costs."""
    rows = planning_rows(*matrix(scratch / "matrix", models, lengths))
    loading, naming = job_seconds(scratch / "job", model, tokenizer)
    rows += [
        {"what": "job that loads its model and answers", "CPU s": loading, "ms a cell": 1000 * loading},
        {"what": "job whose answer is there already", "CPU s": naming, "ms a cell": 1000 * naming},
    ]
    together = 16
    mean = (loading + (together - 1) * naming) / together
    rows.append(
        {"what": f"mean of a part of {together} cells", "CPU s": mean, "ms a cell": 1000 * mean, "target": "< loading"}
        | {"": verdict(mean < loading)}
    )
    notes = [
        "user CPU seconds of the whole process; the job's cell has one prompt of 16 tokens and one new token",
        "finished: every job has empty outputs and Snakemake's record of its run (--touch)",
    ]
    return Table("The fan-out's overhead per cell", [in_order(row) for row in rows], notes)


def in_order(row: dict) -> dict:
    """The row with its columns in the table's order."""
    return {key: row.get(key, "") for key in ("what", "CPU s", "ms a cell", "target", "")}


def job_seconds(folder: Path, model: Path, tokenizer) -> tuple[float, float]:
    """CPU seconds of (a job that loads the model, the same job where the answer is kept)."""
    folder.mkdir()
    ids = list(range(5, 21))
    row = {"input": "", "context": [0, 0], "question": "", "answer_prefix": "", "answers": [], "chat": False}
    settings = {"seed": 0, "begin_with_bos": False, "chat_template": None, "chat_date": "2024-07-26"}
    write_samples(
        folder / "samples.jsonl",
        cell=Cell("ruler", "vt", 32),
        rows=[{**row, "tokens_to_generate": 1, "input_ids": ids, "length": 17}],
        facts={},
        inputs={"tokenizer_digest": tokenizer.digest},
        settings=settings,
        code=code_facts(),
        packages=(),
    )
    output = folder / "predictions.jsonl"
    (folder / "plan.json").write_text("{}\n")
    words = [
        sys.executable,
        "-m",
        "eval",
        "generate",
        "--model",
        str(model),
        "--samples",
        str(folder / "samples.jsonl"),
    ]
    words += ["--output", str(output), "--plan", str(folder / "plan.json")]
    loading = user_seconds(words, folder)
    output.unlink()
    return loading, user_seconds(words, folder)


def copy_tokenizer(source: Path, model: Path) -> None:
    """Put the tokenizer's files beside the weights."""
    for file in source.iterdir():
        shutil.copy(file, model)
