"""Questions over passages: RAG, re-ranking, and answers with citations.

rag   : NQ, TriviaQA, HotpotQA and PopQA over retrieved Wikipedia passages (KILT). HELMET's files are
        kilt/...kN_depM.jsonl with question, answers, ctxs [{title, text}] (and id, and s_pop in PopQA); worked examples
        come from files of the same format with three passages each
rerank: the passages of an MS MARCO query, to be put into the order of their relevance. HELMET's files are
        msmarco/test_reranking_data_kN_dep3.jsonl with qid, query and ctxs [{id, text, label (, title)}]
cite  : ASQA and QAMPARI (ALCE). The files are ALCE's, alce/asqa_eval_gtr_top2000.json and
        alce/qampari_eval_gtr_top2000.json: question, docs [{title, text}], and qa_pairs [{short_answers}] or answers
        [[alias]]; instruction and worked examples are published prompts
"""

import json
import math
from functools import cache
from random import Random

from eval.benchmarks.helmet.outputs import flat
from eval.benchmarks.helmet.prompting import (
    PROMPTS,
    Asked,
    chosen,
    data_file,
    described,
    helmet_sample,
    part,
    read_records,
    share,
)
from eval.benchmarks.helmet.tasks import TASKS
from eval.building.context import BuildContext, Built

# (samples, worked examples); {} is the number of passages.
RAG_FILES = {
    "nq": ("nq-dev-multikilt_1000_k{}_dep6", "nq-train-multikilt_1000_k3_dep6"),
    "triviaqa": ("triviaqa-dev-multikilt_1000_k{}_dep6", "triviaqa-train-multikilt_1000_k3_dep6"),
    "hotpotqa": ("hotpotqa-dev-multikilt_1000_k{}_dep3", "hotpotqa-train-multikilt_1000_k3_dep3"),
    "popqa": ("popqa_test_1000_k{}_dep6", "popqa_test_1000_k3_dep6"),
}


def rag(context: BuildContext) -> Built:
    """The samples of one length."""
    samples, examples = RAG_FILES[context.task]
    path = data_file(context, f"kilt/{samples.format(TASKS[context.task].size_at(context.length))}")
    example_path = data_file(context, f"kilt/{examples}")
    records, pool = little_known(context, read_records(path)), little_known(context, read_records(example_path))
    rows = []
    for record in chosen_questions(context, records):
        # A question keeps its worked examples whatever else is asked.
        own = chosen_examples(pool, identity(record), context.options.shots, context.generator(identity(record)))
        rows.append(helmet_sample(context, rag_asked(record, own)))
    return Built(rows, inputs=described(path, example_path))


def little_known(context: BuildContext, records: list[dict]) -> list[dict]:
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


def rag_asked(record: dict, examples: list[dict]) -> Asked:
    """One question over its passages."""
    worked = [
        part("rag_example").format(
            documents=rag_passages(example["ctxs"]), question=example["question"], answer=example["answers"][0]
        )
        for example in examples
    ]
    gold = [place for place, passage in enumerate(record["ctxs"]) if passage.get("has_answer")]
    return Asked(
        context=rag_passages(record["ctxs"]),
        question=record["question"],
        answers=record["answers"],
        fields={"demos": "\n\n".join(worked) + "\n\n" if worked else ""},
        more={"depths": [share(place, len(record["ctxs"])) for place in gold]},
    )


def rag_passages(documents: list[dict]) -> str:
    """The passages as the prompt has them."""
    return "\n\n".join(part("rag_passage").format(**document) for document in documents)


def rerank(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, f"msmarco/test_reranking_data_k{TASKS[context.task].size_at(context.length)}_dep3")
    example_path = data_file(context, "msmarco/test_reranking_data_k10_dep3")
    pool = [{**record, "id": record["qid"]} for record in read_records(example_path)]
    rows = []
    for record in drawn_queries(context, read_records(path)):
        own = chosen_examples(pool, str(record["qid"]), context.options.shots, context.generator(record["qid"]))
        rows.append(helmet_sample(context, rerank_asked(record, own)))
    return Built(rows, inputs=described(path, example_path))


def drawn_queries(context: BuildContext, records: list[dict]) -> list[dict]:
    """All records of the drawn queries: a file has each query once for every order of its passages."""
    names = sorted({str(record["qid"]) for record in records})
    context.generator("choice").shuffle(names)
    chosen = set(names[: context.options.samples])
    return [record for record in records if str(record["qid"]) in chosen]


def rerank_asked(record: dict, examples: list[dict]) -> Asked:
    """One query; the answer is the passages' ids, most relevant first."""
    worked = [
        part("msmarco_example").format(
            documents=rerank_passages(example["ctxs"]), question=example["query"], ranking=ranking(example["ctxs"])
        )
        for example in examples
    ]
    return Asked(
        context=rerank_passages(record["ctxs"]),
        question=record["query"],
        answers=[ranking(record["ctxs"])],
        fields={"demos": "".join(f"{text}\n\n" for text in worked)},
        more={"relevance": {str(document["id"]): int(document["label"]) for document in record["ctxs"]}},
    )


def rerank_passages(documents: list[dict]) -> str:
    """The passages as the prompt has them, each with its id."""
    kind = "msmarco_titled_passage" if "title" in documents[0] else "msmarco_passage"
    return "\n\n".join(part(kind).format(**document) for document in documents)


def ranking(documents: list[dict]) -> str:
    """ID > ID > ..., by falling label; equal labels keep their order."""
    return " > ".join(str(document["id"]) for document in sorted(documents, key=lambda each: -int(each["label"])))


WORDING = {"asqa": "asqa_revised.json", "qampari": "qampari_revised.json"}


def cite(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, f"alce/{context.task}_eval_gtr_top2000")
    rows = []
    for record in chosen(context, read_records(path), context.options.samples):
        documents = record["docs"][: TASKS[context.task].size_at(context.length)]
        examples = context.generator(record["question"]).sample(
            wording(context.task)["demos"], min(context.options.shots, len(wording(context.task)["demos"]))
        )
        rows.append(helmet_sample(context, cite_asked(context.task, record, documents, examples)))
    return Built(rows, inputs=described(path))


@cache
def wording(task: str) -> dict:
    """The published instruction, templates and worked examples of a task."""
    return json.loads((PROMPTS / WORDING[task]).read_text(encoding="utf-8"))


def cite_asked(task: str, record: dict, documents: list[dict], examples: list[dict]) -> Asked:
    """One question over its passages; the sample keeps the passages for the check of its citations."""
    words = wording(task)
    worked = [
        words["demo_prompt"].format(
            instruction=words["instruction"],
            question=example["question"],
            context=cite_passages(words, example["docs"]),
            answer=example["answer"],
        )
        for example in examples
    ]
    return Asked(
        context=cite_passages(words, documents),
        question=record["question"],
        answers=flat(record["answers"]) if task == "qampari" else [record["answer"]],
        fields={
            "instruction": words["instruction"],
            "demo_text": "".join(f"{text}{words['demo_sep']}" for text in worked),
        },
        more={
            "documents": [{"title": each["title"], "text": each["text"]} for each in documents],
            **({"qa_pairs": record["qa_pairs"]} if task == "asqa" else {"aliases": record["answers"]}),
        },
    )


def cite_passages(words: dict, documents: list[dict]) -> str:
    """The passages as the prompt has them, numbered from 1."""
    return "\n\n".join(
        words["doc_prompt"].format(ID=number, title=each["title"], text=each["text"])
        for number, each in enumerate(documents, start=1)
    )
