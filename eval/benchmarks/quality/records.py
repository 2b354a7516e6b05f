"""QuALITY's questions: the published JSON lines, one line a set of questions on one article.

in : QuALITY.v1.0.1.htmlstripped.dev (or any file of that format, the flat format before the release included)
out: questions with a story, four options and the right one of them
invariant: questions without a gold label (the test split) are refused, not skipped.
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from contracts.errors import InputError
from eval.benchmarks.quality.article import plain_text
from eval.building.published_files import check_fields, file_called
from eval.building.record_files import each_record

LETTERS = "ABCD"
FILES = ("QuALITY.v1.0.1.htmlstripped.dev", "QuALITY.v1.0.1.dev", "QuALITY.v1.0.dev", "dev.jsonl")


@dataclass(frozen=True)
class Question:
    """One question; `answer` is one of A, B, C, D; `hard` as the annotators' speed test found it, None if untold."""

    name: str
    story: str
    text: str
    options: tuple[str, ...]
    answer: str
    hard: bool | None


def question_file(path: Path) -> Path:
    """The file of questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question of the file at `path`, in order."""
    file = question_file(path)
    records = list(each_record(file))
    check_fields(file, records, {"article": (str, list)})
    questions = []
    for number, record in enumerate(records, start=1):
        story = plain_text(record["article"])
        for item in record["questions"] if "questions" in record else flat_questions(record):
            questions.append(question_of(story, item, f"{file} record {number}"))
    return questions


def question_of(story: str, item: dict, where: str) -> Question:
    """One item of a record; InputError where it is no question with four options and a label."""
    options, label = item.get("options"), item.get("gold_label")
    if not isinstance(options, list) or len(options) != len(LETTERS) or not isinstance(item.get("question"), str):
        raise InputError(f"{where}: a question without text or without 4 options; this is not the published format")
    if label not in range(1, len(LETTERS) + 1):
        raise InputError(f"{where}: a question without a gold label from 1 to 4; use the train or dev split")
    hard = item.get("difficult")
    return Question(
        name=str(item.get("question_unique_id", "")),
        story=story,
        text=item["question"].strip(),
        options=tuple(str(option).strip() for option in options),
        answer=LETTERS[label - 1],
        hard=None if hard is None else bool(hard),
    )


def flat_questions(record: dict) -> list[dict]:
    """The questions of the layout before the release: question1, question1option1, question1_gold_label, ..."""
    items = []
    for number in count(1):
        key = f"question{number}"
        if key not in record:
            return items
        items.append(
            {
                "question": record[key],
                "question_unique_id": f"{record.get('unique_id', '')}_{number}",
                "options": [record.get(f"{key}option{option}", "") for option in range(1, len(LETTERS) + 1)],
                "gold_label": record.get(f"{key}_gold_label"),
            }
        )
    return items
