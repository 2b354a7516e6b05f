"""Records in the published formats for tests: LongMIT from real passages where they are at hand, LongAlpaca made up."""

import json
import random
from pathlib import Path

from tests.real_records import REAL_RECORDS

REAL = REAL_RECORDS / "longmit/longmit_4hop_datasets.jsonl"
WORDS = [
    "the",
    "age",
    "of",
    "wisdom",
    "it",
    "was",
    "best",
    "worst",
    "times",
    "season",
    "Light",
    "Darkness",
    "hope",
    "despair",
    "we",
    "all",
    "1775",
]


def sentence(generator: random.Random, words: int) -> str:
    return " ".join(generator.choice(WORDS) for _ in range(words)).capitalize() + "."


def longmit_record(
    number: int, clues: int, *, passages: int = 8, kind: str = "inter_doc", language: str = "en"
) -> dict:
    """A record of LongMIT with so many supporting passages among all of them."""
    generator = random.Random(number)
    documents = [{"content": f"Document {n} of {number}. {sentence(generator, 12)}"} for n in range(passages)]
    return {
        "id": number,
        "all_docs": documents,
        "clue_docs": generator.sample(documents, clues),
        "question": f"What joins them, number {number}?",
        "answer": f"First, {sentence(generator, 6)} So the answer is {number}.",
        "type": kind,
        "language": language,
    }


def longalpaca_record(number: int, words: int = 60) -> dict:
    """A long record of LongAlpaca: the document and the question in one instruction."""
    generator = random.Random(f"alpaca {number}")
    paper = "\n".join(sentence(generator, 10) for _ in range(words // 10))
    instruction = "Below is a paper. Memorize the paper and answer my question after the paper.\n The paper begins. \n "
    instruction += f"{paper} \n Now the paper ends. \nQuestion: what is {number} about?"
    return {
        "instruction": instruction,
        "output": f"Answer: it is about {sentence(generator, 5)}",
        "input": "",
        "file": None,
    }


def real_longmit_records() -> list[dict]:
    """The published builder's records in the published training format: real passages, questions and answers."""
    records = []
    for line in REAL.read_text(encoding="utf-8").splitlines():
        built = json.loads(line)
        documents = built["aggregated_docs"]
        for number, questions in enumerate(built["multihop_qas"]):
            for hops, pair in enumerate(questions["crossdoc"] or questions["indoc"], 2):
                records.append(
                    {
                        "all_docs": documents,
                        "clue_docs": documents[number : number + hops],
                        "question": pair["question"],
                        "answer": pair["answer"],
                        "type": "inter_doc",
                        "language": "en",
                    }
                )
    return records


def write_jsonl(path: Path, records: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
