"""Recall, json_kv: the value of one key of a large JSON object of random UUIDs.

HELMET's file (json_kv/test_k1800_dep6.jsonl) is read where the data folder has it. Otherwise the object is made here
(Liu et al., "Lost in the Middle", 2023): as many pairs as the length holds, the wanted one at depths that go round.
"""

import json
from random import Random
from uuid import UUID

from contracts.errors import InputError
from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.records import chosen, data_file, described, has_file, read_records
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part, share, written
from eval.building.build_context import BuildContext, Built
from eval.building.fitting import largest_fitting

# HELMET's file has the key at this many depths.
DEPTHS = 6
HEADING = "JSON data:\n"


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    name = f"json_kv/test_k{TASKS['json_kv'].size_at(context.length)}_dep{DEPTHS}"
    if has_file(context, name):
        path = data_file(context, name)
        records, inputs = chosen(context, read_records(path), context.options.samples), described(path)
        rows = [helmet_sample(context, asked(record, context.options.shots)) for record in records]
        return Built(rows, {"made_by": "HELMET's file"}, inputs)
    rows = [generated_sample(context, index) for index in range(context.options.samples)]
    return Built(rows, {"made_by": "generator"})


def asked(record: dict, shots: int) -> Asked:
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
        made = asked(record(context.generator(index), pairs, index % DEPTHS), shots)
        return written(context, made, made.context)

    most = largest_fitting(lambda pairs: row(pairs)["length"] <= context.length, 1)
    if most is None:
        raise InputError(f"--length {context.length}: helmet json_kv does not fit into it; choose a longer length")
    return row(most)


def record(generator: Random, pairs: int, depth: int, examples: int = 10) -> dict:
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
