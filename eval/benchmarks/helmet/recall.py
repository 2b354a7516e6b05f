"""Recall: RULER's needles from files, and the value of one key of a large JSON object of random UUIDs.

needles: RULER's niah_multikey_2, niah_multikey_3 and niah_multivalue; HELMET's files are
         ruler/TASK/validation_LENGTH.jsonl with context, query, type_needle_v and the answers (`answer`, or `outputs`
         as RULER writes them)
json_kv: HELMET's file (json_kv/test_k1800_dep6.jsonl) is read where the data folder has it. Otherwise the object is
         made here (Liu et al., "Lost in the Middle", 2023): as many pairs as the length holds, the wanted one at depths
         that go round
"""

import json
from random import Random
from uuid import UUID

from contracts.errors import InputError
from eval.benchmarks.helmet.prompting import (
    Asked,
    chosen,
    data_file,
    described,
    has_file,
    helmet_sample,
    part,
    read_records,
    share,
    written,
)
from eval.benchmarks.helmet.tasks import TASKS
from eval.building.context import BuildContext, Built
from eval.building.filling import largest_fitting

FOLDERS = {"niah_mk_2": "niah_multikey_2", "niah_mk_3": "niah_multikey_3", "niah_mv": "niah_multivalue"}


def needles(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, f"ruler/{FOLDERS[context.task]}/validation_{TASKS[context.task].size_at(context.length)}")
    records = chosen(context, read_records(path), context.options.samples)
    return Built([helmet_sample(context, needle_asked(record)) for record in records], inputs=described(path))


def needle_asked(record: dict) -> Asked:
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


# HELMET's file has the key at this many depths.
DEPTHS = 6
HEADING = "JSON data:\n"


def json_kv(context: BuildContext) -> Built:
    """The samples of one length."""
    name = f"json_kv/test_k{TASKS['json_kv'].size_at(context.length)}_dep{DEPTHS}"
    if has_file(context, name):
        path = data_file(context, name)
        records, inputs = chosen(context, read_records(path), context.options.samples), described(path)
        rows = [helmet_sample(context, pair_asked(record, context.options.shots)) for record in records]
        return Built(rows, {"made_by": "HELMET's file"}, inputs)
    rows = [generated_sample(context, index) for index in range(context.options.samples)]
    return Built(rows, {"made_by": "generator"})


def pair_asked(record: dict, shots: int) -> Asked:
    """A record of the published format: context, question (a key), answer, demos [[key, value]], num_kvs."""
    example = part("json_kv_example")
    examples = [example.format(key=key, value=f" {value}") for key, value in record["demos"][:shots]]
    answer = record["answer"]
    keys = list(json.loads(record["context"][record["context"].index("{") :]))
    return Asked(
        context=record["context"],
        question=record["question"],
        answers=[answer] if isinstance(answer, str) else answer,
        fields={"demos": "".join(f"{text}\n\n" for text in examples)},
        more={"depths": [share(keys.index(record["question"]), len(keys))], "pairs": len(keys)},
    )


def generated_sample(context: BuildContext, index: int) -> dict:
    """The sample with the most pairs that fit."""
    shots = context.options.shots

    def row(pairs: int) -> dict:
        made = pair_asked(random_record(context.generator(index), pairs, index % DEPTHS), shots)
        return written(context, made, made.context)

    most = largest_fitting(lambda pairs: row(pairs)["length"] <= context.length, 1)
    if most is None:
        raise InputError(f"--length {context.length}: helmet json_kv does not fit into it; choose a longer length")
    return row(most)


def random_record(generator: Random, pairs: int, depth: int, examples: int = 10) -> dict:
    """One record of the published format; `depth` counts from 0 (the first key) to DEPTHS - 1 (the last)."""
    demos = [[random_uuid(generator), random_uuid(generator)] for _ in range(examples)]
    items = [(random_uuid(generator), random_uuid(generator)) for _ in range(pairs)]
    key, value = items[round(depth * (pairs - 1) / (DEPTHS - 1))]
    lines = ",\n ".join(f'"{name}": "{text}"' for name, text in items)
    return {
        "context": f"{HEADING}{{{lines}}}",
        "question": key,
        "answer": value,
        "demos": demos,
        "num_kvs": pairs,
        "depth": depth,
    }


def random_uuid(generator: Random) -> str:
    """A version-4 UUID of the generator's own bits."""
    return str(UUID(int=generator.getrandbits(128), version=4))
