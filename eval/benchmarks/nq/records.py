"""Natural Questions with their passages: the formats of Lost in the Middle and of DPR.

in : nq-open-*.jsonl(.gz): {"question", "answers", "ctxs": [{"title", "text", "isgold"}]}
     DPR's JSON: {"question", "answers", "positive_ctxs", "hard_negative_ctxs", "negative_ctxs"}
out: questions with the passage that answers them and with passages that do not, the most misleading first
invariant: no passage that spells an answer is a distractor.
"""

from dataclasses import dataclass
from pathlib import Path

from eval.building.published_files import check_fields, file_called
from eval.building.record_files import each_record
from eval.scoring.squad_metrics import normalized

FILES = ("nq-open-oracle.jsonl", "biencoder-nq-dev.json", "nq-dev.json")
FIELDS = {"question": str, "answers": list}


@dataclass(frozen=True)
class Passage:
    """A passage of an encyclopaedia."""

    title: str
    text: str


@dataclass(frozen=True)
class Question:
    """One question; `distractors` are its own (retrieved) ones, best first."""

    text: str
    answers: tuple[str, ...]
    gold: Passage
    distractors: tuple[Passage, ...]


def question_file(path: Path) -> Path:
    """The file of questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question in the file at `path` that has a passage with its answer, in order."""
    file = question_file(path)
    records = list(each_record(file))
    check_fields(file, records, FIELDS)
    contexts = "ctxs" if "ctxs" in records[0] else "positive_ctxs"
    check_fields(file, records, {contexts: list})
    return [question_of(record) for record in records if gold_and_others(record)[0]]


def question_of(record: dict) -> Question:
    """One record with its passages told apart."""
    gold, others = gold_and_others(record)
    answers = tuple(str(answer) for answer in record["answers"])
    passages = (passage_of(other) for other in others)
    distractors = dict.fromkeys(passage for passage in passages if not spells_any(passage, answers))
    return Question(record["question"], answers, passage_of(gold[0]), tuple(distractors))


def gold_and_others(record: dict) -> tuple[list[dict], list[dict]]:
    """(passages with the answer, passages without), in the file's order; DPR's hard negatives come first."""
    if "ctxs" in record:
        gold = [context for context in record["ctxs"] if context.get("isgold")]
        return gold, [context for context in record["ctxs"] if not context.get("isgold")]
    return record["positive_ctxs"], [*record.get("hard_negative_ctxs", []), *record.get("negative_ctxs", [])]


def passage_of(context: dict) -> Passage:
    """A passage in one of the published formats."""
    return Passage(str(context.get("title", "")), str(context["text"]))


def spells_any(passage: Passage, answers: tuple[str, ...]) -> bool:
    """Whether one of the answers stands in the passage, as whole normalised words."""
    words = f" {normalized(f'{passage.title} {passage.text}')} "
    return any(f" {normalized(answer)} " in words for answer in answers if normalized(answer))
