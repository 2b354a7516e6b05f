"""Questions and paragraphs from the published files: SQuAD (v1.1 and v2.0 JSON) and HotpotQA (distractor JSON).

out: a Questions: all different paragraphs, sorted, and for each question the numbers of those that answer it and of
     those that come with it (for SQuAD the others of the same article)
invariant: the order of the questions is the file's; questions that SQuAD marks as impossible are left out.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError


@dataclass(frozen=True)
class Question:
    """A question, its answers, and its paragraphs as indices into Questions.documents."""

    text: str
    answers: list[str]
    gold: list[int]
    related: list[int]


@dataclass(frozen=True)
class Questions:
    """A file's different paragraphs, and its questions."""

    documents: list[str]
    questions: list[Question]


def read_squad(path: Path) -> Questions:
    """SQuAD's dev file; InputError where the file is something else."""
    try:
        articles = [
            [(paragraph["context"], paragraph["qas"]) for paragraph in article["paragraphs"]]
            for article in json_value(path)["data"]
        ]
        documents, places = numbered({context for article in articles for context, _ in article})
        questions = [
            Question(
                asked["question"],
                [answer["text"] for answer in asked["answers"]],
                [places[context]],
                [places[other] for other, _ in article if other != context],
            )
            for article in articles
            for context, asked_here in article
            for asked in asked_here
            if not asked.get("is_impossible", False)
        ]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not in SQuAD's format ({error}); give dev-v2.0.json or dev-v1.1.json") from None
    return checked(path, documents, questions)


def read_hotpotqa(path: Path) -> Questions:
    """HotpotQA's distractor dev file; InputError where the file is something else."""
    try:
        records = [
            (record["question"], record["answer"], [f"{title}\n{''.join(text)}" for title, text in record["context"]])
            for record in json_value(path)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not in HotpotQA's format ({error}); give hotpot_dev_distractor_v1.json") from None
    documents, places = numbered({text for _, _, texts in records for text in texts})
    questions = [Question(asked, [answer], [places[text] for text in texts], []) for asked, answer, texts in records]
    return checked(path, documents, questions)


def json_value(path: Path) -> object:
    """The JSON value in a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); fetch the file again") from None


def numbered(texts: set[str]) -> tuple[list[str], dict[str, int]]:
    """(the texts sorted, the place of each)."""
    ordered = sorted(texts)
    return ordered, {text: place for place, text in enumerate(ordered)}


def checked(path: Path, documents: list[str], questions: list[Question]) -> Questions:
    """InputError where there is no question."""
    if not questions:
        raise InputError(f"{path}: holds no question that has an answer; give the whole file")
    return Questions(documents, questions)
