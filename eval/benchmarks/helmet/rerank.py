"""Re-ranking: the passages of an MS MARCO query, to be put into the order of their relevance.

HELMET's files are msmarco/test_reranking_data_kN_dep3.jsonl with qid, query and ctxs [{id, text, label (, title)}].
"""

from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.rag import chosen_examples
from eval.benchmarks.helmet.records import data_file, described, read_records
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part
from eval.building.build_context import BuildContext, Built


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, f"msmarco/test_reranking_data_k{TASKS[context.task].size_at(context.length)}_dep3")
    example_path = data_file(context, "msmarco/test_reranking_data_k10_dep3")
    pool = [{**record, "id": record["qid"]} for record in read_records(example_path)]
    rows = []
    for record in drawn(context, read_records(path)):
        own = chosen_examples(pool, str(record["qid"]), context.options.shots, context.generator(record["qid"]))
        rows.append(helmet_sample(context, asked(record, own)))
    return Built(rows, inputs=described(path, example_path))


def drawn(context: BuildContext, records: list[dict]) -> list[dict]:
    """All records of the drawn queries: a file has each query once for every order of its passages."""
    names = sorted({str(record["qid"]) for record in records})
    context.generator("choice").shuffle(names)
    chosen = set(names[: context.options.samples])
    return [record for record in records if str(record["qid"]) in chosen]


def asked(record: dict, examples: list[dict]) -> Asked:
    """One query; the answer is the passages' ids, most relevant first."""
    worked = [
        part("msmarco_example").format(
            documents=passages(example["ctxs"]), question=example["query"], ranking=ranking(example["ctxs"])
        )
        for example in examples
    ]
    return Asked(
        context=passages(record["ctxs"]),
        question=record["query"],
        answers=[ranking(record["ctxs"])],
        fields={"demos": "".join(f"{text}\n\n" for text in worked)},
        more={"relevance": {str(document["id"]): int(document["label"]) for document in record["ctxs"]}},
    )


def passages(documents: list[dict]) -> str:
    """The passages as the prompt has them, each with its id."""
    kind = "msmarco_titled_passage" if "title" in documents[0] else "msmarco_passage"
    return "\n\n".join(part(kind).format(**document) for document in documents)


def ranking(documents: list[dict]) -> str:
    """ID > ID > ..., by falling label; equal labels keep their order."""
    return " > ".join(str(document["id"]) for document in sorted(documents, key=lambda each: -int(each["label"])))
