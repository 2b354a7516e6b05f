"""Cite: answers with citations to numbered passages, ASQA and QAMPARI (ALCE).

The files are ALCE's, alce/asqa_eval_gtr_top2000.json and alce/qampari_eval_gtr_top2000.json: question, docs [{title,
text}], and qa_pairs [{short_answers}] or answers [[alias]]. Instruction and worked examples are published prompts.
"""

import json
from functools import cache

from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.records import chosen, data_file, described, read_records
from eval.benchmarks.helmet.sampling import PROMPTS, Asked, helmet_sample
from eval.benchmarks.helmet.text_metrics import flat
from eval.building.build_context import BuildContext, Built

WORDING = {"asqa": "asqa_revised.json", "qampari": "qampari_revised.json"}


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, f"alce/{context.task}_eval_gtr_top2000")
    rows = []
    for record in chosen(context, read_records(path), context.options.samples):
        documents = record["docs"][: TASKS[context.task].size_at(context.length)]
        examples = context.generator(record["question"]).sample(
            wording(context.task)["demos"], min(context.options.shots, len(wording(context.task)["demos"]))
        )
        rows.append(helmet_sample(context, asked(context.task, record, documents, examples)))
    return Built(rows, inputs=described(path))


@cache
def wording(task: str) -> dict:
    """The published instruction, templates and worked examples of a task."""
    return json.loads((PROMPTS / WORDING[task]).read_text(encoding="utf-8"))


def asked(task: str, record: dict, documents: list[dict], examples: list[dict]) -> Asked:
    """One question over its passages; the sample keeps the passages for the check of its citations."""
    words = wording(task)
    worked = [
        words["demo_prompt"].format(
            instruction=words["instruction"],
            question=example["question"],
            context=passages(words, example["docs"]),
            answer=example["answer"],
        )
        for example in examples
    ]
    return Asked(
        context=passages(words, documents),
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


def passages(words: dict, documents: list[dict]) -> str:
    """The passages as the prompt has them, numbered from 1."""
    return "\n\n".join(
        words["doc_prompt"].format(ID=number, title=each["title"], text=each["text"])
        for number, each in enumerate(documents, start=1)
    )
