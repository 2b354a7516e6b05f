"""Question sets in small: LongBench-E, QuALITY, Qasper, NQ with passages and GovReport, in their published formats."""

import json
import random
from pathlib import Path

LONGBENCH_SETS = (
    *("qasper_e", "multifieldqa_en_e", "hotpotqa_e", "2wikimqa_e", "musique", "gov_report_e", "multi_news_e", "trec_e"),
    *("triviaqa_e", "samsum_e", "lcc_e", "repobench-p_e", "passage_count_e", "passage_retrieval_en_e"),
)
CLASSES = ["Colour", "Number", "Place", "Person"]
# Words of a context: one in each of the first two of LongBench-E's buckets of length.
BUCKET_WORDS = (120, 4100)


def json_lines(path: Path, records: list[dict]) -> None:
    """Write one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


class Passages:
    """Stretches of a text's words, drawn one after the other from one seed."""

    def __init__(self, text: str, seed: int) -> None:
        self.words = text.split()
        self.draw = random.Random(seed)

    def take(self, count: int) -> str:
        """`count` words in a row; the text is repeated where it is shorter."""
        words = self.words * (1 + count // len(self.words))
        start = self.draw.randrange(len(words) - count + 1)
        return " ".join(words[start : start + count])


def longbench_records(name: str, passages: Passages) -> list[dict]:
    """A short record, and one of more than 4,000 words."""
    records = []
    for number, words in enumerate(BUCKET_WORDS):
        context = passages.take(words)
        answer = (
            CLASSES[number] if name.startswith("trec") else f"Paragraph {number + 1}" if "passage" in name else None
        )
        answers = [answer or " ".join(context.split()[:6])]
        asked = "Which words begin the text?"
        length = len(f"{context} {asked} {answers[0]}".split())
        records.append(
            {
                "input": asked,
                "context": context,
                "answers": answers,
                "length": length,
                "dataset": name,
                "language": "en",
                "all_classes": CLASSES if name.startswith("trec") else None,
                "_id": f"{name}-{number}",
            }
        )
    return records


def write_longbench(folder: Path, text: str) -> None:
    """Every set, one file each."""
    for seed, name in enumerate(LONGBENCH_SETS):
        json_lines(folder / f"{name}.jsonl", longbench_records(name, Passages(text, seed)))


def write_quality(path: Path, text: str) -> None:
    """Two articles of two questions each."""
    passages = Passages(text, 21)
    records = [
        {
            "article_id": str(number),
            "article": passages.take(400),
            "questions": [
                {
                    "question": f"What happens in part {part}?",
                    "question_unique_id": f"{number}_{part}",
                    "options": ["Nothing", "A journey", "A quarrel", "A feast"],
                    "gold_label": 1 + (number + part) % 4,
                    "difficult": part,
                }
                for part in range(2)
            ],
        }
        for number in range(2)
    ]
    json_lines(path, records)


def write_qasper(path: Path, text: str) -> None:
    """Two papers; among their questions is each kind of answer."""
    passages = Passages(text, 22)
    empty = {"unanswerable": False, "extractive_spans": [], "free_form_answer": "", "yes_no": None}
    kinds = (
        {"unanswerable": True},
        {"extractive_spans": ["one span", "another span"]},
        {"free_form_answer": "An answer of its own."},
        {"yes_no": True},
    )
    papers = {
        f"paper{number}": {
            "title": passages.take(6),
            "abstract": passages.take(40),
            "full_text": [{"section_name": "Introduction", "paragraphs": [passages.take(120), passages.take(120)]}],
            "qas": [
                {
                    "question": f"Question {kind} on paper {number}?",
                    "question_id": f"q{number}{kind}",
                    "answers": [{"answer": {**empty, **kinds[kind]}, "annotation_id": "a", "worker_id": "w"}],
                }
                for kind in range(len(kinds))
            ],
        }
        for number in range(2)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(papers), encoding="utf-8")


def write_nq(path: Path, text: str) -> None:
    """Six questions, each with the passage that answers it and three that do not."""
    passages = Passages(text, 23)
    records = []
    for number in range(6):
        found = [{"title": f"T{number}", "text": f"{passages.take(60)} gold{number}", "isgold": True}]
        found += [{"title": f"T{number}.{n}", "text": passages.take(60), "isgold": False} for n in range(3)]
        records.append({"question": f"which word is number {number}", "answers": [f"gold{number}"], "ctxs": found})
    json_lines(path, records)


def write_govreport(path: Path, text: str) -> None:
    """Three reports."""
    passages = Passages(text, 24)
    json_lines(path, [{"input": passages.take(6000), "outputs": [passages.take(50)]} for _ in range(3)])
