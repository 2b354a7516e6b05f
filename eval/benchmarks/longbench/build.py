"""LongBench-E prompts: a published record in its set's published wording, the middle cut out where it is too long.

in : a folder with qasper_e.jsonl, ..., musique.jsonl (or in its `data`, as published; also .gz), or a file: records
     with input, context, answers, length (words), all_classes
invariant: with `limit: prompt` the text is the published script's, to the character; for tokenizers that transformers
cleaned spaces up for, with `clean_up_spaces: true`.
"""

from pathlib import Path

from contracts.manifest import describe_files
from eval.benchmarks.longbench.tasks import LongBenchTask, task_called
from eval.building.context import BuildContext, Built
from eval.building.prompts import Prompt, sample_in_cell, sample_of_limit
from eval.building.records import check_fields, chosen, each_record, file_called


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    task = task_called(context.task)
    prompts = [prompt_of(task, record) for record in chosen_records(context, task)]
    rows = [sample_of(context, prompt) for prompt in prompts]
    cut = sum(row["input"] != prompt.text for row, prompt in zip(rows, prompts, strict=True))
    return Built(rows, {"cut_in_the_middle": cut}, describe_files([record_file(context.data("longbench"), task)]))


def prompt_of(task: LongBenchTask, record: dict) -> Prompt:
    """One record as its set words it."""
    before, after = task.prompt.split("{context}")
    after = after.format(input=record["input"])
    return Prompt(
        text=before + record["context"] + after,
        answers=[str(answer) for answer in record["answers"]],
        tokens_to_generate=task.tokens_to_generate,
        context=(len(before), len(before) + len(record["context"])),
        question=record["input"],
        chat=task.chat,
        more={
            "words": record["length"],
            "all_classes": record.get("all_classes") or [],
            "record": record.get("_id"),
            **generation_limits(task),
        },
    )


def generation_limits(task: LongBenchTask) -> dict:
    """samsum alone ends with its line: at least one token, then the first line break."""
    return {"stop": ["\n"], "min_new_tokens": 1} if task.name == "samsum" else {}


def sample_of(context: BuildContext, prompt: Prompt) -> dict:
    """The prompt as tokens, within the limit that the settings name."""
    cleans = context.options.clean_up_spaces
    if context.options.limit == "prompt":
        return sample_of_limit(context, prompt, context.length, cleans)
    return sample_in_cell(context, prompt, cleans)


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
