"""RAG: questions of NQ, TriviaQA, HotpotQA and PopQA over retrieved Wikipedia passages (KILT).

HELMET's files are kilt/...kN_depM.jsonl with question, answers, ctxs [{title, text}] (and id, and s_pop in PopQA);
worked examples come from files of the same format with three passages each.
"""

import math
from random import Random

from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.records import data_file, described, read_records
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part, share
from eval.building.build_context import BuildContext, Built

# (samples, worked examples); {} is the number of passages.
FILES = {
    "nq": ("nq-dev-multikilt_1000_k{}_dep6", "nq-train-multikilt_1000_k3_dep6"),
    "triviaqa": ("triviaqa-dev-multikilt_1000_k{}_dep6", "triviaqa-train-multikilt_1000_k3_dep6"),
    "hotpotqa": ("hotpotqa-dev-multikilt_1000_k{}_dep3", "hotpotqa-train-multikilt_1000_k3_dep3"),
    "popqa": ("popqa_test_1000_k{}_dep6", "popqa_test_1000_k3_dep6"),
}


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    samples, examples = FILES[context.task]
    path = data_file(context, f"kilt/{samples.format(TASKS[context.task].size_at(context.length))}")
    example_path = data_file(context, f"kilt/{examples}")
    records, pool = known(context, read_records(path)), known(context, read_records(example_path))
    rows = []
    for record in chosen_questions(context, records):
        # A question keeps its worked examples whatever else is asked.
        own = chosen_examples(pool, identity(record), context.options.shots, context.generator(identity(record)))
        rows.append(helmet_sample(context, asked(record, own)))
    return Built(rows, inputs=described(path, example_path))


def known(context: BuildContext, records: list[dict]) -> list[dict]:
    """All records; of PopQA only those about little-known subjects."""
    if context.task != "popqa":
        return records
    return [record for record in records if math.log10(record["s_pop"]) < context.options.popularity]


def identity(record: dict) -> str:
    """What names a question: its id, or itself where a file has none."""
    return str(record["id"] if "id" in record else record["question"])


def chosen_questions(context: BuildContext, records: list[dict]) -> list[dict]:
    """All records of the drawn questions: a file has each question once for every depth of its gold passage."""
    names = sorted({identity(record) for record in records})
    context.generator("choice").shuffle(names)
    drawn = set(names[: context.options.samples])
    return [record for record in records if identity(record) in drawn]


def chosen_examples(pool: list[dict], question: str, shots: int, generator: Random) -> list[dict]:
    """`shots` different questions of the pool, never the asked one."""
    others = {identity(record): record for record in pool if identity(record) != question}
    return [others[name] for name in generator.sample(sorted(others), min(shots, len(others)))]


def asked(record: dict, examples: list[dict]) -> Asked:
    """One question over its passages."""
    worked = [
        part("rag_example").format(
            documents=passages(example["ctxs"]), question=example["question"], answer=example["answers"][0]
        )
        for example in examples
    ]
    gold = [place for place, passage in enumerate(record["ctxs"]) if passage.get("has_answer")]
    return Asked(
        context=passages(record["ctxs"]),
        question=record["question"],
        answers=record["answers"],
        fields={"demos": "\n\n".join(worked) + "\n\n" if worked else ""},
        more={"depths": [share(place, len(record["ctxs"])) for place in gold]},
    )


def passages(documents: list[dict]) -> str:
    """The passages as the prompt has them."""
    return "\n\n".join(part("rag_passage").format(**document) for document in documents)
