"""HELMET's `data/` folder in small: a file of every kind that HELMET and its sources publish, in their formats."""

import csv
import json
import random
from pathlib import Path

import pyarrow
from pyarrow import parquet

# (file, passages a question, whether it holds worked examples)
KILT_FILES = (
    ("nq-dev-multikilt_1000_k20_dep6", 4, False),
    ("nq-train-multikilt_1000_k3_dep6", 3, True),
    ("triviaqa-dev-multikilt_1000_k20_dep6", 4, False),
    ("triviaqa-train-multikilt_1000_k3_dep6", 3, True),
    ("hotpotqa-dev-multikilt_1000_k20_dep3", 4, False),
    ("hotpotqa-train-multikilt_1000_k3_dep3", 3, True),
    ("popqa_test_1000_k20_dep6", 4, False),
    ("popqa_test_1000_k3_dep6", 3, True),
)
LABELS = 5
STORY_TOKENS = 300


def write_lines(path: Path, records: list[dict]) -> None:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """One JSON value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_helmet(folder: Path, text: str) -> None:
    """The whole folder; passages are stretches of `text`."""
    words = text.split()
    draw = random.Random(3)

    def passage(count: int = 12) -> str:
        start = draw.randrange(len(words) - count)
        return " ".join(words[start : start + count])

    for name, few, examples in KILT_FILES:
        write_lines(folder / "kilt" / f"{name}.jsonl", kilt_records(passage, few, "train" in name, examples))
    write_lines(folder / "msmarco" / "test_reranking_data_k14_dep3.jsonl", rerank_records(passage, 12, "ask"))
    write_lines(folder / "msmarco" / "test_reranking_data_k10_dep3.jsonl", rerank_records(passage, 3, "show"))
    for task in ("niah_multikey_2", "niah_multikey_3", "niah_multivalue"):
        write_lines(folder / "ruler" / task / "validation_4096.jsonl", needle_records(passage))
    write_labelled(folder / "icl", passage)
    write_stories(folder, passage)
    write_cited(folder / "alce", passage)


def kilt_records(passage, documents: int, training: bool, examples: bool) -> list[dict]:
    """Questions, each with a gold passage; in files to be asked, every question comes once for every depth."""
    records = []
    for number in range(6):
        for depth in range(1 if examples else 2):
            found = [{"title": f"T{n}", "text": passage(), "has_answer": n == depth} for n in range(documents)]
            found[depth]["text"] += f" gold{number}"
            kind = "shown" if training else "asked"
            records.append(
                {
                    "id": f"{kind}-{number}",
                    "question": f"Which word is {kind} as number {number}?",
                    "answers": [f"gold{number}"],
                    "ctxs": found,
                    "s_pop": 10 if number % 2 else 5000,
                }
            )
    return records


def rerank_records(passage, documents: int, kind: str) -> list[dict]:
    """Queries over passages with graded labels."""
    return [
        {
            "qid": f"{kind}{number}",
            "query": f"query {number}",
            "ctxs": [
                {"id": str(100 * number + n), "text": passage(), "label": str(n % 4)} for n in range(1, documents + 1)
            ],
        }
        for number in range(5)
    ]


def needle_records(passage) -> list[dict]:
    """Needles as RULER writes them."""
    return [
        {
            "index": number,
            "context": f"{passage(30)} One of the special magic numbers for word is: {1234567 + number}. {passage(30)}",
            "query": "word",
            "type_needle_v": "numbers",
            "outputs": [str(1234567 + number)],
        }
        for number in range(4)
    ]


def write_labelled(folder: Path, passage) -> None:
    """The files of the ICL tasks, LABELS labels each."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [(f"{passage(4)} {number}", number % LABELS) for number in range(60)]
    for name, part in (("trec_train_5500", pairs[:50]), ("trec_TREC_10", pairs[50:])):
        lines = [f"C{label // 2}:f{label} caf\xe9 {text}" for text, label in part]
        (folder / f"{name}.label").write_text("\n".join(lines) + "\n", encoding="latin-1")
    for name, part in (("train", pairs[:50]), ("test", pairs[50:])):
        with open(folder / f"banking77_{name}.csv", "w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([("text", "category"), *((text, f"label_{label}") for text, label in part)])
    splits = {"train": pairs[:40], "oos_train": [], "val": pairs[40:], "oos_val": [], "test": [], "oos_test": []}
    write_json(
        folder / "clinc150_data_full.json",
        {name: [[text, f"label_{label}"] for text, label in part] for name, part in splits.items()},
    )
    with open(folder / "NLU-Data-Home-Domain-Annotated-All.csv", "w", encoding="utf-8", newline="") as handle:
        rows = [
            (1, n, f"s{label}", "i", "", text, "", "", text, text if n % 10 else "", "q")
            for n, (text, label) in enumerate(pairs)
        ]
        head = (
            "userid answerid scenario intent status answer_annotation notes suggested_entities answer_normalised answer"
        )
        csv.writer(handle, delimiter=";").writerows([(*head.split(), "question"), *rows])


def write_stories(folder: Path, passage) -> None:
    """Novels, film scripts and lawsuits; every second is too short to be taken."""
    texts = [passage(STORY_TOKENS if number % 2 else 20) for number in range(6)]
    narrative = [
        {
            "document": {"id": f"d{number % 3}", "text": texts[2 * (number % 3) + 1]},
            "question": {"text": f"Who is {number}?", "tokens": []},
            "answers": [{"text": f"name {number}", "tokens": []}, {"text": "someone", "tokens": []}],
        }
        for number in range(6)
    ]
    (folder / "narrativeqa").mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(narrative), folder / "narrativeqa" / "test-00000-of-00001.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(narrative), folder / "narrativeqa" / "train-00000-of-00001.parquet")
    for name, options in (("qa", []), ("choice", ["red", "green", "blue", "grey"]), ("sum", [])):
        records = [
            {
                "id": n,
                "context": text,
                "input": f"Which colour is {n}?",
                "answer": [options[n % 4] if options else f"an answer {n}"],
                "options": options,
            }
            for n, text in enumerate(texts)
        ]
        write_lines(folder / "infbench" / f"longbook_{name}_eng.jsonl", records)
    points = [{"id": n, "keypoints": [f"point {n}.1", f"point {n}.2"]} for n in range(6)]
    write_lines(folder / "infbench" / "longbook_sum_eng_keypoints.jsonl", points)
    lawsuits = [
        {
            "id": f"EE-{n}",
            "sources": [text, text],
            "summary/long": f"Long {n}.",
            "summary/short": None if n == 1 else f"S {n}.",
        }
        for n, text in enumerate(texts)
    ]
    for split in ("validation", "train"):
        write_lines(
            folder / "multi_lexsum" / f"{split}.jsonl",
            [r for r in lawsuits if split == "validation" or r["summary/short"]],
        )


def write_cited(folder: Path, passage) -> None:
    """ASQA and QAMPARI with more passages than a prompt of 4K tokens shows."""
    documents = [{"title": f"T{n}", "text": passage(), "id": str(n), "score": 1.0} for n in range(12)]
    write_json(
        folder / "asqa_eval_gtr_top2000.json",
        [
            {
                "question": f"What is {n}?",
                "answer": f"It is {n}.",
                "qa_pairs": [{"question": "q", "short_answers": [str(n)]}],
                "docs": documents,
            }
            for n in range(3)
        ],
    )
    write_json(
        folder / "qampari_eval_gtr_top2000.json",
        [{"question": f"Which {n}?", "answers": [["one", "1"], ["two"]], "docs": documents} for n in range(3)],
    )
