"""Recall, needles: RULER's niah_multikey_2, niah_multikey_3 and niah_multivalue, read from files in RULER's format.

HELMET's files are ruler/TASK/validation_LENGTH.jsonl with context, query, type_needle_v and the answers (`answer`, or
`outputs` as RULER writes them).
"""

from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.records import chosen, data_file, described, read_records
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, share
from eval.building.build_context import BuildContext, Built

FOLDERS = {"niah_mk_2": "niah_multikey_2", "niah_mk_3": "niah_multikey_3", "niah_mv": "niah_multivalue"}


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, f"ruler/{FOLDERS[context.task]}/validation_{TASKS[context.task].size_at(context.length)}")
    records = chosen(context, read_records(path), context.options.samples)
    return Built([helmet_sample(context, asked(record)) for record in records], inputs=described(path))


def asked(record: dict) -> Asked:
    """One needle record; its depths are where the answers stand in the text."""
    answers = record.get("answer", record.get("outputs"))
    places = [record["context"].find(answer) for answer in answers]
    return Asked(
        context=record["context"],
        question=record["query"],
        answers=answers,
        fields={"type_needle_v": record["type_needle_v"], "query": record["query"]},
        more={"depths": [share(place, len(record["context"])) for place in places if place >= 0]},
    )
