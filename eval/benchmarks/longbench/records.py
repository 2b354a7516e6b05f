"""LongBench's records: the published JSON lines, one file a set.

in : a folder with qasper_e.jsonl, ..., musique.jsonl (or in its `data`, as published; also .gz), or a file
out: records with input, context, answers, length (words), all_classes
"""

from pathlib import Path

from eval.benchmarks.longbench.tasks import LongBenchTask
from eval.building.build_context import BuildContext
from eval.building.published_files import check_fields, chosen, file_called
from eval.building.record_files import each_record

FIELDS = {"input": str, "context": str, "answers": list, "length": int}


def record_file(path: Path, task: LongBenchTask) -> Path:
    """The file of one set in the folder `path`."""
    return file_called(path, (f"{task.record_file}.jsonl",))


def chosen_records(context: BuildContext, task: LongBenchTask) -> list[dict]:
    """The records of a set that the settings ask for."""
    path = record_file(context.data("longbench"), task)
    records = list(each_record(path))
    check_fields(path, records, FIELDS)
    return chosen(records, context.options.samples, context.settings.seed, "longbench", task.name)
